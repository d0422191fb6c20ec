//! Services that are built, replaced while they serve, and watched.

use super::*;
use std::time::{Duration, SystemTime};

const BUILT: &str = r#"
services:
  app:
    build:
      context: ./app
      args: { WHO: world }
      target: last
      secrets: [word]
      additional_contexts: { more: ./more, base: "service:base" }
    command: cat /greeting
  base:
    build: { context: ., dockerfile_inline: "FROM busybox\nRUN echo from base > /b" }
    command: "true"
secrets: { word: { environment: WORD } }
"#;

const DOCKERFILE: &str = "FROM busybox AS first\nARG WHO\nCOPY who.txt /\n\
    RUN echo hello $WHO > /greeting; cat /who.txt >> /greeting\nFROM first AS last\n\
    COPY --from=more m /m\nCOPY --from=base b /b\n\
    RUN --mount=type=secret,id=word grep -q sesame /run/secrets/word\n\
    FROM first AS never\nRUN exit 1\n";

#[test]
fn services_are_built_when_they_must_be() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [
        ("compose.yaml", BUILT),
        ("app/Dockerfile", DOCKERFILE),
        ("app/who.txt", "one\n"),
        ("app/.dockerignore", "secret\n"),
        ("app/secret", "x"),
        ("more/m", "m"),
        (".env", "WORD=sesame\n"),
    ];
    let built = engine.files("built", &files);
    let greeting = |words: &[&str]| {
        ours(&engine, &built, words).ok();
        let logs = ours(&engine, &built, &["logs", "--no-log-prefix", "app"]);
        logs.ok().replace('\n', " ")
    };
    assert_eq!(
        greeting(&["up", "-d", "--wait-timeout", "9"]),
        "hello world one"
    );
    fs::write(built.join("app/who.txt"), "two\n").expect("a file");
    assert_eq!(
        greeting(&["up", "-d", "--force-recreate"]),
        "hello world one"
    );
    assert_eq!(greeting(&["up", "-d", "--build"]), "hello world two");
    ours(&engine, &built, &["build", "--build-arg", "WHO=all"]).ok();
    let ran = ours(&engine, &built, &["run", "--rm", "-T", "app"]);
    assert_eq!(ran.ok(), "hello all\ntwo");
    let words = ["run", "--rm", "-T", "app", "cat", "/m", "/b"];
    assert_eq!(ours(&engine, &built, &words).ok(), "mfrom base");
    ours(&engine, &built, &["down", "--rmi", "local"]).ok();
    nothing_is_left(&engine);
    engine
        .docker(["image", "inspect", "built-app"])
        .fails(1, "No such");
}

const ROLLING: &str = r#"
services:
  web:
    image: busybox
    command: sh -c "touch /up; exec sleep 1000"
    stop_signal: SIGKILL
    scale: 2
    environment: { VERSION: "one" }
    healthcheck: { test: test -f /up, interval: 100ms, retries: 5 }
    deploy: { update_config: { order: start-first } }
"#;

#[test]
fn an_update_that_starts_first_leaves_the_old_until_the_new_is_healthy() {
    let engine = Engine::with_images(&["busybox"]);
    let rolling = engine.files("rolling", &[("compose.yaml", ROLLING)]);
    ours(&engine, &rolling, &["up", "-d", "--wait"]).ok();
    let before = containers(&engine);
    let write = |text: &str| fs::write(rolling.join("compose.yaml"), text).expect("a file");
    write(&ROLLING.replace("touch /up;", ""));
    let failed = ours(&engine, &rolling, &["up", "-d"]);
    failed.fails(1, "is unhealthy");
    assert_eq!(
        before,
        containers(&engine),
        "the old go on, the new are gone"
    );
    write(&ROLLING.replace("\"one\"", "\"two\""));
    let up = ours(&engine, &rolling, &["up", "-d"]);
    up.ok();
    let position = |line: &str| up.stderr.lines().position(|told| told.trim() == line);
    let [first, healthy, second] = [
        "Container rolling-web-1  Rolled over",
        "Container rolling-web-2  Healthy",
        "Container rolling-web-2  Rolled over",
    ]
    .map(position);
    assert!(
        first.is_some() && first < healthy && healthy < second,
        "{}",
        up.stderr
    );
    let after = containers(&engine);
    let names: Vec<&str> = after
        .iter()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(lines(&names.join("\n")), ["rolling-web-1", "rolling-web-2"]);
    assert!(before.iter().all(|old| !after.contains(old)), "all are new");
    let version = [
        "exec",
        "-T",
        "--index",
        "2",
        "web",
        "sh",
        "-c",
        "echo $VERSION",
    ];
    assert_eq!(ours(&engine, &rolling, &version).ok(), "two");
    ours(&engine, &rolling, &["down"]).ok();
    nothing_is_left(&engine);
}

