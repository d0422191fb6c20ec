//! What commands print, beside what stock Compose prints of the same project.

use super::*;

const VARIABLES: &str = r#"
name: variables
services:
  web:
    image: "nginx:${TAG:-latest}"
    command: echo $${NO} ${REQ:?needed} ${ALT:+alternate} $PLAIN ${A-one}
    environment: { N: "${OUT:-${IN:-deep}}" }
"#;

const BAKED: &str = r#"
name: baked
services:
  web.app:
    image: me/web:1
    platform: linux/amd64
    build:
      context: ./web
      dockerfile: D
      args: { V: "$${x} <a>", Q: }
      target: t
      cache_from: ["type=registry,ref=a"]
      cache_to: ["type=registry,ref=b,mode=max"]
      no_cache: true
      sbom: true
      isolation: default
      platforms: [linux/amd64, linux/arm64]
      labels: { l: "1" }
      tags: [a/b:2]
      secrets: [file, { source: variable, target: v, uid: "1", gid: "2", mode: 0400 }]
      ssh: [default]
      additional_contexts: { o: ./o }
      network: host
      pull: true
      extra_hosts: { h: ["1.2.3.4", "::1"] }
      shm_size: 64m
      ulimits: { nofile: { soft: 1, hard: 2 } }
      entitlements: [network.host]
      privileged: true
      provenance: mode=max
secrets: { file: { file: ./s.txt }, variable: { environment: WORD } }
"#;

#[test]
fn variables_builds_and_old_names_are_printed_as_stock_compose_does() {
    let engine = Engine::start();
    let files = [("compose.yaml", VARIABLES), ("web/D", ""), ("o/x", "")];
    let directory = engine.files("printed", &files);
    engine.install_buildx();
    let both = |words: &[&str]| {
        let own = ours(&engine, &directory, words);
        let stock = stock(&engine, &directory, words);
        let label = |version| format!("\"com.docker.compose.version\": \"{version}\"");
        let wanted = stock
            .ok()
            .replace(&label("2.40.3"), &label(env!("CARGO_PKG_VERSION")));
        assert_eq!(own.ok(), wanted, "{words:?}");
        own.stdout
    };
    for format in ["json", "yaml"] {
        both(&["config", "--variables", "--format", format]);
    }
    let table = ours(&engine, &directory, &["config", "--variables"]);
    let other = stock(&engine, &directory, &["config", "--variables"]);
    assert_eq!(lines(table.ok()), lines(other.ok()));
    let wrong = ["config", "--variables", "--format", "x"];
    ours(&engine, &directory, &wrong).fails(1, "format value \"x\" could not be parsed");
    fs::write(directory.join("compose.yaml"), BAKED).expect("a file");
    let printed = both(&["build", "--print"]);
    assert!(printed.contains("\"web_app\""), "{printed}");
    both(&[
        "build",
        "--print",
        "--push",
        "--no-cache",
        "--build-arg",
        "Z=1",
    ]);
    both(&["build", "--print", "--check", "--ssh", "k=/p"]);
    let old = BAKED.replace("image: me/web:1", "");
    fs::write(directory.join("compose.yaml"), old).expect("a file");
    let printed = both(&["--compatibility", "config", "--images"]);
    assert_eq!(printed.trim(), "baked_web.app");
}

#[test]
fn containers_have_their_old_names_where_that_is_wanted() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = engine.files("pair", &[("compose.yaml", PAIR)]);
    ours(&engine, &pair, &["--compatibility", "up", "-d"]).ok();
    let names = engine.docker(["ps", "--format", "{{.Names}}"]);
    assert_eq!(lines(names.ok()), ["pair_one_1", "pair_two_1"]);
    let before = containers(&engine);
    stock(&engine, &pair, &["--compatibility", "up", "-d"]).ok();
    assert_eq!(before, containers(&engine));
    ours(&engine, &pair, &["down", "-t", "0"]).ok();
    nothing_is_left(&engine);
}

#[test]
fn images_are_pinned_as_stock_compose_pins_them() {
    let engine = Engine::with_registries();
    let text = "
services:
  one: { image: \"127.0.0.1:5000/busybox\", command: \"true\" }
  two: { image: \"127.0.0.1:5000/alpine:latest\" }
  built: { build: . }
";
    let pinned = engine.files("pinned", &[("compose.yaml", text)]);
    let program = corten_testkit::compose();
    for flag in ["--resolve-image-digests", "--lock-image-digests"] {
        let words = ["compose", "config", flag];
        let own = inside(&engine, &binary("corten"), &pinned, &words);
        let stock = inside(&engine, &program, &pinned, &words[1..]);
        assert_eq!(own.ok(), stock.ok(), "{flag}");
        assert_eq!(own.stdout.matches("@sha256:").count(), 2, "{}", own.stdout);
    }
}

#[test]
fn a_terminal_shows_what_becomes_of_each_thing() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = engine.files("pair", &[("compose.yaml", PAIR)]);
    let file = pair.join("compose.yaml");
    let line = |words: &str| {
        let program = binary("corten");
        format!(
            "{} compose -f {} {words}",
            program.display(),
            file.display()
        )
    };
    let environment = [
        ("DOCKER_HOST", engine.host()),
        ("HOME", "/nonexistent".into()),
    ];
    let up = Terminal::run(&line("up -d"), &environment);
    up.shows("\u{1b}[34m[+] Running 3/3\u{1b}[0m");
    let last = " \u{1b}[32m✔\u{1b}[0m Container pair-two-1  \u{1b}[32mStarted\u{1b}[0m";
    up.shows(last);
    assert_eq!(up.ends(), 0);
    let stop = Terminal::run(&line("stop"), &environment);
    stop.shows("[+] Stopping 2/2");
    assert_eq!(stop.ends(), 0);
    let plain = Terminal::run(&line("--progress=plain down"), &environment);
    plain.shows(" Container pair-one-1  Removed");
    assert!(!plain.screen().contains("[+]"), "{}", plain.screen());
    assert_eq!(plain.ends(), 0);
    nothing_is_left(&engine);
}
