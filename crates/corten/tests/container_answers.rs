//! Answers, events and refusals of dockerd 28 that scripts read.

use corten_testkit::{Engine, until};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
}

/// What happened to objects of a type so far, a line each.
fn events(engine: &Engine, kind: &str, format: &str) -> Vec<String> {
    let filter = format!("type={kind}");
    let line = words("events --since 1h --until -1s --filter").chain([&*filter, "--format"]);
    let told = engine.docker(line.chain([format]));
    told.ok().lines().map(str::to_owned).collect()
}

#[test]
fn a_paused_container_that_is_stopped_is_unpaused_first() {
    let engine = Engine::with_images(&["busybox"]);
    let run = words("run -d --name web busybox sh -c");
    let script = "trap 'exit 7' TERM; touch /ready; while :; do sleep 0.05; done";
    engine.docker(run.chain([script])).ok();
    until("it listens to signals", 20, || {
        engine.docker(words("exec web ls /ready")).code == 0
    });
    engine.docker(["pause", "web"]).ok();
    engine.docker(["stop", "web"]).ok();
    let code = engine.docker(["inspect", "-f", "{{.State.ExitCode}}", "web"]);
    assert_eq!(code.ok(), "7", "it ended by itself");
    let told = events(&engine, "container", "{{.Action}}").join(" ");
    assert!(told.contains("pause kill unpause "), "{told}");
    // Whatever is quicker, the end of the process or its thawing.
    for _ in 0..10 {
        engine.docker(["start", "web"]).ok();
        engine.docker(["pause", "web"]).ok();
        engine.docker(words("stop -t 0 web")).ok();
    }
}

#[test]
fn events_tell_of_an_imports_name_and_of_the_labels_of_what_is_untagged() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("create --name web --label tier=front busybox"))
        .ok();
    let tree = engine.path("tree.tar").display().to_string();
    engine.docker(["export", "-o", &tree, "web"]).ok();
    engine.docker(words("commit web kept:1")).ok();
    engine.docker(words("rmi kept:1")).ok();
    engine.docker(["import", &tree, "mine:1"]).ok();
    let format = "{{.Action}} {{.Actor.Attributes.tier}} {{.Actor.Attributes.name}}";
    let told = events(&engine, "image", format);
    let at = |start: &str| told.iter().position(|line| line.starts_with(start));
    assert!(at("untag front sha256:").is_some(), "{told:?}");
    let tag = at("tag <no value> mine:1").unwrap_or_else(|| panic!("{told:?}"));
    let import = at("import").unwrap_or_else(|| panic!("{told:?}"));
    assert!(tag < import, "{told:?}");
}

#[test]
fn events_of_a_time_that_ends_before_it_begins_are_refused() {
    let engine = Engine::start();
    let wrong = engine.docker(words("events --since 10 --until 5"));
    wrong.fails(1, "`since` time (10) cannot be after `until` time (5)");
    let path = "/v1.51/events?since=5&until=5&filters=null";
    assert_eq!(engine.request("GET", path, "").0, 200);
}

#[test]
fn an_attach_without_any_stream_ends_at_once_and_wrong_keys_are_refused() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d -i --name web busybox cat"))
        .ok();
    let ask = |query: &str| {
        let mut client = UnixStream::connect(engine.path("cortend.sock")).expect("connects");
        let patience = Some(Duration::from_secs(10));
        client.set_read_timeout(patience).expect("a timeout");
        let head = format!(
            "POST /containers/web/attach?{query} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        );
        client.write_all(head.as_bytes()).expect("writes");
        let mut answer = Vec::new();
        let ended = client.read_to_end(&mut answer);
        (ended.is_ok(), String::from_utf8_lossy(&answer).into_owned())
    };
    let (ended, answer) = ask("stream=1");
    assert!(ended, "{answer}");
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for keys in ["nope", "CTRL-A"] {
        let path = format!("/containers/web/attach?stream=1&stdin=1&detachKeys={keys}");
        let (status, answer) = engine.request("POST", &path, "");
        assert_eq!(status, 400);
        assert_eq!(answer, format!("Invalid detach keys ({keys}) provided"));
    }
}

#[test]
fn an_update_takes_an_empty_body_and_refuses_limits_of_windows() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("create --name web busybox")).ok();
    let update = |body: &str| engine.request("POST", "/containers/web/update", body);
    assert_eq!(update("").0, 200);
    let sentence = "Invalid QoS settings: linux does not support Maximum IO Bandwidth";
    for body in [r#"{"IOMaximumIOps":1}"#, r#"{"IOMaximumBandwidth":1}"#] {
        let (status, answer) = update(body);
        assert!(status == 400 && answer.contains(sentence), "{answer}");
    }
}

