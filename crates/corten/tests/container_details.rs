//! What people notice of containers beside `run`: dockerd 28's answers of cp, logs, ps,
//! exec, links and health checks.

use corten_testkit::{Engine, until};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
}

#[test]
fn the_root_of_a_volume_has_its_name_also_when_its_container_is_stopped() {
    let engine = Engine::with_images(&["busybox"]);
    let fill = "mkdir /srv/data/d; touch /srv/data/f /srv/data/d/g";
    engine
        .docker(words("run --name web -v data:/srv/data busybox sh -c").chain([fill]))
        .ok();
    let out = engine.path("out");
    std::fs::create_dir(&out).expect("a directory");
    let to = out.to_str().expect("UTF-8");
    let there = |path: &str| out.join(path).exists();
    engine.docker(["cp", "web:/srv/data", to]).ok();
    assert!(there("data/f") && there("data/d/g"), "under its name");
    assert!(!there("f"), "not beside it");
    engine.docker(["cp", "web:/srv/data/d/.", to]).ok();
    assert!(there("g") && !there("d"), "what is in the directory");
    engine.docker(["cp", "web:/srv/data/.", to]).ok();
    assert!(there("f") && there("d/g"), "what is in the volume");
}

#[test]
fn who_is_refused_early_is_told_why_though_the_body_is_still_on_its_way() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("create --name web --read-only busybox true"))
        .ok();
    let body = vec![0; 200 << 10];
    let mut client = UnixStream::connect(engine.path("cortend.sock")).expect("a connection");
    client
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    let head = format!(
        "PUT /containers/web/archive?path=/ HTTP/1.1\r\nHost: docker\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes()).expect("the head is read");
    let mut answer = [0; 1 << 10];
    let count = client.read(&mut answer).expect("an answer");
    let told = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(told.contains(" 403 "), "{told}");
    client.write_all(&body).expect("nothing breaks this");
    client
        .write_all(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
        .expect("nor this");
    let count = client.read(&mut answer).expect("an answer");
    let told = String::from_utf8_lossy(&answer[..count]).into_owned();
    assert!(told.contains(" 200 OK"), "the connection goes on: {told:?}");
}

#[test]
fn followed_logs_end_with_the_run_also_when_the_container_starts_anew() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "echo run; until [ -e /go ]; do sleep 0.05; done; exit 1";
    engine
        .docker(words("run -d --name web --restart always busybox sh -c").chain([script]))
        .ok();
    until("it has said something", 20, || {
        engine.docker(["logs", "web"]).stdout == "run\n"
    });
    let mut follow = engine
        .docker_command(["logs", "-f", "web"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("a client");
    let mut stdout = follow.stdout.take().expect("piped");
    let mut first = [0; 4];
    stdout.read_exact(&mut first).expect("it follows");
    engine.docker(["exec", "web", "touch", "/go"]).ok();
    until("the follower ends", 20, || {
        follow.try_wait().expect("a child").is_some()
    });
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("text");
    assert_eq!(rest, "", "nothing of the next run");
}

#[test]
fn the_filter_of_published_ports_means_those_of_the_host() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words(
            "run -d --name web -p 127.0.0.1:18480:80 busybox sleep 1000",
        ))
        .ok();
    let names = |filter: &str| {
        let ran = engine.docker(["ps", "--format", "{{.Names}}", "--filter", filter]);
        ran.ok().to_owned()
    };
    assert_eq!(names("publish=18480"), "web");
    assert_eq!(names("publish=18400-18500/tcp"), "web");
    assert_eq!(names("publish=80"), "");
    assert_eq!(names("publish=18480/udp"), "");
    let wrong = engine.docker(words("ps --filter expose=foo"));
    wrong.fails(1, "error while looking up for expose foo: ");
    for (filter, sentence) in [
        ("publish=5-3", "Invalid range specified for the Port: 5-3"),
        ("publish=70000", "parsing \"70000\": value out of range"),
        ("expose=", "Empty string specified for ports."),
        ("expose=a:80", "filter for 'expose' should not contain ':'"),
    ] {
        let wrong = engine.docker(["ps", "--filter", filter]);
        wrong.fails(1, sentence);
    }
}

#[test]
fn one_container_may_be_linked_under_two_names() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words(
            "run -d --name web --expose 80 --expose 90 busybox sleep 1000",
        ))
        .ok();
    let line = "run --rm --link web --link web:www busybox sh -c";
    let script = "echo $WEB_PORT_90_TCP_PORT $WWW_PORT_80_TCP_PORT";
    let ran = engine.docker(words(line).chain([script]));
    assert_eq!(ran.ok(), "90 80");
}

#[test]
fn added_groups_are_those_of_every_user_of_exec() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words(
            "run -d --name web -u 1000 --group-add 4242 busybox sleep 1000",
        ))
        .ok();
    for user in ["0", "1000", "1001"] {
        let groups = engine.docker(["exec", "-u", user, "web", "id", "-G"]);
        assert!(groups.ok().contains("4242"), "{user}: {}", groups.stdout);
    }
}