/// It proves both halves. Without the wait for health (`apply/roll.rs`) the requests are
/// refused until the new ones listen; without the engine's hand-over at the stop
/// (`container/successor.rs`) those that are on their way to the old ones break off.
#[test]
fn no_request_fails_while_an_application_is_rolled_over() {
    let engine = Engine::with_images(&["python", "nginx"]);
    let mut rollover = Rollover::begin(&engine);
    rollover.ask(250);
    rollover.roll();
    rollover.roll();
    for asked in rollover.end(60) {
        assert_eq!(asked.failed, 0, "{asked:?}");
        assert!(asked.requests >= 250, "{asked:?}");
        assert!(asked.versions.ends_with('2'), "{asked:?}");
    }
    nothing_is_left(&engine);
}

const WATCHED: &str = r#"
services:
  web:
    build: .
    command: sh -c "cat /app/page; exec sleep 1000"
    stop_signal: SIGKILL
    develop:
      watch:
        - { action: sync, path: ./src, target: /app, ignore: ["*.log"] }
        - { action: sync+restart, path: ./conf, target: /conf }
        - action: sync+exec
          path: ./data
          target: /data
          exec:
            command: [sh, -c, 'cp /data/x y; echo $$(id -u) $$WHY $$(grep -c CapBnd:.*a80425fb /proc/self/status) >> y']
            user: "1000"
            privileged: true
            working_dir: /tmp
            environment: { WHY: because }
        - { action: sync, path: ./only, target: /only, include: ["*.txt"], initial_sync: true }
        - { action: rebuild, path: Dockerfile }
"#;

#[test]
fn watch_brings_edits_into_the_containers() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [
        ("compose.yaml", WATCHED),
        ("Dockerfile", "FROM busybox\nCOPY src /app\n"),
        ("src/page", "first\n"),
        ("conf/c", "1\n"),
        ("data/x", "1\n"),
        ("only/new.txt", "new\n"),
        ("only/old.txt", "old\n"),
    ];
    let watched = engine.files("watched", &files);
    // What is newer than the image is brought at once, if that is wished.
    let dated = |path: &str, at: SystemTime| {
        let file = fs::File::options().append(true).open(watched.join(path));
        file.and_then(|file| file.set_modified(at)).expect("a time");
    };
    const HOUR: Duration = Duration::from_secs(3600);
    dated("only/new.txt", SystemTime::now() + HOUR);
    dated("only/old.txt", SystemTime::now() - HOUR);
    let out = engine.path("watched.out");
    let file = fs::File::create(&out).expect("a file");
    let mut command = ours_command(&engine, &watched, &["up", "--watch"]);
    let mut up = command.stdout(file).spawn().expect("it starts");
    let said = |text: &str| fs::read_to_string(&out).unwrap_or_default().contains(text);
    until("the page is there", 30, || said("| first"));
    until("files are watched", 10, || said("Watch enabled"));
    let inside = |path: &str| {
        let ran = ours(&engine, &watched, &["exec", "-T", "web", "cat", path]);
        if ran.code == 0 {
            ran.stdout
        } else {
            "none".into()
        }
    };
    until("a newer file is there from the start", 10, || {
        inside("/only/new.txt") == "new\n"
    });
    assert_eq!(inside("/only/old.txt"), "none");
    let write = |path: &str, text: &str| {
        let path = watched.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    write("src/new/deep", "deep\n");
    write("src/a.log", "ignored\n");
    write("only/b.bin", "left out\n");
    write("only/b.txt", "included\n");
    write("src/page", "second\n");
    until("an edit is in the container", 10, || {
        inside("/app/page") == "second\n"
    });
    until("so is a new directory", 10, || {
        inside("/app/new/deep") == "deep\n"
    });
    assert_eq!(inside("/app/a.log"), "none", "what is ignored stays here");
    until("what is included is there", 10, || {
        inside("/only/b.txt") == "included\n"
    });
    assert_eq!(inside("/only/b.bin"), "none", "what is not stays here");
    fs::remove_file(watched.join("src/new/deep")).expect("it is there");
    until("what is gone here goes there", 10, || {
        inside("/app/new/deep") == "none"
    });
    write("data/x", "2\n");
    until("the command has run after the copy", 10, || {
        inside("/tmp/y") == "2\n1000 because 0\n"
    });
    let before = containers(&engine);
    write("conf/c", "2\n");
    until("the container is restarted", 10, || said("restarted"));
    until("and writes its page again", 10, || said("| second"));
    assert_eq!(
        (inside("/conf/c"), before == containers(&engine)),
        ("2\n".into(), true)
    );
    write(
        "Dockerfile",
        "FROM busybox\nCOPY src /app\nRUN echo third > /app/page\n",
    );
    until(
        "the image is built anew, and the container made",
        30,
        || said("| third"),
    );
    assert_ne!(before, containers(&engine));
    ours(&engine, &watched, &["down", "-t", "0", "--rmi", "local"]).ok();
    until("up ends with its containers", 10, || {
        up.try_wait().expect("it is ours").is_some()
    });
    nothing_is_left(&engine);
}

