//! The daemon is killed at each step at which images for several platforms get their name, by
//! a build or from an archive, are unpacked, or leave one by one: a name has all of what it
//! was given or does not exist, and nothing is left behind.

mod steps;

use corten_testkit::{Engine, Leftovers, run};
use serde_json::Value;
use steps::{Step, at_rest, become_as, steps_of};

const DOCKERFILE: &str = "FROM scratch
ARG TARGETARCH
ENV ARCH=$TARGETARCH
COPY Dockerfile /of-$TARGETARCH
CMD [\"/none\"]
";
const NAME: &str = "kept:1";

fn engine() -> Engine {
    let engine = Engine::start();
    engine.install_buildx();
    engine.files("it", &[("Dockerfile", DOCKERFILE)]);
    engine
}

/// Whether it was acknowledged.
fn build(engine: &Engine) -> bool {
    let directory = engine.path("it").display().to_string();
    let platforms = "linux/amd64,linux/arm64";
    let words = ["buildx", "build", "--platform", platforms, "-t", NAME];
    let mut command = engine.docker_command([&words[..], &[directory.as_str()]].concat());
    command.env("BUILDX_GIT_INFO", "false");
    let ran = run(command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1"));
    ran.code == 0
}

fn archive(engine: &Engine) -> String {
    engine.path("kept.tar").display().to_string()
}

/// What is here of the name's images; none, when there is no such name.
fn available(engine: &Engine) -> Option<Vec<bool>> {
    let shown = engine.get(&format!("/v1.51/images/{NAME}/json?manifests=1"))?;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let list = shown["Manifests"].as_array().expect("manifests");
    let here = |it: &Value| it["Available"].as_bool().expect("a truth");
    Some(list.iter().map(here).collect())
}

fn is_whole(engine: &Engine) {
    let other = engine.path("other.tar").display().to_string();
    engine.docker(["save", "-o", &other, NAME]).ok();
    for platform in ["linux/amd64", "linux/arm64"] {
        let words = ["create", "--platform", platform, "--name", "of", NAME];
        engine.docker(words).ok();
        let architecture = platform.trim_start_matches("linux/");
        let file = format!("of:/of-{architecture}");
        let to = engine.path(architecture).display().to_string();
        engine.docker(["cp", &file, &to]).ok();
        engine.docker(["rm", "of"]).ok();
    }
    engine.corten(["image", "verify"]).ok();
}

fn forget(engine: &Engine) {
    let _absent = engine.docker(["image", "rm", "-f", NAME]);
    engine.docker(["image", "prune", "-f"]).ok();
    engine.docker(["builder", "prune", "-af"]).ok();
}

/// The builds of the past and their contexts are kept on purpose, a bounded number of them.
fn without_past_builds(mut leftovers: Leftovers) -> Leftovers {
    leftovers.files.retain(|path| {
        let path = path.display().to_string();
        !path.contains("/contexts/") && !path.contains("/build/history/")
    });
    leftovers
}

/// Kills at each step of `act` whose name is wanted. `check` sees what is there then.
fn killed_at_each_step(
    engine: &mut Engine,
    prepare: impl Fn(&Engine),
    act: impl Fn(&Engine) -> bool,
    wanted: &[&str],
    check: impl Fn(&Engine, &Step, bool),
) {
    prepare(engine);
    assert!(act(engine));
    forget(engine);
    let before = without_past_builds(at_rest(engine));
    prepare(engine);
    let steps = steps_of(engine, |engine| assert!(act(engine)));
    let is_wanted = |it: &Step| wanted.iter().any(|begin| it.0.starts_with(begin));
    let steps: Vec<Step> = steps.into_iter().filter(is_wanted).collect();
    assert!(steps.len() > 1, "{steps:?}");
    forget(engine);
    for step in steps {
        prepare(engine);
        engine.steps().settled();
        engine.steps().forget();
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = act(engine);
        engine.daemon_dies();
        assert!(engine.steps().killed(), "{step:?}");
        engine.start_daemon();
        check(engine, &step, acknowledged);
        forget(engine);
        become_as(&before, &step, || without_past_builds(engine.leftovers()));
    }
}

fn all_or_nothing(engine: &Engine, step: &Step, acknowledged: bool) {
    match available(engine) {
        Some(here) => assert_eq!(here, [true, true], "{step:?}"),
        None => assert!(!acknowledged, "{step:?}: it was acknowledged"),
    }
}

#[test]
fn a_build_that_is_killed_gives_the_name_to_all_platforms_or_to_none() {
    let mut engine = engine();
    let wanted = ["artifact.", "index."];
    killed_at_each_step(
        &mut engine,
        |_| {},
        build,
        &wanted,
        |engine, step, told| {
            all_or_nothing(engine, step, told);
            assert!(build(engine), "{step:?}");
            is_whole(engine);
        },
    );
}

#[test]
fn a_load_that_is_killed_brings_all_platforms_or_none() {
    let mut engine = engine();
    assert!(build(&engine));
    let file = archive(&engine);
    engine.docker(["save", "-o", &file, NAME]).ok();
    forget(&engine);
    let load = |engine: &Engine| engine.docker(["load", "-i", &file]).code == 0;
    killed_at_each_step(
        &mut engine,
        |_| {},
        load,
        &["load."],
        |engine, step, told| {
            all_or_nothing(engine, step, told);
            assert!(load(engine), "{step:?}");
            is_whole(engine);
        },
    );
}

/// The name, and nothing that the builder would have at hand.
fn built(engine: &Engine) {
    assert!(build(engine));
    engine.docker(["builder", "prune", "-af"]).ok();
}

/// A container of the other platform is made and removed.
fn create(engine: &Engine) -> bool {
    let words = ["create", "--platform", "linux/arm64", "--name", "of", NAME];
    let made = engine.docker(words).code == 0;
    made && engine.docker(["rm", "of"]).code == 0
}

#[test]
fn an_image_whose_unpacking_is_killed_is_unpacked_the_next_time() {
    let mut engine = engine();
    killed_at_each_step(
        &mut engine,
        built,
        create,
        &["index."],
        |engine, step, _| {
            let _absent = engine.docker(["rm", "-f", "of"]);
            all_or_nothing(engine, step, true);
            assert!(create(engine), "{step:?}");
        },
    );
}

#[test]
fn a_platform_whose_removal_is_killed_leaves_the_other_one_whole() {
    let mut engine = engine();
    let remove = |engine: &Engine| {
        let words = ["image", "rm", "--platform", "linux/amd64", NAME];
        engine.docker(words).code == 0
    };
    let wanted = ["index.unpacked", "rmi."];
    killed_at_each_step(&mut engine, built, remove, &wanted, |engine, step, told| {
        let here = available(engine).expect("the name stays");
        let whole = here == [true, true] && !told;
        assert!(whole || here == [false, true], "{step:?}: {here:?}");
        assert!(create(engine), "{step:?}");
    });
}
