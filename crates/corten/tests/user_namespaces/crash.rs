//! The daemon is killed at each step of a start in a user namespace.

#[path = "../steps/mod.rs"]
mod steps;

use super::{BASE, base, pid, remapped};
use corten_testkit::{Engine, until};
use steps::{as_before, steps_of};

fn running(engine: &Engine) -> bool {
    let found = engine.get("/containers/web/json");
    found.is_some_and(|body| body.contains("\"Running\":true"))
}

#[test]
fn a_daemon_killed_at_each_step_of_a_start_leaves_no_user_namespace_and_starts_it_again() {
    let mut engine = remapped(&["busybox"]);
    let words = [
        "create",
        "--name",
        "web",
        "-p",
        "8080:80",
        "-v",
        "data:/data",
    ];
    let script = "id -u >/data/said; cat /data/said; exec sleep 1000";
    engine
        .docker(words.iter().chain(&["busybox", "sh", "-c", script]))
        .ok();
    let start = |engine: &Engine| engine.request("POST", "/containers/web/start", "").0 == 204;
    let end = |engine: &Engine| {
        engine.request("POST", "/containers/web/kill", "");
        until("it has ended", 10, || !running(engine));
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
            assert!(running(&engine), "{step:?}: it was acknowledged");
        }
        if !running(&engine) {
            as_before(&engine, &before, &step);
            assert!(start(&engine), "{step:?}: {}", engine.log());
        }
        assert_eq!(base(pid(&engine, "web")), BASE, "{step:?}");
        until("it is root, inside", 10, || {
            engine.docker(["logs", "web"]).ok().ends_with('0')
        });
        end(&engine);
        as_before(&engine, &before, &step);
    }
}
