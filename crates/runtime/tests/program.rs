//! `corten-runtime` on its command line, beside runc on the same bundles.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod container;

use container::{Container, docker_spec, strings};
use corten_oci::runtime::{Hook, Hooks, Rlimit, Root, Spec};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_corten-runtime");

/// A bundle and a place for records; containers left in it are deleted at the end.
struct Bundle {
    container: Container,
    program: &'static str,
    id: String,
}

impl Bundle {
    fn new(program: &'static str, spec: &Spec) -> Self {
        let container = Container::new(&["true"]);
        let root = Some(Root {
            path: "rootfs".into(),
            readonly: false,
        });
        let spec = Spec {
            root,
            ..spec.clone()
        };
        let text = serde_json::to_vec(&spec).unwrap();
        fs::write(container.directory.path().join("config.json"), text).unwrap();
        let name = container
            .directory
            .path()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap();
        let id = format!("corten-test-{}", name.trim_start_matches('.'));
        Self {
            container,
            program,
            id,
        }
    }

    fn path(&self) -> &Path {
        self.container.directory.path()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command
            .arg("--root")
            .arg(self.path().join("records"))
            .args(words);
        command.current_dir(self.path()).stdin(Stdio::null());
        command
    }

    fn call(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Calls it with the ID behind the words; it must succeed.
    fn on(&self, words: &[&str]) -> String {
        let mut words = words.to_vec();
        words.push(&self.id);
        let output = self.call(&words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Detached: no pipe of ours stays open in the container.
    fn create(&self) {
        let mut command = self.command(&["create", &self.id]);
        let status = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn status(&self) -> String {
        let state: serde_json::Value = serde_json::from_str(&self.on(&["state"])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    fn wait_for(&self, status: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.status() != status {
            assert!(Instant::now() < deadline, "still {}", self.status());
            std::thread::yield_now();
        }
    }

    /// What the container says and its exit code.
    fn run(&self) -> (String, Option<i32>) {
        let output = self.call(&["run", &self.id]);
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            text += &String::from_utf8_lossy(&output.stderr);
        }
        (text, output.status.code())
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        // A busy machine may need more than one attempt.
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let output = self.command(&["delete", "--force", &self.id]).output();
            if output.is_ok_and(|output| output.status.success()) {
                return;
            }
        }
    }
}

#[test]
fn a_container_goes_through_its_whole_life() {
    let bundle = Bundle::new(PROGRAM, &docker_spec(&["sleep", "100"]));
    bundle.create();
    assert_eq!(bundle.status(), "created");
    bundle.on(&["start"]);
    assert_eq!(bundle.status(), "running");
    let again = bundle.call(&["start", &bundle.id]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("already running"));
    bundle.on(&["pause"]);
    assert_eq!(bundle.status(), "paused");
    bundle.on(&["resume"]);
    assert_eq!(bundle.status(), "running");
    let output = bundle.call(&["exec", "--user", "33:34", &bundle.id, "id"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "uid=33(web) gid=34(www)\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        bundle
            .call(&["exec", &bundle.id, "sh", "-c", "exit 9"])
            .status
            .code(),
        Some(9)
    );
    assert_eq!(
        bundle.call(&["exec", &bundle.id, "nix"]).status.code(),
        Some(127)
    );
    bundle.on(&["update", "--memory", "64m", "--pids-limit", "50"]);
    let events = bundle.on(&["events", "--stats"]);
    assert!(
        events.contains("\"type\":\"stats\"") && events.contains("\"limit\":50"),
        "{events}"
    );
    assert!(bundle.on(&["ps"]).contains("sleep 100"));
    assert!(bundle.on(&["ps", "--format", "json"]).starts_with('['));
    let list = bundle.call(&["list"]);
    assert!(String::from_utf8_lossy(&list.stdout).contains(&bundle.id));
    assert!(!bundle.call(&["delete", &bundle.id]).status.success());
    let killed = bundle.call(&["kill", &bundle.id, "KILL"]);
    assert!(killed.status.success());
    bundle.wait_for("stopped");
    bundle.on(&["delete"]);
    let gone = bundle.call(&["state", &bundle.id]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("container does not exist"));
}

#[test]
fn a_start_that_fails_leaves_nothing() {
    let bundle = Bundle::new(PROGRAM, &docker_spec(&["nix"]));
    let output = bundle.call(&["create", &bundle.id]);
    assert_eq!(output.status.code(), Some(127));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("executable file not found in $PATH"),
        "{said}"
    );
    assert!(!bundle.path().join("records").join(&bundle.id).exists());
    assert!(!Path::new("/sys/fs/cgroup/pids").join(&bundle.id).exists());
}

#[test]
fn hooks_run_in_their_order_with_the_containers_state() {
    let mut spec = docker_spec(&["true"]);
    let log = tempfile::tempdir().unwrap();
    let file = log.path().join("log");
    let hook = |name: &str| Hook {
        path: "/bin/busybox".into(),
        args: strings(&[
            "sh",
            "-c",
            &format!(
                "read state; echo {name} $(hostname) >>{}; case $state in *'\"id\":\"corten-test'*) ;; *) exit 1;; esac",
                file.display()
            ),
        ]),
        env: strings(&["PATH=/bin:/usr/bin"]),
        timeout: Some(10),
    };
    spec.hooks = Some(Hooks {
        prestart: vec![hook("prestart")],
        create_runtime: vec![hook("createRuntime")],
        create_container: vec![hook("createContainer")],
        start_container: Vec::new(),
        poststart: vec![hook("poststart")],
        poststop: vec![hook("poststop")],
    });
    let bundle = Bundle::new(PROGRAM, &spec);
    let (said, status) = bundle.run();
    assert_eq!(status, Some(0), "{said}");
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let wanted = format!(
        "prestart {host}\ncreateRuntime {host}\ncreateContainer box\npoststart {host}\npoststop {host}\n"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
}

#[test]
fn a_hook_that_hangs_is_killed_and_fails_the_start() {
    let mut spec = docker_spec(&["true"]);
    spec.hooks = Some(Hooks {
        create_runtime: vec![Hook {
            path: "/bin/busybox".into(),
            args: strings(&["sleep", "100"]),
            timeout: Some(1),
            ..Hook::default()
        }],
        ..Hooks::default()
    });
    let bundle = Bundle::new(PROGRAM, &spec);
    let begin = Instant::now();
    let (said, status) = bundle.run();
    assert!(said.contains("timed out"), "{said}");
    assert_eq!(status, Some(1));
    assert!(begin.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_terminal_goes_to_the_console_socket() {
    use std::os::fd::AsFd;
    let mut spec = docker_spec(&["sh", "-c", "tty; sleep 100"]);
    spec.process.as_mut().unwrap().terminal = true;
    let bundle = Bundle::new(PROGRAM, &spec);
    let refused = bundle.call(&["create", &bundle.id]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("console socket"));
    let path = bundle.path().join("console");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let made = bundle
        .command(&[
            "create",
            "--console-socket",
            path.to_str().unwrap(),
            &bundle.id,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    let (connection, _) = listener.accept().unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 64];
    rustix::net::recvmsg(
        connection.as_fd(),
        &mut [std::io::IoSliceMut::new(&mut bytes)],
        &mut control,
        rustix::net::RecvFlags::CMSG_CLOEXEC,
    )
    .unwrap();
    let master = control.drain().find_map(|message| match message {
        rustix::net::RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    bundle.on(&["start"]);
    let mut said = [0; 64];
    let count = rustix::io::read(master.unwrap(), &mut said).unwrap();
    assert_eq!(&said[..count], b"/dev/pts/0\r\n");
}

/// CVE-2019-5736
#[test]
fn the_runtimes_own_file_cannot_be_opened_for_writing_through_proc_self_exe() {
    let before = fs::read(PROGRAM).unwrap();
    let mut spec = docker_spec(&["sleep", "100"]);
    spec.process
        .as_mut()
        .unwrap()
        .capabilities
        .as_mut()
        .unwrap()
        .permitted = corten_runtime::capability_names();
    let bundle = Bundle::new(PROGRAM, &spec);
    let bin = bundle.container.rootfs().join("bin");
    symlink("/proc/self/exe", bin.join("own")).unwrap();
    // The runtime's file is run with the words of the container: it waits in `events`.
    let watcher = "for i in 1 2 3 4 5 6 7 8 9 10; do for p in /proc/[0-9]*; do \
                     case $(readlink $p/exe) in */busybox|'') ;; *) \
                       (: >>$p/exe) 2>/dev/null && echo WRITTEN $p; echo SEEN;; esac; \
                   done; done";
    bundle.create();
    bundle.on(&["start"]);
    let entered = bundle.command(&[
        "exec", "-d", &bundle.id, "own", "--root", "/tmp", "run", "x",
    ]);
    let mut entered = entered;
    let _ = entered
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let mut own = bundle.command(&["exec", &bundle.id, "sh", "-c", watcher]);
    let said = own.output().unwrap();
    assert!(!String::from_utf8_lossy(&said.stdout).contains("WRITTEN"));
    assert_eq!(fs::read(PROGRAM).unwrap(), before);
    // The file as a program run by the container itself.
    let mut spec = docker_spec(&["/proc/self/exe", "--version"]);
    spec.process.as_mut().unwrap().args[0] = "/bin/own".to_owned();
    let bundle = Bundle::new(PROGRAM, &spec);
    symlink("/proc/self/exe", bundle.container.rootfs().join("bin/own")).unwrap();
    let _ = bundle.run();
    assert_eq!(fs::read(PROGRAM).unwrap(), before);
}

/// What a container sees of itself, without what differs from one to the next.
const PROBE: &str = "cat /proc/self/status | grep -E '^(Uid|Gid|Groups|Cap|NoNew|Seccomp:|Umask)'; \
    cat /proc/self/limits | head -17; cat /proc/self/oom_score_adj; pwd; env; hostname; id; \
    ls -l /dev | while read m n u g rest; do echo $m $u $g $rest; done | grep -v total; \
    while read a b c root at opts rest; do echo $at ${opts%%,*}; done </proc/self/mountinfo | sort; \
    readlink /proc/self/fd/0; ls /proc/self/fd; ulimit -n; cat /proc/sys/net/ipv4/ip_forward; \
    cat /proc/1/cmdline; cat /proc/self/cgroup | head -3; touch /x && echo made; stat -c '%a %u' /tmp /dev/shm; \
    stat -c '%t:%T %a' /dev/null /dev/full; ls -d /proc/acpi/* /sys/firmware/* 2>/dev/null | wc -l; \
    cat /sys/fs/cgroup/devices/devices.list | sort; ls /sys/fs/cgroup";

/// Both runtimes' answers to the same bundle.
fn both(change: impl Fn(&mut Spec)) -> [(String, Option<i32>); 2] {
    let mut spec = docker_spec(&["sh", "-c", PROBE]);
    // What runc 1.1 knows.
    spec.oci_version = "1.0.2".to_owned();
    change(&mut spec);
    ["runc", PROGRAM].map(|program| {
        let bundle = Bundle::new(program, &spec);
        let (said, status) = bundle.run();
        (normal(&said), status)
    })
}

/// Where the two differ on purpose: runc serves standard input by a pipe, allows
/// /dev/net/tun (later releases do not), leaves the directory of the hierarchies
/// writable, and links /dev/core only where the host has it. Times of making go too.
fn normal(text: &str) -> String {
    let month = |word: &&str| word.len() == 3 && word.starts_with(|c: char| c.is_uppercase());
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if let Some(at) = words.iter().position(month)
            && words.len() > at + 3
        {
            words.drain(at..at + 3);
        }
        words.join(" ")
    };
    let own = |line: &str| {
        line.starts_with("pipe:")
            || ["/dev/null", "c 10:200 rwm"].contains(&line)
            || line.starts_with("/sys/fs/cgroup r")
            || line.contains("core")
    };
    let lines: Vec<String> = text.lines().map(line).filter(|line| !own(line)).collect();
    lines.join("\n")
}

fn assert_same(change: impl Fn(&mut Spec)) {
    let [runc, ours] = both(change);
    let differing: Vec<_> = runc
        .0
        .lines()
        .zip(ours.0.lines())
        .filter(|(theirs, ours)| theirs != ours)
        .collect();
    assert_eq!(runc, ours, "{differing:#?}");
}

#[test]
fn a_container_looks_from_inside_as_one_of_runc() {
    assert_same(|_| {});
}

#[test]
fn a_user_with_limits_and_a_read_only_root_looks_as_with_runc() {
    assert_same(|spec| {
        let process = spec.process.as_mut().unwrap();
        process.user.uid = 33;
        process.user.gid = 34;
        process.user.additional_gids = vec![7, 8];
        process.cwd = "/made/here".into();
        process.no_new_privileges = true;
        process.oom_score_adj = Some(300);
        process.rlimits = vec![Rlimit {
            // Not of open files: Go's start-up meddles with that one's soft limit.
            kind: "RLIMIT_CORE".to_owned(),
            soft: 64,
            hard: 128,
        }];
    });
}

#[test]
fn sysctls_and_ambient_capabilities_are_as_with_runc() {
    assert_same(|spec| {
        let linux = spec.linux.as_mut().unwrap();
        linux.sysctl = [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into();
        let capabilities = spec
            .process
            .as_mut()
            .unwrap()
            .capabilities
            .as_mut()
            .unwrap();
        capabilities.inheritable = strings(&["CAP_KILL", "CAP_CHOWN"]);
        capabilities.ambient = strings(&["CAP_KILL"]);
        capabilities.effective = strings(&["CAP_KILL"]);
    });
}

#[test]
fn an_added_process_looks_as_one_that_runc_adds() {
    let mut spec = docker_spec(&["sleep", "100"]);
    spec.oci_version = "1.0.2".to_owned();
    let process = spec.process.as_mut().unwrap();
    process.oom_score_adj = Some(200);
    // Of open files, Go's start-up sometimes raises the soft limit to the hard one before
    // runc sets it, so those two are equal here.
    process.rlimits = [("RLIMIT_NOFILE", 128, 128), ("RLIMIT_CORE", 64, 128)]
        .map(|(kind, soft, hard)| Rlimit {
            kind: kind.to_owned(),
            soft,
            hard,
        })
        .into();
    for options in [
        vec![],
        vec!["--user", "33:34", "--cwd", "/tmp", "--env", "A=B"],
    ] {
        let [runc, ours] = ["runc", PROGRAM].map(|program| {
            let bundle = Bundle::new(program, &spec);
            bundle.create();
            bundle.on(&["start"]);
            let mut words = vec!["exec"];
            words.extend(&options);
            words.extend([bundle.id.as_str(), "sh", "-c", PROBE]);
            let output = bundle.call(&words);
            (
                normal(&String::from_utf8_lossy(&output.stdout)),
                output.status.code(),
            )
        });
        assert_eq!(runc, ours, "{options:?}");
    }
}

#[test]
fn exit_codes_and_signals_are_as_with_runc() {
    for script in ["exit 3", "kill -9 $$; exit 5", "true"] {
        let [runc, ours] = both(|spec| {
            spec.process.as_mut().unwrap().args = strings(&["sh", "-c", script]);
        });
        assert_eq!(runc.1, ours.1, "{script}");
    }
}

#[test]
fn failures_speak_as_runc() {
    let last = |text: &str| {
        let text = text.lines().last().unwrap_or_default();
        text.rsplit("process: ")
            .next()
            .unwrap_or_default()
            .replace('\\', "")
    };
    for args in [vec!["nix"], vec!["/etc/passwd"], vec!["/nix/x"]] {
        let [runc, ours] = both(|spec| spec.process.as_mut().unwrap().args = strings(&args));
        assert_eq!(last(&runc.0), last(&ours.0), "{args:?}");
    }
}

#[test]
fn a_config_that_spec_writes_runs() {
    let bundle = Bundle::new(PROGRAM, &docker_spec(&["true"]));
    let path: PathBuf = bundle.path().join("config.json");
    assert!(!bundle.call(&["spec"]).status.success());
    fs::remove_file(&path).unwrap();
    assert!(bundle.call(&["spec"]).status.success());
    let mut spec: Spec = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let process = spec.process.as_mut().unwrap();
    process.terminal = false;
    process.args = strings(&["sh", "-c", "echo hello"]);
    fs::write(&path, serde_json::to_vec(&spec).unwrap()).unwrap();
    assert_eq!(bundle.run(), ("hello\n".to_owned(), Some(0)));
    let features = bundle.call(&["features"]);
    let features: serde_json::Value = serde_json::from_slice(&features.stdout).unwrap();
    assert_eq!(features["ociVersionMax"], "1.2.0");
}