#[test]
fn signals_and_counts_that_are_none_are_told_in_dockerds_words() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web busybox sleep 1000"))
        .ok();
    let wrong = engine.docker(words("restart -s foo web"));
    wrong.fails(1, "Cannot restart container web: invalid signal: foo");
    let policy = r#"{"Image":"busybox","HostConfig":{"RestartPolicy":{"MaximumRetryCount":-1}}}"#;
    let (status, answer) = engine.request("POST", "/containers/create", policy);
    let sentence = "can only be used with 'on-failure' and cannot be negative";
    assert!(status == 400 && answer.contains(sentence), "{answer}");
}

#[test]
fn of_two_containers_with_volumes_at_one_place_the_last_counts() {
    let engine = Engine::with_images(&["busybox"]);
    for name in ["one", "two"] {
        let bind = format!("{name}:/data");
        engine
            .docker(["create", "--name", name, "-v", &bind, "busybox"])
            .ok();
    }
    let shown = |line: &str| {
        let create = words("create --name web").chain(words(line));
        engine.docker(create.chain(["busybox"])).ok();
        let format = "{{range .Mounts}}{{.Name}} {{.RW}} {{.Mode}}.{{end}}";
        let told = engine
            .docker(["inspect", "-f", format, "web"])
            .ok()
            .to_owned();
        engine.docker(["rm", "web"]).ok();
        told
    };
    let line = "--volumes-from one --volumes-from two:ro";
    assert_eq!(shown(line), "two false .");
    let line = "--volumes-from two:ro,z --volumes-from one";
    assert_eq!(shown(line), "one true .");
    assert_eq!(shown("--volumes-from two:ro,z"), "two false .");
    let wrong = engine.docker(words("create --volumes-from one:nocopy busybox"));
    wrong.fails(1, "invalid mode: nocopy");
}

#[test]
fn a_container_is_shown_as_dockerd_reads_its_request() {
    let engine = Engine::with_images(&["busybox"]);
    let line = words("create --name web -w /a/../b --entrypoint");
    engine.docker(line.chain(["", "busybox", "true"])).ok();
    let format = "{{.Config.WorkingDir}} {{json .Config.Entrypoint}} {{.Path}}";
    let shown = engine.docker(["inspect", "-f", format, "web"]);
    assert_eq!(shown.ok(), "/b null true");
    let body = format!(
        r#"{{"Image":"busybox","HostConfig":{{"Memory":{}}}}}"#,
        i64::MAX
    );
    assert_eq!(engine.request("POST", "/containers/create", &body).0, 201);
    let path = "/containers/web/stop?t=99999999999999999999";
    let (status, answer) = engine.request("POST", path, "");
    assert_eq!(status, 500);
    assert!(answer.contains("value out of range"), "{answer}");
}

#[test]
fn nothing_is_mounted_over_the_root() {
    let engine = Engine::with_images(&["busybox"]);
    for line in ["--tmpfs /", "--tmpfs /a/..", "-v /"] {
        let create = words("create").chain(words(line)).chain(["busybox"]);
        let wrong = engine.docker(create);
        wrong.fails(1, "invalid specification: destination can't be '/'");
    }
}

#[test]
fn a_list_shows_no_names_of_endpoints_and_old_clients_see_the_builders_size() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("network create front")).ok();
    engine
        .docker(words(
            "run -d --name web --network front --network-alias www busybox sleep 1000",
        ))
        .ok();
    let list = engine.get("/containers/json").expect("a list");
    assert!(list.contains(r#""Aliases":null"#), "{list}");
    assert!(list.contains(r#""DNSNames":null"#), "{list}");
    let dockerfile = engine.files(
        "context",
        &[("Dockerfile", "FROM busybox\nRUN echo 1 > /f\n")],
    );
    let path = dockerfile.display().to_string();
    engine.docker(["build", "-q", "-t", "made", &path]).ok();
    engine.docker(words("tag busybox made")).ok();
    let usage = |version: &str| {
        let path = format!("/{version}/system/df");
        engine.get(&path).expect("what is used")
    };
    assert!(usage("v1.41").contains(r#""BuilderSize":"#));
    assert!(!usage("v1.42").contains(r#""BuilderSize":"#));
    for version in ["v1.41", "v1.51"] {
        let usage = usage(version);
        assert!(usage.contains(r#""RepoTags":null"#), "{version}: {usage}");
    }
}
