//! Projects of several containers: by our own `compose`, by stock Compose against our
//! engine, and by both in turns.

mod application;
mod beside;
mod change;
mod commands;
mod everyday;
mod foreground;
mod interchange;
mod keys;
mod life;
mod outputs;
mod platforms;
mod pulls;
mod sources;
mod variants;

use corten_testkit::{
    Engine, GIT_DAEMON, Ran, Rollover, Terminal, binary, run, run_with_input, until,
};
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

fn shop(engine: &Engine) -> PathBuf {
    let files = [("compose.yaml", SHOP), ("password.txt", "sesame\n")];
    engine.files("shop", &files)
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
