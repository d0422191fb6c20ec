//! Programs that misbehave and disks that fill, in containers: the engine stays in charge.

use corten_testkit::{Engine, program, run, until};
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

#[test]
fn a_first_process_that_ignores_term_is_killed_when_its_time_is_over() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    engine
        .docker(["run", "-d", "--name", "web", "busybox", "sh", "-c", script])
        .ok();
    until("it is ready", 10, || {
        engine.docker(["logs", "web"]).stdout == "ready\n"
    });
    engine.docker(["stop", "-t", "1", "web"]).ok();
    let format = "{{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Status}}";
    let shown = engine.docker(["inspect", "-f", format, "web"]);
    assert_eq!(shown.ok(), "137 false exited");
}

#[test]
fn a_fork_bomb_stays_below_its_limit_and_ends_with_its_container() {
    let engine = Engine::with_images(&["busybox"]);
    let bomb = "(while :; do sleep 1000 & done) & exec sleep 1000";
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "bomb",
            "--pids-limit",
            "40",
            "--cpus",
            "0.5",
            "busybox",
            "sh",
            "-c",
            bomb,
        ])
        .ok();
    until("it has spread", 20, || {
        let stats = ["stats", "--no-stream", "--format", "{{.PIDs}}", "bomb"];
        engine
            .docker(stats)
            .ok()
            .parse::<u32>()
            .is_ok_and(|pids| (35..=40).contains(&pids))
    });
    assert_eq!(
        engine
            .docker(["run", "--rm", "busybox", "echo", "well"])
            .ok(),
        "well"
    );
    engine.docker(["kill", "bomb"]).ok();
    engine.docker(["rm", "bomb"]).ok();
    until("nothing of it is left", 10, || {
        engine.leftovers().processes.is_empty()
    });
}

#[test]
fn a_container_that_eats_its_memory_is_ended_and_says_why() {
    let engine = Engine::with_images(&["busybox"]);
    let eater = "BEGIN { s = \"x\"; while (1) s = s s }";
    let ran = engine.docker([
        "run",
        "--name",
        "eater",
        "-m",
        "24m",
        "--memory-swap",
        "24m",
        "busybox",
        "awk",
        eater,
    ]);
    assert_eq!(ran.code, 137, "{}", ran.stderr);
    let format = "{{.State.OOMKilled}} {{.State.ExitCode}}";
    assert_eq!(
        engine.docker(["inspect", "-f", format, "eater"]).ok(),
        "true 137"
    );
    // Until a moment that is over when they are asked for: seconds are what the client sends.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let until = (now.expect("after 1970").as_secs() + 1).to_string();
    let words = [
        "events",
        "--since",
        "5m",
        "--until",
        &until,
        "--format",
        "{{.Action}}",
    ];
    let events = engine.docker(words.into_iter().chain(["--filter", "container=eater"]));
    let actions: Vec<&str> = events.ok().lines().collect();
    assert!(
        actions.contains(&"oom") && actions.contains(&"die"),
        "{actions:?}"
    );
}

#[test]
fn a_client_that_stops_reading_holds_up_nobody_but_its_own_container() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "read go; i=0; while [ $i -lt 60000 ]; do echo $i 0123456789abcdef; i=$((i+1)); \
                  done; until [ -e /end ]; do sleep 0.05; done";
    engine
        .docker(["run", "-di", "--name", "web", "busybox", "sh", "-c", script])
        .ok();
    let mut stuck = engine.docker_command(["attach", "web"]);
    let mut stuck = stuck
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut input = stuck.stdin.take().expect("piped");
    input.write_all(b"go\n").expect("it reads its input");
    until("output waits for it", 20, || {
        !engine
            .docker(["logs", "--tail", "1", "web"])
            .stdout
            .is_empty()
    });
    assert_eq!(engine.docker(["exec", "web", "echo", "well"]).ok(), "well");
    assert_eq!(
        engine
            .docker(["run", "--rm", "busybox", "echo", "well"])
            .ok(),
        "well"
    );
    stuck.kill().expect("it is ours");
    stuck.wait().expect("it ends");
    engine.docker(["exec", "web", "touch", "/end"]).ok();
    assert_eq!(engine.docker(["wait", "web"]).ok(), "0");
    assert_eq!(engine.docker(["logs", "web"]).ok().lines().count(), 60_000);
}

/// A small file system in an engine's data root, taken away again at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Self {
        let words = ["-t", "tmpfs", "-o", "size=160m,mode=711", "small"];
        run(program("mount", words).arg(&path)).ok();
        Self(path)
    }

    /// Takes all space that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).expect("made");
        let piece = vec![1; 1 << 16];
        while file.write_all(&piece).is_ok() {}
        while file.write_all(&[1]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(program("umount", ["-l"]).arg(&self.0));
    }
}

#[test]
fn on_a_full_disk_nothing_is_made_and_everything_can_be_removed() {
    let mut engine = Engine::start();
    engine.stop_daemon();
    let disk = SmallDisk::mount(engine.path("data"));
    engine.start_daemon();
    engine.load("busybox");
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "noisy",
            "busybox",
            "sh",
            "-c",
            "while :; do echo noise; sleep 0.01; done",
        ])
        .ok();
    engine
        .docker(["create", "--name", "old", "busybox", "true"])
        .ok();
    engine
        .docker(["create", "--name", "older", "busybox", "true"])
        .ok();
    disk.fill();
    let created = engine.docker(["create", "--name", "new", "busybox", "true"]);
    assert_ne!(created.code, 0, "{}", created.stdout);
    assert!(
        created
            .stderr
            .to_lowercase()
            .contains("no space left on device"),
        "{}",
        created.stderr
    );
    // Its log has no room either: it runs on.
    let running = ["inspect", "-f", "{{.State.Running}}", "noisy"];
    assert_eq!(engine.docker(running).ok(), "true");
    engine.docker(["rm", "old"]).ok();
    engine.docker(["container", "prune", "-f"]).ok();
    engine.docker(["rm", "-f", "noisy"]).ok();
    let left = engine.docker(["ps", "-aq"]);
    assert_eq!(left.ok(), "", "{}", left.stdout);
    disk.empty();
    assert_eq!(
        engine
            .docker(["run", "--rm", "busybox", "echo", "well"])
            .ok(),
        "well"
    );
    engine.stop_daemon();
}