const SPOKEN: &str = r#"
services:
  web:
    image: busybox
    command: sh -c 'echo "$$VERSION begins"; trap "echo $$VERSION ends; exit 3" TERM; touch /up; while true; do sleep 0.05; done'
    environment: { VERSION: "${VERSION}" }
    ports: ["8080:80"]
    healthcheck: { test: test -f /up, interval: 100ms, retries: 100 }
    deploy: { update_config: { order: start-first } }
    pre_stop:
      - command: sh -c 'echo "$$VERSION is about to end" > /proc/1/fd/1; until [ -e /go ]; do sleep 0.05; done'
"#;

#[test]
fn an_update_in_the_foreground_shows_the_new_before_the_old_ends() {
    let engine = Engine::with_images(&["busybox"]);
    let spoken = engine.files("spoken", &[("compose.yaml", SPOKEN)]);
    let up = |version: &str, words: &[&str]| {
        let mut command = ours_command(&engine, &spoken, words);
        command.env("VERSION", version);
        command
    };
    run(&mut up("one", &["up", "-d", "--wait"])).ok();
    let old = containers(&engine)[0].clone();
    let old = old.split(' ').next().expect("an ID");
    let out = engine.path("spoken.out");
    let file = fs::File::create(&out).expect("a file");
    let mut session = up("two", &["up", "--no-color"]);
    let mut session = session.stdout(file).spawn().expect("it starts");
    let said = || fs::read_to_string(&out).unwrap_or_default();
    until("the old one's hook runs", 60, || {
        said().contains("one is about to end")
    });
    // Meanwhile all who ask are the new one's.
    let ports = engine.docker(["ps", "--no-trunc", "--format", "{{.ID}} {{.Ports}}"]);
    let publishes = |line: &&str| line.contains("8080->80/tcp");
    let publishing: Vec<&str> = ports.ok().lines().filter(publishes).collect();
    assert_eq!(publishing.len(), 1, "{}", ports.stdout);
    assert!(!publishing[0].starts_with(old), "{}", ports.stdout);
    assert_eq!(ports.stdout.lines().count(), 2, "{}", ports.stdout);
    engine.docker(["exec", old, "touch", "/go"]).ok();
    until("the old one has ended", 60, || {
        said().contains("exited with code 3")
    });
    let text = said();
    let at = |line: &str| {
        text.find(line)
            .unwrap_or_else(|| panic!("{line:?} in {text}"))
    };
    // The new one is healthy, then the old one's hook runs to its end, then comes the signal.
    let order = [
        "two begins",
        "one is about to end",
        "one ends",
        "exited with code 3",
    ]
    .map(at);
    assert!(order.is_sorted(), "{text}");
    assert!(text.contains("web-1  | two begins\n"), "{text}");
    // The command goes on with the new one, until that ends, too.
    assert!(session.try_wait().expect("it is ours").is_none(), "{text}");
    let running = engine.docker(["ps", "--format", "{{.Names}} {{.Ports}}"]);
    assert!(
        running
            .ok()
            .starts_with("spoken-web-1 0.0.0.0:8080->80/tcp"),
        "{}",
        running.stdout
    );
    engine.docker(["exec", "spoken-web-1", "touch", "/go"]).ok();
    run(&mut up("two", &["stop"])).ok();
    until("the command ends with the new one", 20, || {
        session.try_wait().expect("it is ours").is_some()
    });
    let text = said();
    let at = |line: &str| {
        text.find(line)
            .unwrap_or_else(|| panic!("{line:?} in {text}"))
    };
    assert!(at("two is about to end") < at("two ends"), "{text}");
    run(&mut up("two", &["down"])).ok();
    nothing_is_left(&engine);
}

const KEPT: &str = r#"
services:
  web:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    volumes: ["data:/data", "other:/other"]
  next:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
volumes:
  data: { labels: { kind: one } }
  other: {}
"#;

