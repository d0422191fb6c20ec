//! `cargo xtask soak execs`: what takes too long for the tests.
//!
//! Ten thousand processes are started in one container through the API, and the memory
//! of daemon and shim is read from /proc before and after: it must not grow with them.

use crate::{build, run};
use anyhow::{Context, Result, bail};
use corten_testkit::{Engine, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

/// Processes before the first look, which fill caches and pools.
const WARM_UP: u32 = 1_000;

/// Processes between the two looks.
const PROCESSES: u32 = 10_000;

/// How much more anonymous memory daemon and shim may have afterwards, each.
const GROWTH_MAX_KIB: u64 = 1_024;

/// The hidden word behind which the run proper stands, in an environment of its own.
const INNER: &str = "--built";

/// Builds the engine and runs the soak in a process that knows where it is.
pub fn soak(arguments: &[String]) -> Result<()> {
    if arguments.first().map(String::as_str) == Some(INNER) {
        return execs();
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["soak", "execs", INNER]);
    if std::env::var_os("CORTEN_BIN_DIR").is_none() {
        command.env("CORTEN_BIN_DIR", build::debug()?);
    }
    run::run(&mut command)
}

fn execs() -> Result<()> {
    let engine = Engine::with_images(&["busybox"]);
    let words = ["run", "-d", "--name", "web", "busybox", "sleep", "100000"];
    engine.docker(words).ok();
    let mut api = Api::connect(&engine)?;
    api.execs(WARM_UP)?;
    let (daemon, shim) = (engine.daemon_pid(), parent_of_first(&engine, "web")?);
    let look = || -> Result<(u64, u64)> { Ok((anonymous(daemon)?, anonymous(shim)?)) };
    let before = look()?;
    api.execs(PROCESSES)?;
    until("all of them have ended", 30, || {
        let top = engine.docker(["top", "web"]);
        top.stdout.lines().count() == 2
    });
    let after = look()?;
    println!(
        "soak: {PROCESSES} processes; daemon {} -> {} KiB, shim {} -> {} KiB",
        before.0, after.0, before.1, after.1
    );
    let grown = |before: u64, after: u64| after.saturating_sub(before) > GROWTH_MAX_KIB;
    if grown(before.0, after.0) || grown(before.1, after.1) {
        bail!("memory grows with processes that have ended");
    }
    Ok(())
}

/// The shim of a container that runs: its first process's parent, proc_pid_stat(5).
fn parent_of_first(engine: &Engine, container: &str) -> Result<u32> {
    let pid = engine.docker(["inspect", "-f", "{{.State.Pid}}", container]);
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.ok()))?;
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let parent = after.split_whitespace().nth(1);
    parent.and_then(|it| it.parse().ok()).context("a parent")
}

/// RssAnon of /proc/PID/status (proc(5)), KiB.
fn anonymous(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("RssAnon:"));
    let digits = line.and_then(|it| it.split_whitespace().next());
    digits.and_then(|it| it.parse().ok()).context("RssAnon")
}

/// One connection to the API, kept for all requests.
struct Api(BufReader<UnixStream>);

impl Api {
    fn connect(engine: &Engine) -> Result<Self> {
        let socket = UnixStream::connect(engine.path("cortend.sock"))?;
        Ok(Self(BufReader::new(socket)))
    }

    fn execs(&mut self, count: u32) -> Result<()> {
        for _ in 0..count {
            let made = self.post("/containers/web/exec", r#"{"Cmd":["true"]}"#)?;
            let made: serde_json::Value = serde_json::from_str(&made)?;
            let id = made["Id"].as_str().context("an ID")?;
            self.post(&format!("/exec/{id}/start"), r#"{"Detach":true}"#)?;
        }
        Ok(())
    }

    fn post(&mut self, path: &str, body: &str) -> Result<String> {
        let length = body.len();
        write!(
            self.0.get_mut(),
            "POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let (mut line, mut status, mut length) = (String::new(), String::new(), 0);
        while self.0.read_line(&mut line)? > 2 {
            if status.is_empty() {
                status = line.trim().to_owned();
            }
            let header = line.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        self.0.read_exact(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        if !status.starts_with("HTTP/1.1 2") {
            bail!("{path}: {status} {answer}");
        }
        Ok(answer)
    }
}
