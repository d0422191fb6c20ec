//! The daemon is killed; containers go on, and nothing acknowledged is lost.

use corten_testkit::{Engine, Terminal, docker_current, until};

#[test]
fn ten_containers_outlive_the_daemon() {
    let mut engine = Engine::with_images(&["busybox"]);
    for number in 0..8 {
        engine
            .docker([
                "run",
                "-d",
                "--name",
                &format!("c{number}"),
                "busybox",
                "sleep",
                "1000",
            ])
            .ok();
    }
    let count = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done";
    engine
        .docker([
            "run", "-d", "--name", "writer", "busybox", "sh", "-c", count,
        ])
        .ok();
    engine
        .docker([
            "run",
            "-d",
            "-it",
            "--name",
            "tty",
            "busybox",
            "sh",
            "-c",
            "while read line; do echo answer to $line; [ $line = end ] && exit 5; done",
        ])
        .ok();
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "brief",
            "busybox",
            "sh",
            "-c",
            "sleep 0.3; exit 9",
        ])
        .ok();
    let environment = [("DOCKER_HOST", engine.host())];
    let attach = format!("{} attach tty", docker_current().display());
    let mut attached = Terminal::run(&attach, &environment);
    attached.types("first\r");
    attached.shows("answer to first");
    engine.kill_daemon();
    // Its end is the daemon's: no exit code was told.
    assert_ne!(attached.ends(), 5);
    let brief = |engine: &Engine| {
        engine.docker([
            "inspect",
            "-f",
            "{{.State.Status}} {{.State.ExitCode}}",
            "brief",
        ])
    };
    engine.start_daemon();
    until("the one that ended meanwhile is known to have", 10, || {
        brief(&engine).stdout.trim() == "exited 9"
    });
    assert_eq!(engine.docker(["ps", "-q"]).ok().lines().count(), 10);
    let logs = engine.docker(["logs", "writer"]);
    let numbers: Vec<u64> = logs
        .ok()
        .lines()
        .map(|line| line.trim_start_matches("line ").parse().unwrap())
        .collect();
    assert!(
        numbers.iter().copied().eq(1..=numbers.len() as u64),
        "no line is missing or cut"
    );
    until("the writer writes on", 10, || {
        engine.docker(["logs", "writer"]).stdout.lines().count() > numbers.len()
    });
    assert_eq!(engine.docker(["exec", "c3", "echo", "here"]).ok(), "here");
    engine.docker(["stop", "-t", "0", "c0"]).ok();
    assert_eq!(
        engine
            .docker(["inspect", "-f", "{{.State.ExitCode}}", "c0"])
            .ok(),
        "137"
    );
    let mut attached = Terminal::run(&attach, &environment);
    attached.types("second\r");
    attached.shows("answer to second");
    attached.types("end\r");
    assert_eq!(attached.ends(), 5);
    let code = ["inspect", "-f", "{{.State.ExitCode}}", "tty"];
    assert_eq!(engine.docker(code).ok(), "5");
    let heard = engine.docker(["logs", "tty"]);
    for word in ["first", "second", "end"] {
        let answer = format!("answer to {word}");
        assert!(heard.stdout.contains(&answer), "{heard:?}");
    }
    let ids = engine.docker(["ps", "-aq"]);
    engine
        .docker(["rm", "-f"].into_iter().chain(ids.ok().lines()))
        .ok();
}

#[test]
fn a_hundred_containers_leave_no_trace() {
    let engine = Engine::with_images(&["busybox"]);
    // The first container makes what stays with the engine: the bridge and the table.
    engine
        .docker(["run", "--rm", "-p", "8080:80", "busybox", "true"])
        .ok();
    until("the first is gone", 20, || {
        engine.docker(["ps", "-aq"]).ok().is_empty()
    });
    let before = settled(&engine);
    let ids: Vec<String> = (0..100)
        .map(|number| {
            let port = format!("{}:80", 10_000 + number);
            engine
                .docker(["run", "-d", "-p", &port, "busybox", "sleep", "1000"])
                .ok()
                .to_owned()
        })
        .collect();
    assert_eq!(engine.docker(["ps", "-q"]).ok().lines().count(), 100);
    assert_eq!(engine.leftovers().processes.len(), 100, "a shim each");
    assert_eq!(
        engine.leftovers().mounts,
        before.mounts,
        "no mount is in the host's table"
    );
    engine
        .docker(
            ["stop", "-t", "0"]
                .into_iter()
                .chain(ids.iter().map(String::as_str)),
        )
        .ok();
    engine
        .docker(["rm"].into_iter().chain(ids.iter().map(String::as_str)))
        .ok();
    until("everything is as before", 30, || {
        engine.leftovers() == before
    });
}

/// What the engine has on the machine once tear-down in the background is done.
fn settled(engine: &Engine) -> corten_testkit::Leftovers {
    let mut last = engine.leftovers();
    until("the engine is at rest", 20, || {
        let now = engine.leftovers();
        let same = now == last && now.processes.is_empty();
        last = now;
        same
    });
    last
}
