//! Projects of several containers: by our own `compose`, by stock Compose against our
//! engine, and by both in turns.

use corten_testkit::{Engine, Ran, Terminal, binary, run, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const SHOP: &str = r#"
name: shop
services:
  db:
    image: busybox
    command: sh -c "sleep 0.3; touch /data/ready; exec sleep 1000"
    stop_signal: SIGKILL
    volumes: ["data:/data"]
    networks: [back]
    healthcheck:
      test: test -f /data/ready
      interval: 100ms
      retries: 100
  web:
    image: busybox
    command: sh -c "cat /run/secrets/password /etc/motd; test -f /data/ready && echo ready; exec sleep 1000"
    stop_signal: SIGKILL
    depends_on:
      db:
        condition: service_healthy
    volumes: ["data:/data:ro"]
    networks: [back]
    ports: ["8080:80"]
    secrets: [password]
    configs:
      - source: motd
        target: /etc/motd
networks:
  back: {}
volumes:
  data: {}
secrets:
  password:
    file: ./password.txt
configs:
  motd:
    content: |
      hello from the config
"#;

/// A directory with these files.
fn project(engine: &Engine, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let directory = engine.path(name);
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    directory
}

fn shop(engine: &Engine) -> PathBuf {
    let files = [("compose.yaml", SHOP), ("password.txt", "sesame\n")];
    project(engine, "shop", &files)
}

/// `compose` with these words in a directory.
fn ours(engine: &Engine, directory: &Path, words: &[&str]) -> Ran {
    run(&mut ours_command(engine, directory, words))
}

fn ours_command(engine: &Engine, directory: &Path, words: &[&str]) -> Command {
    let mut command = engine.corten_command(["compose"].iter().chain(words));
    command.current_dir(directory);
    command
}

/// Stock Compose with these words in a directory.
fn stock(engine: &Engine, directory: &Path, words: &[&str]) -> Ran {
    let mut command = engine.compose_command(words);
    run(command.current_dir(directory))
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines
}

/// IDs and names of all containers.
fn containers(engine: &Engine) -> Vec<String> {
    let listed = engine.docker(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"]);
    lines(listed.ok()).into_iter().map(String::from).collect()
}

fn nothing_is_left(engine: &Engine) {
    assert_eq!(containers(engine), [""; 0]);
    let networks = engine.docker(["network", "ls", "-q", "--filter", "type=custom"]);
    assert_eq!(networks.ok(), "");
    assert_eq!(engine.docker(["volume", "ls", "-q"]).ok(), "");
}

#[test]
fn a_project_comes_up_in_order_and_goes_without_leaving_anything() {
    let engine = Engine::with_images(&["busybox"]);
    let shop = shop(&engine);
    let up = ours(&engine, &shop, &["up", "-d"]);
    up.ok();
    let told = |line: &str| up.stderr.lines().position(|told| told.trim() == line);
    let [healthy, started] = [
        "Container shop-db-1  Healthy",
        "Container shop-web-1  Started",
    ]
    .map(told);
    assert!(
        healthy.is_some() && healthy < started,
        "the condition is waited for: {}",
        up.stderr
    );
    let ps = ours(
        &engine,
        &shop,
        &["ps", "--format", "{{.Name}} {{.State}} {{.Health}}"],
    );
    assert_eq!(
        lines(ps.ok()),
        ["shop-db-1 running healthy", "shop-web-1 running"]
    );
    until("what the web writes is in the logs", 10, || {
        let logs = ours(&engine, &shop, &["logs", "--no-color", "web"]);
        let wanted = ["sesame", "hello from the config", "ready"];
        logs.ok() == wanted.map(|line| format!("web-1  | {line}")).join("\n")
    });
    let before = containers(&engine);
    let again = ours(&engine, &shop, &["up", "-d"]);
    assert!(
        again.stderr.contains("Container shop-web-1  Running"),
        "{}",
        again.stderr
    );
    assert_eq!(before, containers(&engine), "nothing has changed");
    let down = ours(&engine, &shop, &["down", "-v", "-t", "0"]);
    assert!(
        down.stderr.contains("Volume shop_data  Removed"),
        "{}",
        down.stderr
    );
    nothing_is_left(&engine);
}

#[test]
fn either_tool_goes_on_with_the_others_project() {
    let engine = Engine::with_images(&["busybox"]);
    let shop = shop(&engine);
    stock(&engine, &shop, &["up", "-d"]).ok();
    let before = containers(&engine);
    assert_eq!(before.len(), 2);
    ours(&engine, &shop, &["up", "-d"]).ok();
    assert_eq!(
        before,
        containers(&engine),
        "stock Compose's containers are as ours would be"
    );
    let ps = ours(&engine, &shop, &["ps", "--services"]);
    assert_eq!(lines(ps.ok()), ["db", "web"]);
    ours(&engine, &shop, &["down", "-v", "-t", "0"]).ok();
    nothing_is_left(&engine);

    ours(&engine, &shop, &["up", "-d"]).ok();
    let before = containers(&engine);
    stock(&engine, &shop, &["up", "-d"]).ok();
    assert_eq!(
        before,
        containers(&engine),
        "ours are as stock Compose's would be"
    );
    let ps = stock(&engine, &shop, &["ps", "--services"]);
    assert_eq!(lines(ps.ok()), ["db", "web"]);
    let listed = stock(&engine, &shop, &["ls", "--format", "json"]);
    assert!(listed.ok().contains("running(2)"), "{}", listed.stdout);
    stock(&engine, &shop, &["down", "-v", "-t", "0"]).ok();
    nothing_is_left(&engine);
}

const PAIR: &str = r#"
services:
  one:
    image: busybox
    command: sh -c "echo from one; exec sleep 1000"
    stop_signal: SIGKILL
    ports: ["127.0.0.1:8080:80"]
  two:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    depends_on: [one]
"#;

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
    let pair = project(&engine, "pair", &[("compose.yaml", PAIR)]);
    everyday(&engine, |words| ours(&engine, &pair, words));
}

#[test]
fn everyday_commands_of_stock_compose_work() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = project(&engine, "pair", &[("compose.yaml", PAIR)]);
    everyday(&engine, |words| stock(&engine, &pair, words));
}