#[test]
fn a_volume_that_has_changed_is_made_anew_when_the_user_says_so() {
    let engine = Engine::with_images(&["busybox"]);
    let kept = engine.files("kept", &[("compose.yaml", KEPT)]);
    ours(&engine, &kept, &["up", "-d"]).ok();
    let inside = |command: &str| {
        let words = ["exec", "-T", "web", "sh", "-c", command];
        ours(&engine, &kept, &words).ok().to_owned()
    };
    inside("echo here > /data/a; echo here > /other/a");
    let before = containers(&engine);
    let changed = KEPT.replace("kind: one", "kind: two");
    fs::write(kept.join("compose.yaml"), changed).expect("a file");
    let question = "Volume \"kept_data\" exists but doesn't match configuration in compose file. \
                    Recreate (data will be lost)?";
    for answer in ["no\n", ""] {
        let mut up = ours_command(&engine, &kept, &["up", "-d"]);
        let up = run_with_input(&mut up, answer.as_bytes());
        assert_eq!(up.ok(), question);
        assert_eq!(before, containers(&engine), "nothing has changed");
    }
    assert_eq!(inside("cat /data/a"), "here");
    let up = ours(&engine, &kept, &["up", "-d", "--yes"]);
    up.ok();
    assert!(
        up.stderr.contains(" Volume kept_data  Created"),
        "{}",
        up.stderr
    );
    assert_eq!(
        inside("ls /data; cat /other/a"),
        "here",
        "the other one stays"
    );
    let label = ["volume", "inspect", "-f", "{{.Labels.kind}}", "kept_data"];
    assert_eq!(engine.docker(label).ok(), "two");
    let after = containers(&engine);
    let same = before.iter().filter(|line| after.contains(line)).count();
    assert_eq!(same, 1, "who does not mount it goes on: {after:?}");
    // Nothing is left to ask.
    let again = ours(&engine, &kept, &["up", "-d"]);
    assert_eq!((again.ok(), containers(&engine)), ("", after));
    // Stock Compose has nothing to ask either.
    assert_eq!(stock(&engine, &kept, &["up", "-d"]).ok(), "");
    ours(&engine, &kept, &["down", "-v"]).ok();
    nothing_is_left(&engine);
}

const GRANTED: &str = r#"
services:
  filed: { image: busybox, command: sleep 1000, init: true, configs: [file] }
  inlined: { image: busybox, command: sleep 1000, init: true, configs: [text] }
  trusted: { image: busybox, command: sleep 1000, init: true, secrets: [word, key] }
  plain: { image: busybox, command: sleep 1000, init: true }
configs:
  file: { file: ./app.conf }
  text: { content: "one" }
secrets:
  word: { environment: WORD }
  key: { file: ./key }
"#;

#[test]
fn a_service_is_made_anew_when_its_configs_or_secrets_hold_something_else() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [
        ("compose.yaml", GRANTED),
        ("app.conf", "a = 1\n"),
        ("key", "k1"),
        (".env", "WORD=sesame\n"),
    ];
    let granted = engine.files("granted", &files);
    let up = || {
        let before = containers(&engine);
        ours(&engine, &granted, &["up", "-d", "-t", "0"]).ok();
        let after = containers(&engine);
        let anew = after.iter().filter(|line| !before.contains(line));
        let mut names: Vec<&str> = anew.filter_map(|it| it.split("granted-").nth(1)).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let write = |name: &str, text: &str| fs::write(granted.join(name), text).expect("a file");
    assert_eq!(up(), "filed-1 inlined-1 plain-1 trusted-1");
    assert_eq!(up(), "");
    // Put in place of the old one, as editors do: what is mounted is still the old one.
    write("new", "a = 2\n");
    fs::rename(granted.join("new"), granted.join("app.conf")).expect("a file");
    assert_eq!(up(), "filed-1");
    let filed = engine.docker(["exec", "granted-filed-1", "cat", "/file"]);
    assert_eq!(filed.ok(), "a = 2");
    write("compose.yaml", &GRANTED.replace("\"one\"", "\"two\""));
    assert_eq!(up(), "inlined-1");
    write(".env", "WORD=open\n");
    assert_eq!(up(), "trusted-1");
    write("key", "k2");
    assert_eq!(up(), "trusted-1");
    let shown = engine.docker(["inspect", "granted-trusted-1"]);
    assert!(!shown.ok().contains("open\"") && !shown.ok().contains("k2"));
    // Stock Compose takes them for its own, and ours takes them back.
    stock(&engine, &granted, &["up", "-d"]).ok();
    assert_eq!(up(), "");
    stock(
        &engine,
        &granted,
        &["up", "-d", "--force-recreate", "-t", "0"],
    )
    .ok();
    assert_eq!(up(), "", "of what stock Compose made nothing is known");
    ours(&engine, &granted, &["down", "-t", "0"]).ok();
    nothing_is_left(&engine);
}
