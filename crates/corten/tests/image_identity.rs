//! How an image came to the engine is told, whatever names it has had since.

use corten_testkit::Engine;
use serde_json::Value;

const LABELLED: &str = "FROM busybox\nLABEL made=here\n";

fn get(engine: &Engine, path: &str) -> Value {
    let (status, body) = engine.request("GET", path, "");
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn identity(engine: &Engine, image: &str) -> Value {
    get(engine, &format!("/images/{image}/json?identity=1"))["Identity"].take()
}

fn repositories(identity: &Value) -> Vec<&str> {
    let pulls = identity["Pull"].as_array().expect("a list");
    pulls
        .iter()
        .filter_map(|it| it["Repository"].as_str())
        .collect()
}

#[test]
fn pulls_and_builds_are_remembered_and_loads_are_not() {
    let mut engine = Engine::with_registries();
    engine.load("busybox");
    engine.install_buildx();
    let nothing = identity(&engine, "busybox");
    assert_eq!(nothing, Value::Null, "it was loaded");

    for name in ["127.0.0.1:5001/team/one", "127.0.0.1:5001/other"] {
        engine.docker(["tag", "busybox", name]).ok();
        engine.docker(["push", name]).ok();
    }
    assert_eq!(identity(&engine, "busybox"), Value::Null, "it was pushed");
    engine
        .docker(["pull", "-q", "127.0.0.1:5001/team/one"])
        .ok();
    engine.docker(["pull", "-q", "127.0.0.1:5001/other"]).ok();
    engine
        .docker(["pull", "-q", "127.0.0.1:5001/team/one"])
        .ok();
    engine.docker(["tag", "busybox", "another/name"]).ok();
    let wanted = ["127.0.0.1:5001/other", "127.0.0.1:5001/team/one"];
    let known = identity(&engine, "another/name");
    assert_eq!(repositories(&known), wanted);
    assert_eq!(known["Build"], Value::Null);

    engine.files("it", &[("Dockerfile", LABELLED)]);
    let directory = engine.path("it").display().to_string();
    engine
        .docker(["build", "-q", "-t", "made", &directory])
        .ok();
    let history = engine.docker(["buildx", "history", "ls", "--format", "{{.Ref}}"]);
    let reference = history.ok().rsplit('/').next().unwrap_or_default();
    let made = identity(&engine, "made");
    assert_eq!(made["Build"][0]["Ref"], reference, "{made}");
    let at = made["Build"][0]["CreatedAt"].as_str().expect("a time");
    assert!(at.starts_with("20") && at.ends_with('Z'), "{made}");

    // The classic builder's builds are in no history: when is all that is known.
    let mut classic = engine.docker_command(["build", "-q", "-t", "made", &directory]);
    corten_testkit::run(classic.env("DOCKER_BUILDKIT", "0")).ok();
    let made = identity(&engine, "made");
    assert_eq!(made["Build"].as_array().map(Vec::len), Some(2), "{made}");
    assert_eq!(made["Build"][1]["Ref"], Value::Null, "{made}");

    // What a mirror gave is of whom it stands for.
    engine.docker(["pull", "-q", "alpine"]).ok();
    let pulled = identity(&engine, "alpine");
    assert_eq!(repositories(&pulled), ["docker.io/library/alpine"]);

    // It outlives the daemon, and is in lists, too.
    engine.kill_daemon();
    engine.start_daemon();
    assert_eq!(identity(&engine, "made"), made);
    let list = get(&engine, "/images/json?identity=1");
    let lines = list.as_array().expect("a list").iter();
    let found: Vec<_> = lines.filter(|it| it["Identity"] == known).collect();
    assert_eq!(found.len(), 1, "{list}");

    // Who does not ask sees what Docker's API has had so far.
    let plain = get(&engine, "/images/made/json");
    assert!(plain.get("Identity").is_none(), "{plain}");
    assert!(
        !get(&engine, "/images/json")
            .to_string()
            .contains("Identity")
    );
    let stock = engine.docker(["image", "inspect", "made"]);
    assert!(!stock.ok().contains("Identity"));
    let own = engine.corten([
        "image",
        "inspect",
        "-f",
        "{{(index .Identity.Pull 0).Repository}}",
        "another/name",
    ]);
    assert_eq!(own.ok(), wanted[0]);
}
