//! HTTP/2 from the first byte on, on the API's socket: what clients of BuildKit speak that
//! know nothing of Docker, beside the API itself.

use corten_testkit::{Engine, Ran, run};
use std::process::Command;

fn curl(engine: &Engine, words: &[&str]) -> Ran {
    let socket = engine.path("cortend.sock").display().to_string();
    let mut curl = Command::new("curl");
    curl.args(["-s", "-m", "20", "--http2-prior-knowledge", "--unix-socket"]);
    run(curl.arg(socket).args(words))
}

#[test]
fn buildx_builds_by_its_remote_driver_on_the_engines_socket() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let context = engine.files(
        "context",
        &[
            (
                "Dockerfile",
                "FROM busybox\nCOPY file /\nRUN cp /file /made\n",
            ),
            ("file", "far away"),
        ],
    );
    let context = context.to_str().expect("UTF-8");
    let host = engine.host();
    let create = [
        "buildx", "create", "--name", "far", "--driver", "remote", &host,
    ];
    engine.docker(create).ok();
    let shown = engine.docker(["buildx", "inspect", "far"]);
    assert!(
        shown.ok().contains("Status:           running"),
        "{}",
        shown.stdout
    );
    let out = engine.path("out");
    let output = format!("type=local,dest={}", out.display());
    let build = ["buildx", "build", "--builder", "far"];
    engine
        .docker(build.into_iter().chain(["-o", &output, context]))
        .ok();
    let made = std::fs::read_to_string(out.join("made")).expect("a file");
    assert_eq!(made, "far away");
    engine
        .docker(build.into_iter().chain(["--load", "-t", "near", context]))
        .ok();
    let ran = engine.docker(["run", "--rm", "near", "cat", "/made"]);
    assert_eq!(ran.ok(), "far away");
}

#[test]
fn the_api_answers_over_http_2_but_gives_no_connection_away() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(["create", "--name", "web", "busybox", "true"])
        .ok();
    let ping = curl(&engine, &["-w", " %{http_version}", "http://d/_ping"]);
    assert_eq!(ping.ok(), "OK 2");
    let shown = curl(&engine, &["http://d/containers/web/json"]);
    assert!(shown.ok().contains(r#""Name":"/web""#), "{}", shown.stdout);
    let attach = [
        "-X",
        "POST",
        "http://d/containers/web/attach?stream=1&stdout=1",
    ];
    let refused = curl(&engine, &attach);
    assert!(
        refused.ok().contains("needs HTTP/1.1"),
        "{}",
        refused.stdout
    );
    assert_eq!(
        engine.get("/_ping").as_deref(),
        Some("OK"),
        "and so does HTTP/1.1"
    );
}
