//! The daemon is killed; containers go on, and nothing acknowledged is lost.

use corten_testkit::{Engine, until};

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
            "-t",
            "--name",
            "tty",
            "busybox",
            "sh",
            "-c",
            "sleep 1000; exit 5",
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
    let attach = engine.docker_command(["attach", "--no-stdin", "tty"]);
    engine.beside(attach);
    engine.kill_daemon();
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
    engine.docker(["kill", "-s", "TERM", "tty"]).ok();
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

#[test]
fn a_daemon_killed_while_it_starts_containers_leaves_nothing_behind() {
    let mut engine = Engine::with_images(&["busybox"]);
    engine
        .docker(["run", "--rm", "-p", "8080:80", "busybox", "true"])
        .ok();
    let before = settled(&engine);
    for round in 0..12_u64 {
        let name = format!("k{round}");
        let port = format!("{}:80", 9000 + round);
        let mut client = engine.docker_command([
            "run", "-d", "--name", &name, "-p", &port, "busybox", "sleep", "1000",
        ]);
        let mut client = client.spawn().expect("the client starts");
        // Spread over the 5 to 60 ms that a start takes in the dev profile.
        std::thread::sleep(std::time::Duration::from_millis(20 + 5 * round)); // poll
        engine.kill_daemon();
        let acknowledged = client.wait().expect("it ends").success();
        engine.start_daemon();
        let listed = engine.docker(["ps", "-aq", "--filter", &format!("name=^{name}$")]);
        assert!(
            !acknowledged || !listed.ok().is_empty(),
            "round {round}: an acknowledged container is gone"
        );
        if !listed.ok().is_empty() {
            engine.docker(["rm", "-f", &name]).ok();
        }
    }
    until("everything is as before", 30, || {
        engine.leftovers() == before
    });
}

#[test]
fn a_daemon_killed_while_it_pulls_takes_up_the_pull_again() {
    let mut engine = Engine::with_registries();
    for round in 0..5_u64 {
        let mut client = engine.docker_command(["pull", "-q", "python"]);
        let mut client = client.spawn().expect("the client starts");
        std::thread::sleep(std::time::Duration::from_millis(100 + 300 * round)); // poll
        engine.kill_daemon();
        drop(client.wait());
        engine.start_daemon();
    }
    engine.docker(["pull", "-q", "python"]).ok();
    assert_eq!(
        engine
            .docker(["run", "--rm", "python", "python3", "-c", "print('whole')"])
            .ok(),
        "whole"
    );
    until("no temporary file is left", 20, || {
        engine.leftovers().files.is_empty()
    });
}
