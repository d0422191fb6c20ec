//! What it costs that a pull is on disk when it is told: the same release daemon twice, once
//! with flushes that do nothing.
//!
//! Both run below `strace`, which stops them at flushes only (seccomp filters the rest): the
//! one whose flushes count, too, so that the tracer is in both figures. Each pull begins with
//! a new data root and nothing left to be written.

use super::{USAGE, registry};
use crate::{api, assets, run};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Pulls of each, whose median counts, where the words say nothing else.
const ROUNDS: usize = 7;
/// What is pulled where the words say nothing else: 358 MB in three layers, and one tiny one.
const IMAGES: &[&str] = &["node", "busybox"];
/// Longest wait for a daemon to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What brings bytes to disk.
const FLUSHES: &str = "fsync,fdatasync,syncfs,sync,sync_file_range,msync";

/// Prints a table: an image a line.
pub(super) fn measure(words: &[String]) -> Result<()> {
    let rounds = match words {
        [] => ROUNDS,
        [rounds] => rounds.parse().context(USAGE)?,
        _ => anyhow::bail!(USAGE),
    };
    let assets = assets::prepare()?;
    let room = tempfile::Builder::new()
        .prefix("measured-durability")
        .tempdir_in(run::target_directory())?;
    let server = registry::debian(room.path(), &assets.registry)?;
    println!("| pull of | flushed | not flushed | ratio |\n|---|---|---|---|");
    for image in IMAGES {
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let from = format!("{}/{image}", server.address());
            on.push(pull(room.path(), &from, Flushes::Work)?);
            off.push(pull(room.path(), &from, Flushes::DoNothing)?);
        }
        let (on, off) = (api::median(&mut on), api::median(&mut off));
        println!(
            "| {image} | {:.1} ms | {:.1} ms | {:.2} |",
            on.as_secs_f64() * 1e3,
            off.as_secs_f64() * 1e3,
            on.as_secs_f64() / off.as_secs_f64()
        );
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Flushes {
    Work,
    DoNothing,
}

/// A daemon below its tracer, which ends with it.
struct Daemon {
    tracer: Child,
    pid_file: PathBuf,
    socket: PathBuf,
}

impl Daemon {
    fn start(room: &Path, flushes: Flushes) -> Result<Self> {
        let program = run::target_directory().join("dist/cortend");
        ensure!(
            program.exists(),
            "{} is not there: cargo xtask build --release",
            program.display()
        );
        let (pid_file, socket) = (room.join("pid"), room.join("socket"));
        let mut command = Command::new("strace");
        command
            .args(["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"])
            .args(["-e", &format!("trace={FLUSHES}")]);
        if flushes == Flushes::DoNothing {
            command.args(["-e", &format!("inject={FLUSHES}:retval=0")]);
        }
        let config = room.join("daemon.json");
        fs::write(&config, "{}")?;
        command
            .arg(program)
            .args(["--bridge", "none", "--log-level", "error"])
            .arg("--host")
            .arg(format!("unix://{}", socket.display()))
            .arg("--config-file")
            .arg(config)
            .arg("--data-root")
            .arg(room.join("data"))
            .arg("--exec-root")
            .arg(room.join("exec"))
            .arg("--pidfile")
            .arg(&pid_file);
        let tracer = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("starting strace")?;
        let daemon = Self {
            tracer,
            pid_file,
            socket,
        };
        let end = Instant::now() + PATIENCE;
        while !api::send(&daemon.socket, "GET", "/_ping", None).is_ok_and(|(it, _)| it == 200) {
            ensure!(Instant::now() < end, "the daemon does not answer");
            std::thread::sleep(Duration::from_millis(20)); // poll
        }
        Ok(daemon)
    }

    /// Ends the daemon, and with it the tracer.
    fn end(&mut self) -> Result<()> {
        let pid = fs::read_to_string(&self.pid_file).context("reading the daemon's number")?;
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.context("the daemon's number is none")?, Signal::TERM)?;
        self.tracer.wait().context("waiting for strace")?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.tracer.try_wait(), Ok(None)) {
            // It failed before: what it says now helps nobody.
            let _ = self.end();
        }
    }
}

fn pull(room: &Path, image: &str, flushes: Flushes) -> Result<Duration> {
    // Removed at the end of all: making files is slow for a while where many were removed.
    let place = tempfile::tempdir_in(room)?.keep();
    let mut daemon = Daemon::start(&place, flushes)?;
    rustix::fs::sync();
    let path = format!("/images/create?fromImage={image}&tag=latest");
    let begin = Instant::now();
    let (status, told) = api::send(&daemon.socket, "POST", &path, None)?;
    let taken = begin.elapsed();
    let (found, _) = api::send(
        &daemon.socket,
        "GET",
        &format!("/images/{image}/json"),
        None,
    )?;
    ensure!(status == 200 && found == 200, "pulling {image}: {told}");
    daemon.end()?;
    Ok(taken)
}
