//! Containers made by other OCI runtimes (`--runtime`): Debian's runc and crun. Each story
//! runs with both, as nobody should notice which one it is.

use corten_testkit::{Engine, Leftovers, Options, Terminal, docker_current, until};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const RUNTIMES: [(&str, &str); 2] = [("stock", "/usr/sbin/runc"), ("crun", "/usr/bin/crun")];

/// crun refuses hosts that have version 1 of control groups and a little of version 2
/// beside it: there it does not see the latter.
const WITHOUT_VERSION_2: &str = r#"#!/bin/sh
exec unshare -m sh -c 'umount /sys/fs/cgroup/unified && exec /usr/bin/crun "$@"' crun "$@"
"#;

fn engine() -> Engine {
    let engine = Engine::start();
    let mut registered = serde_json::Map::new();
    for (name, path) in RUNTIMES {
        let hybrid = Path::new("/sys/fs/cgroup/unified/cgroup.procs").exists();
        let path = match (name, hybrid) {
            ("crun", true) => {
                let script = engine.path("crun");
                std::fs::write(&script, WITHOUT_VERSION_2).expect("a script");
                std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755))
                    .expect("its mode");
                script.display().to_string()
            }
            _ => path.to_owned(),
        };
        registered.insert(name.to_owned(), serde_json::json!({ "path": path }));
    }
    let settings = serde_json::json!({ "runtimes": registered });
    std::fs::write(engine.path("daemon.json"), settings.to_string()).expect("daemon.json");
    let daemon = i32::try_from(engine.daemon_pid()).ok();
    let daemon = daemon
        .and_then(rustix::process::Pid::from_raw)
        .expect("it runs");
    rustix::process::kill_process(daemon, rustix::process::Signal::HUP).expect("it is ours");
    until("the runtimes are known", 20, || {
        let info = engine.docker(["info", "-f", "{{.Runtimes}}"]);
        RUNTIMES.iter().all(|(name, _)| info.ok().contains(name))
    });
    engine.load("busybox");
    // The group above those of all containers is made by the first of them, and stays.
    engine
        .docker(["run", "--rm", "--runtime", "stock", "busybox", "true"])
        .ok();
    engine
}

/// What an engine has whose last container is quite gone.
fn idle(engine: &Engine) -> Leftovers {
    until("its network is taken down", 20, || {
        engine.leftovers().network_peers == 0
    });
    engine.leftovers()
}

/// A sleeping container made by `runtime`.
fn sleeper(engine: &Engine, runtime: &str, name: &str, options: &[&str]) {
    let mut words = vec!["run", "-d", "--runtime", runtime, "--name", name];
    words.extend(options);
    words.extend(["busybox", "sh", "-c"]);
    words.push("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done");
    engine.docker(words).ok();
}

#[test]
fn a_program_runs_with_its_streams_user_and_exit_code() {
    let engine = engine();
    let before = idle(&engine);
    for (runtime, _) in RUNTIMES {
        let script = "echo out; echo err >&2; id -u; id -G; pwd; echo $A; cat; exit 7";
        let mut words = vec!["run", "--rm", "-i", "--runtime", runtime];
        words.extend(["-u", "nobody:7", "--group-add", "9", "-w", "/new/place"]);
        words.extend(["-e", "A=b", "busybox", "sh", "-c", script]);
        let ran = engine.docker_with_input(words, b"typed");
        assert_eq!(ran.code, 7, "{ran:?}");
        assert_eq!(ran.stderr, "err\n");
        assert_eq!(ran.stdout, "out\n65534\n7 9\n/new/place\nb\ntyped");
        let missing = engine.docker(["run", "--rm", "--runtime", runtime, "busybox", "nope"]);
        // The client finds 127 in runc's sentence, and not in crun's.
        let code = if runtime == "crun" { 125 } else { 127 };
        missing.fails(code, "OCI runtime create failed");
        let user = engine.docker([
            "run",
            "--rm",
            "--runtime",
            runtime,
            "-u",
            "who",
            "busybox",
            "true",
        ]);
        user.fails(
            125,
            "unable to find user who: no matching entries in passwd file",
        );
    }
    until("nothing is left", 20, || engine.leftovers() == before);
}

