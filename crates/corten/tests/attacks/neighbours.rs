//! What the engine finds of a container by its first process: another container's
//! namespaces, its memory, its root. Neither a link in its tree nor another process that
//! was given its number leads elsewhere.

use super::{Canary, copy_races::call, hostile_image, image_with, replace_by_link};
use corten_testkit::{Engine, until};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::{Child, Command};

// /dev/shm of the container whose IPC namespace is joined is a link in a volume of its own.
#[test]
fn the_memory_that_two_containers_share_is_found_in_the_roots_of_both() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let target = canary.0.display().to_string();
    image_with(&engine, "lure", &["VOLUME /dev"], |root| {
        symlink_in(root, "dev/shm", &target);
    });
    hostile_image(&engine, "guest", |_| {});
    let words = ["run", "-d", "--ipc", "shareable", "--name", "lured", "lure"];
    engine
        .docker(words.into_iter().chain(["sleep", "100"]))
        .ok();
    let script = "echo x >/dev/shm/x; ls /dev/shm";
    let words = [
        "run",
        "--rm",
        "--ipc",
        "container:lured",
        "guest",
        "sh",
        "-c",
    ];
    let ran = engine.docker(words.into_iter().chain([script]));
    assert!(!ran.stdout.contains("file"), "{ran:?}");
    canary.untouched();
    // Without a lure it is the same memory.
    let words = [
        "run",
        "-d",
        "--ipc",
        "shareable",
        "--name",
        "plain",
        "guest",
    ];
    engine
        .docker(words.into_iter().chain(["sleep", "100"]))
        .ok();
    let words = [
        "run",
        "--rm",
        "--ipc",
        "container:plain",
        "guest",
        "sh",
        "-c",
    ];
    engine.docker(words.into_iter().chain([script])).ok();
    let seen = engine.docker(["exec", "plain", "cat", "/dev/shm/x"]);
    assert_eq!(seen.ok(), "x");
}

fn symlink_in(root: &Path, what: &str, target: &str) {
    std::fs::create_dir_all(root.join(what)).unwrap();
    replace_by_link(root, what, target);
}

/// A process of the host, ended when dropped.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A process of the host, with a network namespace without links, that has the number
/// `pid`, which must be free.
fn process_with_number(pid: i32) -> Other {
    for _ in 0..200 {
        std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
        let mut sleep = Command::new("unshare");
        let other = Other(sleep.args(["-n", "sleep", "1000"]).spawn().unwrap());
        if i32::try_from(other.0.id()) == Ok(pid) {
            let name = format!("/proc/{pid}/comm");
            until("it has its namespace", 20, || {
                std::fs::read_to_string(&name).is_ok_and(|name| name == "sleep\n")
            });
            return other;
        }
    }
    panic!("the number {pid} was not to be had");
}

/// Calls that look into the container `one`. None but the connection to a network, which
/// is for its next start, may succeed without its process.
const CALLS: &[(&str, &str, &str)] = &[
    ("GET", "/containers/one/archive?path=/CANARY/file", ""),
    ("HEAD", "/containers/one/archive?path=/CANARY", ""),
    ("POST", "/networks/n/connect", r#"{"Container":"one"}"#),
    ("POST", "/containers/network/start", ""),
    ("POST", "/containers/pid/start", ""),
    ("POST", "/containers/ipc/start", ""),
];
/// Calls that end a container, or what has its number.
const ENDS: &[&str] = &["kill", "stop", "restart?t=0"];

// A container ends, and a process of the host is given its number, before the daemon has
// heard of the end: it is stopped meanwhile, and finds calls and the news side by side.
#[test]
fn another_process_that_was_given_a_containers_number_is_not_taken_for_it() {
    let engine = Engine::with_images(&["busybox"]);
    let canary = Canary::new(&engine);
    let socket = engine.path("cortend.sock");
    engine.docker(["network", "create", "n"]).ok();
    let ends = ENDS
        .iter()
        .map(|end| ("POST", format!("/containers/one/{end}"), ""));
    let calls = CALLS
        .iter()
        .map(|(method, target, body)| (*method, (*target).to_owned(), *body));
    for (method, target, body) in calls.chain(ends) {
        let target = target.replace("/CANARY", &canary.0.display().to_string());
        let words = [
            "run",
            "-d",
            "--ipc",
            "shareable",
            "--name",
            "one",
            "busybox",
        ];
        engine
            .docker(words.into_iter().chain(["sleep", "1000"]))
            .ok();
        for kind in ["network", "pid", "ipc"] {
            let option = format!("--{kind}=container:one");
            engine
                .docker(["create", "--name", kind, &option, "busybox"])
                .ok();
        }
        let pid = engine.docker(["inspect", "-f", "{{.State.Pid}}", "one"]);
        let pid: i32 = pid.ok().parse().unwrap();
        let daemon = Pid::from_raw(engine.daemon_pid().cast_signed()).unwrap();
        kill_process(daemon, Signal::STOP).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        until("the shim has waited for it", 20, || {
            !Path::new(&format!("/proc/{pid}")).exists()
        });
        let mut other = process_with_number(pid);
        let (status, answer) = std::thread::scope(|scope| {
            let (socket, body) = (&socket, body.as_bytes());
            let (sent, connected) = std::sync::mpsc::channel();
            let call = scope.spawn({
                let target = &target;
                move || {
                    sent.send(()).unwrap();
                    call(socket, method, target, body)
                }
            });
            connected.recv().unwrap();
            kill_process(daemon, Signal::CONT).unwrap();
            call.join().unwrap()
        });
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("untouched"), "{target}: {answer}");
        let may_succeed = ENDS.iter().chain(&["connect"]);
        let may_succeed = may_succeed.into_iter().any(|end| target.ends_with(end));
        assert!(may_succeed || status >= 400, "{target}: {status} {answer}");
        let links = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).unwrap();
        assert!(!links.contains("eth"), "{target}: {links}");
        assert_eq!(
            other.0.try_wait().unwrap(),
            None,
            "{target} hit another process"
        );
        drop(other);
        engine
            .docker(["rm", "-f", "one", "network", "pid", "ipc"])
            .ok();
    }
    canary.untouched();
}
