//! The daemon is killed at each step of a pull, a load and a removal of an image.

mod steps;

use corten_testkit::{Engine, Leftovers};
use steps::{as_before, at_rest, become_as, steps_of};

/// What a kill may leave of an image for the next attempt: parts of blobs.
fn without_parts(mut leftovers: Leftovers) -> Leftovers {
    leftovers
        .blobs
        .retain(|path| !path.display().to_string().contains("/ingest/"));
    leftovers
}

/// An image of two layers in the second registry.
const TWO: &str = "127.0.0.1:5001/two:1";

fn push_two_layers(engine: &Engine) {
    engine.load("busybox");
    let name = ["run", "--name", "second"];
    let words = ["busybox", "sh", "-c", "yes | head -n 300000 > /etc/second"];
    engine.docker(name.into_iter().chain(words)).ok();
    engine.docker(["commit", "second", TWO]).ok();
    engine.docker(["push", "-q", TWO]).ok();
    engine.docker(["rm", "second"]).ok();
    assert!(remove(engine, TWO) && remove(engine, "busybox"));
}

fn pull(engine: &Engine) -> bool {
    let path = format!("/images/create?fromImage={TWO}");
    let (_, said) = engine.request("POST", &path, "");
    said.contains("Status: Downloaded newer image")
}

fn has_both_layers(engine: &Engine) -> bool {
    let words = ["run", "--rm", TWO, "head", "-n", "1", "/etc/second"];
    engine.docker(words).ok() == "y"
}

fn has(engine: &Engine, name: &str) -> bool {
    engine.get(&format!("/images/{name}/json")).is_some()
}

/// With all its names.
fn remove(engine: &Engine, name: &str) -> bool {
    let id = engine.docker(["image", "inspect", "-f", "{{.Id}}", name]);
    let path = format!("/images/{}?force=1", id.ok());
    engine.request("DELETE", &path, "").0 == 200
}

fn is_whole(engine: &Engine) -> bool {
    let words = ["run", "--rm", "busybox", "echo", "whole"];
    engine.docker(words).ok() == "whole"
}

#[test]
fn a_daemon_killed_at_each_step_of_a_pull_takes_it_up_again() {
    let mut engine = Engine::with_registries();
    push_two_layers(&engine);
    let before = at_rest(&engine);
    let steps = steps_of(&engine, |engine| assert!(pull(engine)));
    assert!(steps.len() > 20, "{steps:?}");
    assert!(remove(&engine, TWO));
    let mut kills = 0;
    for step in steps {
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = pull(&engine);
        if acknowledged {
            // Layers come in as many pieces as they come: one less than before, and the
            // last piece's step is not passed.
            engine.steps().settled();
            if !engine.steps().killed() {
                assert!(remove(&engine, TWO));
                continue;
            }
        }
        kills += 1;
        engine.daemon_dies();
        engine.start_daemon();
        assert!(!acknowledged || has(&engine, TWO), "{step:?}: acknowledged");
        if !has(&engine, TWO) {
            become_as(&before, &step, || without_parts(engine.leftovers()));
            assert!(pull(&engine), "{step:?}: {}", engine.log());
        }
        assert!(has_both_layers(&engine), "{step:?}");
        assert!(remove(&engine, TWO), "{step:?}");
        as_before(&engine, &before, &step);
    }
    assert!(kills > 20, "{kills} kills");
}

#[test]
fn a_daemon_killed_at_each_step_of_a_load_loads_it_again() {
    let mut engine = Engine::start();
    let archive = corten_testkit::image("busybox").display().to_string();
    let words = ["load", "-q", "-i", archive.as_str()];
    let load = |engine: &Engine| engine.docker(words).code == 0;
    assert!(load(&engine));
    assert!(is_whole(&engine));
    assert!(remove(&engine, "busybox"));
    let before = at_rest(&engine);
    let steps = steps_of(&engine, |engine| assert!(load(engine)));
    assert!(steps.len() > 10, "{steps:?}");
    assert!(remove(&engine, "busybox"));
    for step in steps {
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = load(&engine);
        engine.daemon_dies();
        engine.start_daemon();
        assert!(
            !acknowledged || has(&engine, "busybox"),
            "{step:?}: it was acknowledged"
        );
        if !has(&engine, "busybox") {
            as_before(&engine, &before, &step);
            assert!(load(&engine), "{step:?}: {}", engine.log());
        }
        assert!(is_whole(&engine), "{step:?}");
        assert!(remove(&engine, "busybox"), "{step:?}");
        as_before(&engine, &before, &step);
    }
}

#[test]
fn a_daemon_killed_at_each_step_of_an_image_removal_ends_it_or_keeps_the_image() {
    let mut engine = Engine::with_images(&["busybox"]);
    assert!(is_whole(&engine));
    let with = at_rest(&engine);
    let steps = steps_of(&engine, |engine| assert!(remove(engine, "busybox")));
    assert!(steps.len() > 5, "{steps:?}");
    let prune = |engine: &Engine| {
        let all = "/images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D";
        engine.request("POST", all, "").0 == 200
    };
    engine.load("busybox");
    let of_prune = steps_of(&engine, |engine| assert!(prune(engine)));
    let of_its_own = of_prune.iter().filter(|it| it.0.starts_with("prune."));
    assert!(of_its_own.count() > 2, "{of_prune:?}");
    let without = at_rest(&engine);
    assert!(
        without.blobs.is_empty() && without.layers.is_empty(),
        "{without:#?}"
    );
    for (is_prune, steps) in [(false, &steps), (true, &of_prune)] {
        for step in steps {
            if !has(&engine, "busybox") {
                engine.load("busybox");
            }
            engine.steps().kill_at(&step.0, step.1);
            let acknowledged = match is_prune {
                false => remove(&engine, "busybox"),
                true => prune(&engine),
            };
            engine.daemon_dies();
            engine.start_daemon();
            if has(&engine, "busybox") {
                assert!(!acknowledged, "{step:?}: it was acknowledged");
                as_before(&engine, &with, step);
                assert!(is_whole(&engine), "{step:?}");
                assert!(remove(&engine, "busybox"), "{step:?}");
            }
            as_before(&engine, &without, step);
        }
    }
}
