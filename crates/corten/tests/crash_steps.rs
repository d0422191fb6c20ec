//! The daemon is killed at each step that an operation passes, and started again: nothing
//! is left behind, nothing acknowledged is lost, and the same operation works.

mod steps;

use corten_testkit::{Engine, run, until};
use steps::{as_before, at_rest, steps_of};

/// Status of a request; 0 when the daemon died before it answered.
fn post(engine: &Engine, path: &str) -> u16 {
    engine.request("POST", path, "").0
}

fn running(engine: &Engine, name: &str) -> bool {
    engine
        .get(&format!("/containers/{name}/json"))
        .is_some_and(|body| body.contains("\"Running\":true"))
}

#[test]
fn a_daemon_killed_at_each_step_of_a_start_starts_it_again() {
    let mut engine = Engine::with_images(&["busybox"]);
    let bind = format!("{}:/bind", engine.path("bind").display());
    engine
        .docker([
            "create",
            "--name",
            "web",
            "-p",
            "8080:80",
            "-v",
            "data:/data",
            "-v",
            &bind,
            "busybox",
            "sh",
            "-c",
            "echo up > /data/said; echo said; exec sleep 1000",
        ])
        .ok();
    let start = |engine: &Engine| post(engine, "/containers/web/start") == 204;
    let end = |engine: &Engine| {
        post(engine, "/containers/web/kill");
        until("it has ended", 10, || !running(engine, "web"));
    };
    assert!(start(&engine));
    end(&engine);
    engine.steps().settled();
    let before = engine.leftovers();
    let steps = steps_of(&engine, |engine| assert!(start(engine)));
    assert!(steps.len() > 20, "{steps:?}");
    end(&engine);
    as_before(&engine, &before, &("nothing".into(), 0));
    for step in steps {
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = start(&engine);
        engine.daemon_dies();
        assert!(engine.steps().killed(), "{step:?}");
        engine.start_daemon();
        if acknowledged {
            assert!(running(&engine, "web"), "{step:?}: it was acknowledged");
        }
        if !running(&engine, "web") {
            as_before(&engine, &before, &step);
            assert!(start(&engine), "{step:?}: {}", engine.log());
        }
        let port = engine.docker(["port", "web"]);
        assert!(port.ok().starts_with("80/tcp -> 0.0.0.0:8080"), "{step:?}");
        let address = "{{.NetworkSettings.IPAddress}} {{.LogPath}}";
        let address = engine.docker(["inspect", "-f", address, "web"]);
        assert!(address.ok().starts_with("172."), "{step:?}: {address:?}");
        until("it says a word", 10, || {
            engine.docker(["logs", "web"]).ok().contains("said")
        });
        end(&engine);
        as_before(&engine, &before, &step);
    }
}

/// A container with a `name` that says it to who connects to port 8080 of the host.
fn server(engine: &Engine, name: &str, more: &[&str]) -> String {
    let says = format!("while :; do echo {name} | nc -l -p 80; done");
    let options = [
        "create",
        "--stop-signal",
        "KILL",
        "-p",
        "8080:80",
        "--name",
        name,
    ];
    let command = ["busybox", "sh", "-c", &says];
    let words = options.iter().chain(more).chain(&command);
    engine.docker(words).ok().trim().to_owned()
}

/// Who answers at port 8080 of the host; nobody listens for a moment after each answer.
#[track_caller]
fn who_serves(engine: &Engine) -> String {
    let ask = "exec 3<>/dev/tcp/127.0.0.1/8080 && read -t 5 -u 3 line && echo $line";
    let mut who = String::new();
    until("somebody serves", 10, || {
        let mut command = engine.inside("timeout");
        let said = run(command.args(["5", "bash", "-c", ask]));
        said.stdout.trim().clone_into(&mut who);
        !who.is_empty()
    });
    who
}

#[test]
fn a_daemon_killed_at_each_step_of_a_handover_passes_the_port_on() {
    let mut engine = Engine::with_images(&["busybox"]);
    let stop = |engine: &Engine| matches!(post(engine, "/containers/old/stop?t=1"), 204 | 304);
    let begin = |engine: &Engine| {
        let id = server(engine, "old", &[]);
        let succeeds = format!("corten.succeeds={id}");
        server(engine, "new", &["--annotation", &succeeds]);
        engine.docker(["start", "old", "new"]).ok();
        until("the old one serves", 10, || who_serves(engine) == "old");
    };
    let end = |engine: &Engine| engine.docker(["rm", "-f", "old", "new"]).ok().len();
    begin(&engine);
    end(&engine);
    let before = at_rest(&engine);
    begin(&engine);
    let steps = steps_of(&engine, |engine| assert!(stop(engine)));
    assert_eq!(who_serves(&engine), "new");
    end(&engine);
    let handing: Vec<_> = steps
        .into_iter()
        .filter(|(name, _)| {
            let rooms = ["handover.", "publish.", "file."];
            rooms.iter().any(|room| name.starts_with(room))
        })
        .collect();
    assert!(handing.len() > 5, "{handing:?}");
    for step in handing {
        begin(&engine);
        engine.steps().kill_at(&step.0, step.1);
        stop(&engine);
        engine.daemon_dies();
        assert!(engine.steps().killed(), "{step:?}");
        // Rules need no daemon.
        who_serves(&engine);
        engine.start_daemon();
        let serving = who_serves(&engine);
        let ports = |name: &str| engine.docker(["port", name]).ok().contains(":8080");
        assert_eq!(ports("old"), serving == "old", "{step:?}");
        assert_eq!(ports("new"), serving == "new", "{step:?}");
        assert!(stop(&engine), "{step:?}: {}", engine.log());
        assert_eq!(who_serves(&engine), "new", "{step:?}");
        assert!(ports("new") && !running(&engine, "old"), "{step:?}");
        end(&engine);
        as_before(&engine, &before, &step);
    }
}
