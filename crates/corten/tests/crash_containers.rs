//! The daemon is killed at each step of a container's creation, its stop and its removal,
//! and of a volume's; the shim at each step of a start.

mod steps;

use corten_testkit::{Engine, until};
use steps::{Step, as_before, at_rest, steps_of};

/// A container with an anonymous volume that gets the image's files, and a named one.
const MADE: &str = r#"{"Image": "busybox",
    "Cmd": ["sh", "-c", "ls /bin | wc -l"],
    "Volumes": {"/bin": {}},
    "HostConfig": {"Binds": ["kept:/kept"]}}"#;

fn create(engine: &Engine) -> bool {
    let path = "/containers/create?name=made";
    engine.request("POST", path, MADE).0 == 201
}

fn remove(engine: &Engine, name: &str) -> bool {
    let path = format!("/containers/{name}?v=1");
    engine.request("DELETE", &path, "").0 == 204
}

fn has(engine: &Engine, name: &str) -> bool {
    engine.get(&format!("/containers/{name}/json")).is_some()
}

fn running(engine: &Engine, name: &str) -> bool {
    engine
        .get(&format!("/containers/{name}/json"))
        .is_some_and(|body| body.contains("\"Running\":true"))
}

/// An engine with busybox and everything that its first container makes.
fn engine() -> Engine {
    let engine = Engine::with_images(&["busybox"]);
    let words = [
        "run", "--rm", "-v", "/bin", "-p", "8080:80", "busybox", "true",
    ];
    engine.docker(words).ok();
    engine
}

/// Does `act` with a kill at `step` and starts the daemon again; whether the answer came.
fn killed_at(engine: &mut Engine, step: &Step, act: impl Fn(&Engine) -> bool) -> bool {
    engine.steps().kill_at(&step.0, step.1);
    let acknowledged = act(engine);
    engine.daemon_dies();
    assert!(engine.steps().killed(), "{step:?}");
    engine.start_daemon();
    acknowledged
}

#[test]
fn a_daemon_killed_at_each_step_of_a_creation_or_removal_leaves_all_or_nothing() {
    let mut engine = engine();
    let before = at_rest(&engine);
    let creation = steps_of(&engine, |engine| assert!(create(engine)));
    assert!(creation.len() > 10, "{creation:?}");
    let files = engine.docker(["start", "-a", "made"]).ok().to_owned();
    let removal = steps_of(&engine, |engine| assert!(remove(engine, "made")));
    assert!(removal.len() > 5, "{removal:?}");
    let clean = |engine: &Engine, step: &Step| {
        assert!(remove(engine, "made"), "{step:?}");
        engine.docker(["volume", "rm", "kept"]).ok();
        as_before(engine, &before, step);
    };
    engine.docker(["volume", "rm", "kept"]).ok();
    for step in creation {
        let acknowledged = killed_at(&mut engine, &step, create);
        if !has(&engine, "made") {
            assert!(!acknowledged, "{step:?}: it was acknowledged");
            as_before(&engine, &before, &step);
            assert!(create(&engine), "{step:?}: {}", engine.log());
        }
        assert_eq!(
            engine.docker(["start", "-a", "made"]).ok(),
            files,
            "{step:?}"
        );
        clean(&engine, &step);
    }
    for step in removal {
        assert!(create(&engine));
        let acknowledged = killed_at(&mut engine, &step, |engine| remove(engine, "made"));
        if has(&engine, "made") {
            assert!(!acknowledged, "{step:?}: it was acknowledged");
            assert_eq!(
                engine.docker(["start", "-a", "made"]).ok(),
                files,
                "{step:?}"
            );
            clean(&engine, &step);
        } else {
            engine.docker(["volume", "rm", "kept"]).ok();
            as_before(&engine, &before, &step);
        }
    }
}