#[test]
fn a_container_answers_every_verb() {
    let engine = engine();
    let before = idle(&engine);
    for (runtime, _) in RUNTIMES {
        sleeper(
            &engine,
            runtime,
            "web",
            &["-m", "64m", "--pids-limit", "50", "-p", "127.0.0.1:8080:80"],
        );
        let docker = |words: &[&str]| engine.docker(words.iter().copied()).ok().to_owned();
        until("it says so", 20, || docker(&["logs", "web"]) == "up");
        let runtime_of = "{{.HostConfig.Runtime}} {{.State.Status}}";
        assert_eq!(
            docker(&["inspect", "-f", runtime_of, "web"]),
            format!("{runtime} running")
        );
        let exec = [
            "exec", "-u", "1000", "-e", "X=y", "-w", "/tmp", "web", "sh", "-c",
        ];
        let ran = engine.docker(exec.iter().copied().chain(["id -u; pwd; echo $X; exit 3"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "1000\n/tmp\ny\n"));
        let missing = engine.docker(["exec", "web", "nope"]);
        assert_eq!(missing.code, 127);
        assert!(missing.stdout.starts_with("OCI runtime exec failed: "));
        assert!(docker(&["top", "web"]).contains("sleep 0.1"));
        let stats = ["stats", "--no-stream", "--format", "{{.MemUsage}}", "web"];
        assert!(docker(&stats).ends_with("/ 64MiB"));
        docker(&["pause", "web"]);
        assert_eq!(
            docker(&["inspect", "-f", runtime_of, "web"]),
            format!("{runtime} paused")
        );
        docker(&["unpause", "web"]);
        docker(&["update", "--memory", "128m", "--memory-swap", "128m", "web"]);
        assert!(docker(&stats).ends_with("/ 128MiB"));
        docker(&["exec", "-d", "web", "httpd", "-p", "80", "-h", "/etc"]);
        until("the port answers", 20, || {
            let mut curl = engine.inside("curl");
            curl.args(["-sf", "http://127.0.0.1:8080/hostname"]);
            corten_testkit::run(&mut curl).code == 0
        });
        let copied = docker(&["cp", "web:/etc/passwd", "-"]);
        assert!(copied.contains("root:"));
        docker(&["stop", "web"]);
        let ended = "{{.State.ExitCode}} {{.State.OOMKilled}}";
        assert_eq!(docker(&["inspect", "-f", ended, "web"]), "5 false");
        assert_eq!(docker(&["logs", "web"]), "up\nbye");
        docker(&["start", "web"]);
        docker(&["kill", "web"]);
        docker(&["wait", "web"]);
        assert_eq!(docker(&["inspect", "-f", ended, "web"]), "137 false");
        docker(&["rm", "web"]);
    }
    until("nothing is left", 20, || engine.leftovers() == before);
}

#[test]
fn a_terminal_volumes_and_read_only_roots_work() {
    let engine = engine();
    for (runtime, _) in RUNTIMES {
        let docker = docker_current().display().to_string();
        let line = format!("{docker} run --rm -it --runtime {runtime} busybox sh");
        let mut terminal = Terminal::run(&line, &[("DOCKER_HOST", engine.host())]);
        terminal.shows("/ #");
        terminal.types("tty; stty size; echo $((6*7)); exit 4\r");
        for text in ["/dev/pts/0", "33 91", "42"] {
            terminal.shows(text);
        }
        assert_eq!(terminal.ends(), 4);
        engine.docker(["volume", "create", "data"]).ok();
        let write = "mkdir -p /data/part; echo kept >/data/part/note";
        let volume = ["run", "--rm", "--runtime", runtime, "-v", "data:/data"];
        engine
            .docker(volume.iter().copied().chain(["busybox", "sh", "-c", write]))
            .ok();
        let part = "type=volume,src=data,dst=/part,volume-subpath=part,readonly";
        let read = "cat /part/note; touch /part/x 2>&1; touch /x 2>&1; true";
        let words = [
            "run",
            "--rm",
            "--runtime",
            runtime,
            "--read-only",
            "--mount",
            part,
        ];
        let ran = engine.docker(words.iter().copied().chain(["busybox", "sh", "-c", read]));
        assert_eq!(
            ran.ok(),
            "kept\ntouch: /part/x: Read-only file system\ntouch: /x: Read-only file system"
        );
        engine.docker(["volume", "rm", "data"]).ok();
    }
}

#[test]
fn containers_live_on_without_the_daemon_and_end_with_their_shim() {
    let mut engine = engine();
    let before = idle(&engine);
    for (runtime, _) in RUNTIMES {
        sleeper(&engine, runtime, runtime, &[]);
    }
    engine.kill_daemon();
    engine.start_daemon();
    for (runtime, _) in RUNTIMES {
        let said = engine.docker(["exec", runtime, "echo", "alive"]);
        assert_eq!(said.ok(), "alive");
    }
    for (pid, _) in engine.leftovers().processes {
        let pid = rustix::process::Pid::from_raw(pid as i32).expect("a process");
        // The list also holds what is about to end.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    for (runtime, _) in RUNTIMES {
        until("it has ended", 20, || {
            let state = engine.docker(["inspect", "-f", "{{.State.Running}}", runtime]);
            state.ok() == "false"
        });
        assert_eq!(engine.docker(["start", runtime]).ok(), runtime);
        engine.docker(["rm", "-f", runtime]).ok();
    }
    until("nothing is left", 20, || engine.leftovers() == before);
}

#[test]
fn containers_of_all_runtimes_share_memory_and_namespaces() {
    let engine = engine();
    let shareable = ["--ipc", "shareable"];
    let all = ["runc", "stock", "crun"];
    for donor in all {
        sleeper(&engine, donor, "donor", &shareable);
        let put = "echo kept >/dev/shm/it; readlink /proc/self/ns/ipc";
        let own = engine.docker(["exec", "donor", "sh", "-c", put]);
        for joins in all {
            let words = [
                "run",
                "--rm",
                "--runtime",
                joins,
                "--ipc",
                "container:donor",
            ];
            let look = [
                "busybox",
                "sh",
                "-c",
                "cat /dev/shm/it; readlink /proc/self/ns/ipc",
            ];
            let seen = engine.docker(words.iter().chain(&look));
            assert_eq!(
                seen.ok(),
                format!("kept\n{}", own.ok()),
                "{joins} joins {donor}"
            );
            let words = [
                "run",
                "--rm",
                "--runtime",
                joins,
                "--pid",
                "container:donor",
                "--network",
                "container:donor",
            ];
            let look = [
                "busybox",
                "sh",
                "-c",
                "cat /proc/1/cmdline; ip -o link show eth0",
            ];
            let seen = engine.docker(words.iter().chain(&look));
            assert!(
                seen.ok().contains("eth0"),
                "{joins} joins {donor}: {}",
                seen.ok()
            );
            assert!(
                seen.ok().starts_with("sh\0-c\0trap"),
                "{joins} joins {donor}: {}",
                seen.ok()
            );
        }
        engine.docker(["rm", "-f", "donor"]).ok();
    }
}

#[test]
fn runtimes_are_listed_chosen_by_default_and_refused_when_unknown() {
    let engine = Engine::start_with(Options {
        arguments: vec![
            "--add-runtime=stock=runc".into(),
            "--default-runtime=stock".into(),
        ],
        ..Options::default()
    });
    engine.load("busybox");
    let info = engine.docker([
        "info",
        "-f",
        "{{range $n, $r := .Runtimes}}{{$n}} {{end}}{{.DefaultRuntime}}",
    ]);
    assert_eq!(info.ok(), "io.containerd.runc.v2 runc stock stock");
    assert_eq!(
        engine.docker(["run", "--rm", "busybox", "echo", "hi"]).ok(),
        "hi"
    );
    engine.docker(["create", "--name", "web", "busybox"]).ok();
    let chosen = engine.docker(["inspect", "-f", "{{.HostConfig.Runtime}}", "web"]);
    assert_eq!(chosen.ok(), "stock");
    engine
        .docker(["run", "--rm", "--runtime", "nope", "busybox"])
        .fails(125, "unknown or invalid runtime name: nope");
}
