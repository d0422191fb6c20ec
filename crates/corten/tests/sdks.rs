//! What programs in other languages do with an engine every day: docker-py, dockerode, and
//! Testcontainers of both. The scripts beside this file hold the stories; each passes
//! against dockerd 28.5 as it stands.

use corten_testkit::{Engine, Options, node_sdks, python_sdks, run};
use std::path::{Path, PathBuf};

fn script(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.join("tests/sdks").join(name)
}

/// Runs a script in the engine's network namespace, where published ports are.
#[track_caller]
fn play(engine: &Engine, program: &str, name: &str) {
    let mut command = engine.inside(program);
    command
        .arg(script(name))
        .env("DOCKER_HOST", engine.host())
        // Its helper would need an image from the network; the stories clean up.
        .env("TESTCONTAINERS_RYUK_DISABLED", "true")
        .env("PYTHONPATH", python_sdks())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NODE_PATH", node_sdks())
        .env("DOCKER_CONFIG", engine.path("docker-config"));
    run(&mut command).ok();
    let left = engine.docker(["ps", "-aq"]);
    assert_eq!(left.ok(), "", "{name} left containers");
}

#[test]
fn docker_py_finds_everything_it_uses_every_day() {
    let engine = Engine::start_with(Options {
        arguments: ["--tls=false", "--host=tcp://127.0.0.1:2375"]
            .map(String::from)
            .into(),
        ..Options::default()
    });
    engine.load("busybox");
    play(&engine, "python3", "docker_py.py");
}

#[test]
fn testcontainers_for_python_starts_waits_and_reaches_services() {
    let engine = Engine::with_images(&["busybox"]);
    play(&engine, "python3", "testcontainers_py.py");
}

#[test]
fn dockerode_and_testcontainers_for_node_find_everything_they_use_every_day() {
    let engine = Engine::with_images(&["busybox"]);
    play(&engine, "node", "everyday.cjs");
}
