//! The daemon is killed at each step that an operation passes, and started again: nothing
//! is left behind, nothing acknowledged is lost, and the same operation works.

mod steps;

use corten_testkit::{Engine, until};
use steps::{as_before, steps_of};

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
