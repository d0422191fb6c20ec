//! Projects of several containers: by our own `compose`, by stock Compose against our
//! engine, and by both in turns.

use corten_testkit::{Engine, GIT_DAEMON, Ran, Terminal, binary, run, until};
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
    let built = project(&engine, "built", &files);
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
    let rolling = project(&engine, "rolling", &[("compose.yaml", ROLLING)]);
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
        - { action: sync+exec, path: ./data, target: /data, exec: { command: cp /data/x /data/y } }
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
    ];
    let watched = project(&engine, "watched", &files);
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
    let write = |path: &str, text: &str| {
        let path = watched.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    };
    write("src/new/deep", "deep\n");
    write("src/a.log", "ignored\n");
    write("src/page", "second\n");
    until("an edit is in the container", 10, || {
        inside("/app/page") == "second\n"
    });
    until("so is a new directory", 10, || {
        inside("/app/new/deep") == "deep\n"
    });
    assert_eq!(inside("/app/a.log"), "none", "what is ignored stays here");
    fs::remove_file(watched.join("src/new/deep")).expect("it is there");
    until("what is gone here goes there", 10, || {
        inside("/app/new/deep") == "none"
    });
    write("data/x", "2\n");
    until("the command has run after the copy", 10, || {
        inside("/data/y") == "2\n"
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

const HOOKED: &str = r#"
services:
  db:
    provider: { type: lender, options: { size: 3 } }
  web:
    image: busybox
    command: sh -c "echo lent $DB_URL; exec sleep 1000"
    stop_signal: SIGKILL
    depends_on: [db]
    volumes: ["notes:/notes"]
    post_start:
      - command: sh -c "echo started > /notes/log"
    pre_stop:
      - command: sh -c "echo $WHY >> /notes/log"
        environment: { WHY: stopping }
volumes: { notes: }
"#;

const LENDER: &str = "#!/bin/sh\n\
    [ \"$2\" = metadata ] && exit 1\n\
    echo \"$*\" >> CALLS\n\
    echo '{\"type\": \"info\", \"message\": \"lending\"}'\n\
    echo '{\"type\": \"setenv\", \"message\": \"URL=db://lent\"}'\n";

#[test]
fn hooks_run_and_providers_lend_their_variables() {
    use std::os::unix::fs::PermissionsExt;
    let engine = Engine::with_images(&["busybox"]);
    let calls = engine.path("calls").display().to_string();
    let lender = LENDER.replace("CALLS", &calls);
    let files = [
        (
            "compose.yaml",
            &*HOOKED
                .replace("$DB_URL", "$$DB_URL")
                .replace("$WHY", "$$WHY"),
        ),
        ("bin/lender", &lender),
    ];
    let hooked = project(&engine, "hooked", &files);
    let program = hooked.join("bin/lender");
    fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("its mode");
    let path = format!("{}:/usr/bin:/bin", hooked.join("bin").display());
    let compose = |words: &[&str]| {
        let mut command = ours_command(&engine, &hooked, words);
        run(command.env("PATH", &path))
    };
    compose(&["up", "-d"]).ok();
    until("the variable is lent", 10, || {
        compose(&["logs", "web"]).ok() == "web-1  | lent db://lent"
    });
    compose(&["stop"]).ok();
    let mount = "hooked_notes:/notes";
    let log = engine.docker(["run", "--rm", "-v", mount, "busybox", "cat", "/notes/log"]);
    assert_eq!(log.ok(), "started\nstopping");
    compose(&["down", "-v"]).ok();
    let told = fs::read_to_string(&calls).expect("it was called");
    let words = "compose --project-name=hooked up --size=3 db\n\
        compose --project-name=hooked down --size=3 db\n";
    assert_eq!(told, words);
    nothing_is_left(&engine);
}

/// A program with these words in a directory, in the engine's network.
fn inside(engine: &Engine, program: &Path, directory: &Path, words: &[&str]) -> Ran {
    let mut command = engine.inside(program);
    command
        .args(words)
        .current_dir(directory)
        .env("DOCKER_HOST", engine.host())
        .env("HOME", engine.path("home"))
        .env("__TEST__INSECURE__REGISTRY__", "1")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("XDG_CACHE_HOME");
    run(&mut command)
}

const PUBLISHED: &str = r#"
name: published
services:
  web:
    image: busybox:${TAG:-latest}
    command: cat /etc/motd
    env_file: web.env
    configs: [{ source: motd, target: /etc/motd }]
configs:
  motd: { content: "published\n" }
"#;

#[test]
fn a_published_project_runs_from_the_registry_with_either_tool() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let files = [("compose.yaml", PUBLISHED), ("web.env", "GREETING=hello\n")];
    let published = project(&engine, "published", &files);
    let elsewhere = project(&engine, "elsewhere", &[("empty", "")]);
    let corten = binary("corten");
    let name = "127.0.0.1:5001/apps/published:1";
    let words = ["compose", "publish", name];
    let refused = inside(&engine, &corten, &published, &words);
    refused.fails(1, "service \"web\" has env_file declared.");
    let words = ["compose", "publish", "-y", name];
    inside(&engine, &corten, &published, &words).ok();
    let oci = format!("oci://{name}");
    let ours = inside(
        &engine,
        &corten,
        &elsewhere,
        &["compose", "-f", &oci, "config"],
    );
    assert!(ours.ok().contains("GREETING: hello"), "{}", ours.stdout);
    assert!(
        ours.ok().contains("image: busybox:latest"),
        "{}",
        ours.stdout
    );
    let stock = corten_testkit::compose();
    let theirs = inside(&engine, &stock, &elsewhere, &["-f", &oci, "config"]);
    assert_eq!(ours.ok(), theirs.ok());
    let including = format!("include: ['{oci}']\nservices: {{ own: {{ image: busybox }} }}\n");
    fs::write(elsewhere.join("compose.yaml"), including).expect("a file");
    let words = ["compose", "run", "--rm", "-T", "web"];
    let ran = inside(&engine, &corten, &elsewhere, &words);
    assert_eq!(ran.ok(), "published");
    let words = ["compose", "-p", "elsewhere", "down"];
    inside(&engine, &corten, &elsewhere, &words).ok();
}

#[test]
fn projects_are_included_from_git_and_stay_in_their_repository() {
    let mut engine = Engine::start();
    let files = [
        (
            "app/compose.yaml",
            "services: { app: { image: app, env_file: app.env } }\n",
        ),
        ("app/app.env", "FROM=git\n"),
    ];
    let repository = project(&engine, "served/app.git", &files);
    std::os::unix::fs::symlink("/etc/passwd", repository.join("out.yaml")).expect("a link");
    let git = |words: &[&str]| {
        let user = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let words = user.iter().chain(words);
        inside(
            &engine,
            Path::new("git"),
            &repository,
            &words.copied().collect::<Vec<_>>(),
        )
        .ok();
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "app"]);
    let mut daemon = engine.inside("sh");
    daemon.args(GIT_DAEMON);
    daemon.args(["--export-all", "--listen=127.0.0.1", "--port=9418"]);
    daemon.arg(format!("--base-path={}", engine.path("served").display()));
    daemon
        .arg(engine.path("served"))
        .env("HOME", engine.path("home"));
    daemon.env("GIT_CONFIG_COUNT", "1");
    daemon
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    engine.beside(daemon);
    let corten = binary("corten");
    let here = engine.path("here");
    let with = |reference: &str| {
        let text = format!("include: ['git://127.0.0.1/app.git#{reference}']\n");
        project(&engine, "here", &[("compose.yaml", &text)]);
        inside(&engine, &corten, &here, &["compose", "config"])
    };
    until("the repository is served", 20, || {
        with("main:app").code == 0
    });
    assert!(with(":app").ok().contains("FROM: git"));
    with("main:../..").fails(1, "git subdirectory path traversal detected: ../..");
    with("main:/etc").fails(1, "git subdirectory must be relative, got: /etc");
    with("main:out.yaml").fails(1, "git subdirectory escapes base directory: out.yaml");
    with("--upload-pack=touch").fails(1, "git ls-remote failed");
}

#[test]
fn it_is_docker_compose_alone_and_as_a_plugin_of_the_stock_client() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = project(&engine, "pair", &[("compose.yaml", PAIR)]);
    let plugins = engine.path("docker-config/cli-plugins");
    fs::create_dir_all(&plugins).expect("a directory for plugins");
    let program = plugins.join("docker-compose");
    std::os::unix::fs::symlink(binary("corten"), &program).expect("a link");
    let mut plugin = engine.docker_command(["compose", "up", "-d", "one"]);
    run(plugin.current_dir(&pair)).ok();
    let alone = inside(&engine, &program, &pair, &["ps", "--services"]);
    assert_eq!(alone.ok(), "one");
    let mut plugin = engine.docker_command(["compose", "down", "-t", "0"]);
    run(plugin.current_dir(&pair)).ok();
    nothing_is_left(&engine);
}