const TALK: &str = r#"
services:
  long:
    image: busybox
    command: sh -c "echo long speaks; exec sleep 1000"
    stop_signal: SIGKILL
  short:
    image: busybox
    command: sh -c "echo short speaks; echo error >&2; exit 7"
    depends_on: [long]
"#;

#[test]
fn up_in_the_foreground_shows_what_is_said_and_ends_as_asked() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = project(&engine, "talk", &[("compose.yaml", TALK)]);
    let ran = ours(&engine, &talk, &["up", "--abort-on-container-exit"]);
    assert_eq!(ran.code, 7, "{ran:?}");
    assert!(
        ran.stdout.starts_with("Attaching to long-1, short-1\n"),
        "{}",
        ran.stdout
    );
    for line in [
        "long-1   | long speaks\n",
        "short-1  | short speaks\n",
        "short-1 exited with code 7\n",
    ] {
        assert!(ran.stdout.contains(line), "{line:?} in {}", ran.stdout);
    }
    assert!(ran.stderr.contains("short-1  | error\n"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Aborting on container exit..."),
        "{}",
        ran.stderr
    );
    let ran = ours(
        &engine,
        &talk,
        &["up", "--exit-code-from", "long", "--no-log-prefix"],
    );
    assert_eq!(ran.code, 137, "{ran:?}");
    assert!(ran.stdout.contains("\nlong speaks\n"), "{}", ran.stdout);
    ours(&engine, &talk, &["down"]).ok();
}

#[test]
fn ctrl_c_stops_a_project_in_order() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = project(&engine, "talk", &[("compose.yaml", TALK)]);
    let file = talk.join("compose.yaml");
    let line = format!(
        "{} compose -f {} up long",
        binary("corten").display(),
        file.display()
    );
    let environment = [
        ("DOCKER_HOST", engine.host()),
        ("HOME", "/nonexistent".into()),
    ];
    let mut terminal = Terminal::run(&line, &environment);
    terminal.shows("\x1b[36mlong-1  | \x1b[0mlong speaks");
    terminal.types("\x03");
    terminal.shows("Gracefully Stopping... press Ctrl+C again to force");
    terminal.shows("long-1 exited with code 137");
    assert_eq!(terminal.ends(), 130);
    ours(&engine, &talk, &["down"]).ok();
}

#[test]
fn logs_follow_a_service_through_its_restart() {
    let engine = Engine::with_images(&["busybox"]);
    let talk = project(&engine, "talk", &[("compose.yaml", TALK)]);
    let words = ["logs", "-f", "long"];
    let mut stock_follow = engine.compose_command(words);
    stock_follow.current_dir(&talk);
    for (command, restarting) in [
        (ours_command(&engine, &talk, &words), "ours"),
        (stock_follow, "stock"),
    ] {
        follows_through_a_restart(&engine, &talk, command, restarting);
    }
}

fn follows_through_a_restart(engine: &Engine, talk: &Path, mut command: Command, whose: &str) {
    ours(engine, talk, &["up", "-d", "long"]).ok();
    let out = engine.path(&format!("followed-{whose}"));
    let file = fs::File::create(&out).expect("a file");
    let mut follow = command.stdout(file).spawn().expect("it starts");
    let said = || fs::read_to_string(&out).unwrap_or_default();
    until("the log is shown", 10, || said().contains("long speaks"));
    stock(engine, talk, &["restart", "-t", "0", "long"]).ok();
    until("it goes on after the restart", 10, || {
        said().matches("long speaks").count() == 2
    });
    ours(engine, talk, &["down", "-t", "0"]).ok();
    until("it ends with the last container", 10, || {
        follow.try_wait().expect("it is ours").is_some()
    });
    let text = said();
    assert!(
        text.contains("long-1 exited with code 137 (restarting)\n"),
        "{whose}: {text}"
    );
    assert!(
        text.ends_with("long-1 exited with code 137\n"),
        "{whose}: {text}"
    );
}

const BUILT: &str = r#"
services:
  app:
    build:
      context: ./app
      args: { WHO: world }
      target: last
    command: cat /greeting
"#;

const DOCKERFILE: &str = "FROM busybox AS first\nARG WHO\nCOPY who.txt /\n\
    RUN echo hello $WHO > /greeting; cat /who.txt >> /greeting\nFROM first AS last\n\
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
    ];
    let built = project(&engine, "built", &files);
    let greeting = |words: &[&str]| {
        ours(&engine, &built, words).ok();
        let logs = ours(&engine, &built, &["logs", "--no-log-prefix"]);
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
    ours(&engine, &built, &["down", "--rmi", "local"]).ok();
    nothing_is_left(&engine);
    engine
        .docker(["image", "inspect", "built-app"])
        .fails(1, "No such");
}