#[test]
fn a_daemon_killed_at_each_step_of_a_stop_or_an_end_ends_it_after_its_start() {
    let mut engine = engine();
    let before = at_rest(&engine);
    let line = "trap 'exit 7' TERM; while true; do sleep 0.01; done";
    let run = |engine: &Engine| {
        let words = [
            "run", "-d", "--rm", "--name", "made", "-p", "8080:80", "-v", "/bin",
        ];
        let words = words.into_iter().chain(["busybox", "sh", "-c", line]);
        engine.docker(words).ok();
    };
    let stop = |engine: &Engine| engine.request("POST", "/containers/made/stop", "").0 == 204;
    run(&engine);
    let steps = steps_of(&engine, |engine| {
        assert!(stop(engine));
        until("it is gone", 10, || !has(engine, "made"));
    });
    assert!(steps.len() > 10, "{steps:?}");
    for step in steps {
        run(&engine);
        let acknowledged = killed_at(&mut engine, &step, stop);
        if running(&engine, "made") {
            assert!(!acknowledged, "{step:?}: it was acknowledged");
            // It may have got its signal, and end now.
            stop(&engine);
        }
        until("it is gone", 10, || !has(&engine, "made"));
        as_before(&engine, &before, &step);
    }
}

#[test]
fn a_daemon_killed_at_each_step_of_a_volumes_life_keeps_it_whole_or_not_at_all() {
    let mut engine = engine();
    let before = at_rest(&engine);
    let create = |engine: &Engine| {
        let body = r#"{"Name": "own", "Labels": {"a": "b"}}"#;
        engine.request("POST", "/volumes/create", body).0 == 201
    };
    let remove = |engine: &Engine| engine.request("DELETE", "/volumes/own", "").0 == 204;
    let there = |engine: &Engine| engine.get("/volumes/own").is_some();
    let creation = steps_of(&engine, |engine| assert!(create(engine)));
    let removal = steps_of(&engine, |engine| assert!(remove(engine)));
    assert!(
        creation.len() > 3 && removal.len() > 2,
        "{creation:?} {removal:?}"
    );
    for step in creation {
        let acknowledged = killed_at(&mut engine, &step, create);
        if !there(&engine) {
            assert!(!acknowledged, "{step:?}: it was acknowledged");
            as_before(&engine, &before, &step);
            assert!(create(&engine), "{step:?}");
        }
        assert!(remove(&engine), "{step:?}");
        as_before(&engine, &before, &step);
    }
    for step in removal {
        assert!(create(&engine));
        let acknowledged = killed_at(&mut engine, &step, remove);
        if there(&engine) {
            assert!(!acknowledged, "{step:?}: it was acknowledged");
            assert!(remove(&engine), "{step:?}");
        }
        as_before(&engine, &before, &step);
    }
}

#[test]
fn a_shim_killed_at_each_step_of_a_start_is_an_error_and_the_next_start_works() {
    let engine = engine();
    let before = at_rest(&engine);
    let create = [
        "create", "--name", "web", "-p", "8080:80", "busybox", "sleep", "1000",
    ];
    let forget = |engine: &Engine| engine.docker(["rm", "-f", "web"]).ok().to_owned();
    engine.docker(create).ok();
    engine.steps().forget();
    engine.docker(["start", "web"]).ok();
    let passed = engine.steps().settled();
    let steps = passed
        .into_iter()
        .filter(|(name, _)| name.starts_with("shim."));
    let steps: Vec<Step> = steps.collect();
    assert!(steps.len() > 5, "{steps:?}");
    forget(&engine);
    for step in steps {
        engine.docker(create).ok();
        engine.steps().kill_at(&step.0, step.1);
        let started = engine.docker(["start", "web"]);
        assert!(engine.steps().killed(), "{step:?}");
        started.fails(1, "Error response from daemon: ");
        assert!(!running(&engine, "web"), "{step:?}");
        engine.docker(["start", "web"]).ok();
        assert!(running(&engine, "web"), "{step:?}");
        forget(&engine);
        as_before(&engine, &before, &step);
    }
}
