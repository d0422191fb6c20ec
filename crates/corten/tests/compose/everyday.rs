//! The commands of every day, as one script for both tools.

use super::*;

/// The commands that both tools know, on a project of two services; `compose` is either.
fn everyday(engine: &Engine, compose: impl Fn(&[&str]) -> Ran) {
    let states = || {
        let format = ["ps", "-a", "--format", "{{.Service}} {{.State}}"];
        let ran = compose(&format);
        lines(ran.ok()).join(", ")
    };
    compose(&["create"]).ok();
    assert_eq!(states(), "one created, two created");
    compose(&["start"]).ok();
    assert_eq!(states(), "one running, two running");
    assert_eq!(compose(&["exec", "-T", "one", "echo", "hi"]).ok(), "hi");
    assert_eq!(
        compose(&["exec", "-T", "one", "sh", "-c", "exit 3"]).code,
        3
    );
    let words = [
        "run",
        "--rm",
        "-T",
        "-e",
        "A=b c",
        "two",
        "sh",
        "-c",
        "echo $A $HOSTNAME; exit 4",
    ];
    let ran = compose(&words);
    assert_eq!(
        (ran.code, ran.stdout.starts_with("b c ")),
        (4, true),
        "{ran:?}"
    );
    assert_eq!(compose(&["port", "one", "80"]).ok(), "127.0.0.1:8080");
    assert!(compose(&["top", "two"]).ok().contains("sleep 1000"));
    assert!(compose(&["images"]).ok().contains("busybox"));
    compose(&["pause", "two"]).ok();
    assert_eq!(states(), "one running, two paused");
    compose(&["unpause", "two"]).ok();
    compose(&["stop", "two"]).ok();
    assert_eq!(states(), "one running, two exited");
    compose(&["restart", "two"]).ok();
    assert_eq!(states(), "one running, two running");
    compose(&["kill", "two"]).ok();
    assert_eq!(states(), "one running, two exited");
    compose(&["rm", "-f"]).ok();
    assert_eq!(states(), "one running");
    compose(&["scale", "two=3"]).ok();
    assert_eq!(
        states(),
        "one running, two running, two running, two running"
    );
    compose(&["up", "-d", "--scale", "two=1"]).ok();
    assert_eq!(states(), "one running, two running");
    let file = engine.path("copied");
    fs::write(&file, "copied\n").expect("a file");
    compose(&["cp", &file.display().to_string(), "one:/tmp/copied"]).ok();
    assert_eq!(
        compose(&["exec", "-T", "one", "cat", "/tmp/copied"]).ok(),
        "copied"
    );
    assert!(compose(&["logs", "one"]).ok().contains("from one"));
    let commit = compose(&["commit", "one", "taken:now"]);
    commit.ok();
    engine.docker(["image", "inspect", "taken:now"]).ok();
    let refused = compose(&["exec", "-T", "three", "true"]);
    refused.fails(1, "service \"three\" is not running");
    compose(&["down", "-t", "0"]).ok();
    nothing_is_left(engine);
}

#[test]
fn everyday_commands_work() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = engine.files("pair", &[("compose.yaml", PAIR)]);
    everyday(&engine, |words| ours(&engine, &pair, words));
}

#[test]
fn everyday_commands_of_stock_compose_work() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = engine.files("pair", &[("compose.yaml", PAIR)]);
    everyday(&engine, |words| stock(&engine, &pair, words));
}
