//! Bad input gets Docker's status and sentence, and loses nothing.

use corten_testkit::{Engine, Options};

#[test]
fn the_api_answers_bad_requests_as_docker_does() {
    let engine = Engine::with_images(&["busybox"]);
    let long = format!(
        r#"{{"Image":"busybox","Env":["A={}"]}}"#,
        "x".repeat(70_000_000)
    );
    for (method, path, body, status, message) in [
        (
            "GET",
            "/v1.41/containers/none/json",
            "",
            404,
            "No such container: none",
        ),
        (
            "GET",
            "/v1.41/images/none/json",
            "",
            404,
            "No such image: none:latest",
        ),
        (
            "POST",
            "/v1.41/containers/create",
            r#"{"Image":"none"}"#,
            404,
            "No such image: none:latest",
        ),
        (
            "POST",
            "/v1.41/containers/create",
            r#"{"Image":"UPPER/x"}"#,
            404,
            "No such image: UPPER/x:latest",
        ),
        (
            "POST",
            "/v1.41/containers/create",
            "{",
            400,
            "invalid JSON: unexpected EOF",
        ),
        (
            "POST",
            "/v1.41/containers/create?name=-bad-",
            r#"{"Image":"busybox"}"#,
            400,
            "Invalid container name (-bad-)",
        ),
        (
            "POST",
            "/v1.41/containers/none/start",
            "",
            404,
            "No such container: none",
        ),
        (
            "GET",
            "/v1.23/info",
            "",
            400,
            "client version 1.23 is too old. Minimum supported API version is 1.24",
        ),
        (
            "GET",
            "/v1.99/info",
            "",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.51",
        ),
        ("GET", "/nosuch", "", 404, "page not found"),
        (
            "POST",
            "/v1.41/images/create?fromImage=a..b//c",
            "",
            400,
            "invalid reference format",
        ),
    ] {
        let (got, answer) = engine.request(method, path, body);
        assert!(
            got == status && answer.contains(message),
            "{method} {path}: {got} {answer}"
        );
    }
    let file = engine.path("long.json");
    std::fs::write(&file, long).unwrap();
    let (status, _) = engine.request(
        "POST",
        "/v1.41/containers/create",
        &format!("@{}", file.display()),
    );
    assert!(
        (400..500).contains(&status),
        "a body over its limit is refused: {status}"
    );
    assert_eq!(engine.docker(["ps", "-aq"]).ok(), "", "nothing was made");
}

#[test]
fn the_client_hears_dockers_sentences() {
    let engine = Engine::with_registries();
    engine.docker(["run", "127.0.0.1:5000/nosuch"]).fails(
        125,
        "manifest for 127.0.0.1:5000/nosuch:latest not found: manifest unknown",
    );
    engine
        .docker(["pull", "127.0.0.1:5000/busybox:none"])
        .fails(
            1,
            "manifest for 127.0.0.1:5000/busybox:none not found: manifest unknown",
        );
    engine
        .docker(["rmi", "none"])
        .fails(1, "No such image: none:latest");
    engine
        .docker(["start", "none"])
        .fails(1, "No such container: none");
    engine
        .docker(["volume", "inspect", "none"])
        .fails(1, "get none: no such volume");
    engine
        .docker(["network", "inspect", "none2"])
        .fails(1, "network none2 not found");
    engine.docker(["pull", "-q", "busybox"]).ok();
    engine
        .docker(["run", "--memory", "1m", "busybox"])
        .fails(125, "Minimum memory limit allowed is 6MB");
    engine
        .docker(["run", "--name", "ss", "-d", "busybox", "sleep", "1000"])
        .ok();
    engine.docker(["unpause", "ss"]).fails(1, "is not paused");
    // dockerd 28 says this one on the hijacked stream.
    let missing = engine.docker(["exec", "ss", "nosuch"]);
    assert_eq!(missing.code, 127);
    assert!(
        missing
            .stdout
            .contains("exec: \"nosuch\": executable file not found in $PATH"),
        "{missing:?}"
    );
    engine
        .docker(["kill", "-s", "NOSUCH", "ss"])
        .fails(1, "cannot kill container: ss: invalid signal: NOSUCH");
    engine.docker(["rm", "-f", "ss"]).ok();
}

#[test]
fn the_daemon_refuses_what_it_does_not_know() {
    let engine = Engine::start_with(Options::default());
    for (text, said) in [
        (r#"{"no-such-key": 1}"#, "no-such-key"),
        (r#"{"debug": "#, "daemon.json"),
        (r#"{"data-root": "/elsewhere"}"#, "data-root"),
    ] {
        let file = engine.path("other.json");
        let file = file.with_file_name("daemon.json");
        std::fs::write(&file, text).unwrap();
        let mut command =
            corten_testkit::program(corten_testkit::binary("cortend"), ["--validate"]);
        command
            .arg("--config-file")
            .arg(&file)
            .arg("--data-root")
            .arg(engine.path("x"));
        let ran = corten_testkit::run(&mut command);
        assert!(
            ran.code != 0 && ran.stderr.contains(said),
            "{text}: {ran:?}"
        );
    }
    let mut command =
        corten_testkit::program(corten_testkit::binary("cortend"), ["--no-such-flag"]);
    corten_testkit::run(&mut command).fails(1, "unknown flag: --no-such-flag");
}