#[test]
fn the_output_of_a_probe_that_is_cut_says_so() {
    let engine = Engine::with_images(&["busybox"]);
    let probe = ["--health-cmd", "head -c 5000 /dev/zero | tr '\\0' x"];
    let before = words("run -d --name web --health-interval 100ms");
    let run = before.chain(probe).chain(words("busybox sleep 1000"));
    engine.docker(run).ok();
    let shown = |format: &str| {
        engine
            .docker(["inspect", "-f", format, "web"])
            .ok()
            .to_owned()
    };
    until("it is healthy", 20, || {
        shown("{{.State.Health.Status}}") == "healthy"
    });
    let output = shown("{{(index .State.Health.Log 0).Output}}");
    assert_eq!(output.len(), 4096 + 3);
    assert!(output.ends_with("xxx..."));
}

#[test]
fn an_exec_is_told_in_the_shape_that_its_start_asks_for() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web busybox sleep 1000"))
        .ok();
    let told = |has_terminal: bool, wanted: bool| {
        let create = format!(
            r#"{{"AttachStdout":true,"AttachStderr":true,"Tty":{has_terminal},"Cmd":["sh","-c","echo out; echo err >&2"]}}"#
        );
        let (status, said) = engine.request("POST", "/containers/web/exec", &create);
        assert_eq!(status, 201, "{said}");
        let id = said.split('"').nth(3).expect("an ID").to_owned();
        let start = format!(r#"{{"Tty":{wanted}}}"#);
        engine
            .request("POST", &format!("/exec/{id}/start"), &start)
            .1
    };
    assert_eq!(told(true, true), "out\r\nerr");
    let raw = told(false, true);
    assert!(["out\nerr", "err\nout"].contains(&&*raw), "{raw:?}");
    let framed = told(true, false);
    assert!(framed.starts_with("\u{1}\0\0\0\0\0\0"), "{framed:?}");
    assert!(framed.contains("out\r\n"), "{framed:?}");
    let framed = told(false, false);
    assert!(framed.contains("\u{1}\0\0\0\0\0\0\u{4}out"), "{framed:?}");
    assert!(framed.contains("\u{2}\0\0\0\0\0\0\u{4}err"), "{framed:?}");
}

#[test]
fn events_tell_of_a_commits_image_and_of_no_end_of_what_never_ran() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web busybox sleep 1000"))
        .ok();
    assert_eq!(engine.docker(words("exec web missing")).code, 127);
    engine.docker(words("commit -m words web kept:1")).ok();
    let format = "{{.Type}} {{.Action}} {{.Actor.Attributes.comment}} {{.Actor.Attributes.imageRef}} {{.Actor.Attributes.name}}";
    let events = engine.docker(words("events --since 1h --until -2s --format").chain([format]));
    let told = events.ok();
    let at = |start: &str| told.lines().position(|line| line.starts_with(start));
    let commit = at("container commit words kept:1 web").unwrap_or_else(|| panic!("{told}"));
    let create = at("image create <no value> <no value> sha256:").expect("the image");
    let tag = at("image tag <no value> <no value> kept:1").expect("its name");
    assert!(create < tag && tag < commit, "{told}");
    assert!(told.contains("exec_start: missing"), "{told}");
    assert_eq!(at("container exec_die"), None, "{told}");
}

#[test]
fn a_container_at_rest_is_copied_from_and_to_with_what_is_mounted_in_it() {
    let engine = Engine::with_images(&["busybox"]);
    let bound = engine.files("bound", &[("kept", "of the host")]);
    let read_only = format!("{}:/srv/bound:ro", bound.display());
    let fill = "mkdir /srv/data/d; echo below > /srv/data/d/g; ln -s /srv/data/d /way";
    let run = words("run --name web -v data:/srv/data -v inner:/srv/data/inner -v");
    engine
        .docker(run.chain([&*read_only, "busybox", "sh", "-c", fill]))
        .ok();
    let out = engine.path("out");
    std::fs::create_dir(&out).expect("a directory");
    let to = out.to_str().expect("UTF-8");
    let text = |path: &str| std::fs::read_to_string(out.join(path)).unwrap_or_default();
    // What lies above a volume comes with the volume's files.
    engine.docker(["cp", "web:/srv", to]).ok();
    assert_eq!(text("srv/data/d/g"), "below\n");
    assert_eq!(text("srv/bound/kept"), "of the host");
    assert!(out.join("srv/data/inner").is_dir());
    // A link of the container leads into the volume, both ways.
    engine.docker(["cp", "web:/way/g", to]).ok();
    assert_eq!(text("g"), "below\n");
    std::fs::write(out.join("new"), "new").expect("written");
    let new = out.join("new");
    let new = new.to_str().expect("UTF-8");
    engine.docker(["cp", new, "web:/way/"]).ok();
    let seen = engine.docker(words("run --rm -v data:/d busybox cat /d/d/new"));
    assert_eq!(seen.ok(), "new");
    // Nothing is written where the container may not write, whatever leads there.
    let tree = engine.files("tree", &[("bound/kept", "changed")]);
    let from = format!("{}/.", tree.display());
    assert_ne!(engine.docker(["cp", &from, "web:/srv"]).code, 0);
    let kept = std::fs::read_to_string(bound.join("kept")).expect("is there");
    assert_eq!(kept, "of the host");
    // Volumes are given back.
    engine.docker(words("rm web")).ok();
    engine.docker(words("volume rm data inner")).ok();
}
