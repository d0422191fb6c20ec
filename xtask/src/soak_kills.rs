//! `cargo xtask soak kills [ROUNDS]`: signals that come too late.
//!
//! A round is a container that ends by itself while it is killed, stopped and entered, and a
//! process beside it that takes the container's number as soon as the kernel gives it away.
//! All of it is in a PID namespace of its own, whose last number the soak may set. A signal
//! that went by a number would end the process beside; none may.

use crate::{
    api::{self, send},
    build, run,
};
use anyhow::{Context, Result, anyhow, bail, ensure};
use corten_testkit::Engine;
use serde_json::json;
use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const USAGE: &str = "usage: cargo xtask soak kills [ROUNDS]";

/// Rounds where the words say nothing else.
const ROUNDS: usize = 10_000;

/// Rounds at a time.
const WORKERS: usize = 4;

/// The hidden word behind which the run proper stands, in a PID namespace of its own.
const INNER: &str = "--inside";

/// What a container does, in seconds: shorter and longer than a few requests take.
const LIVES: [&str; 4] = ["0.02", "0.03", "0.05", "0.08"];

/// How long requests go on after the number was taken, at most in one round, and how long
/// the process beside lives.
const AFTER: Duration = Duration::from_millis(20);
const ROUND: Duration = Duration::from_millis(500);
const BESIDE: &str = "0.2";

/// The kernel's last number given; what comes next is one more (proc(5)).
const LAST: &str = "/proc/sys/kernel/ns_last_pid";

/// Runs the soak in a namespace, whose first process is a shell that reaps what is left.
pub fn soak(arguments: &[String]) -> Result<()> {
    if let [inner, rounds] = arguments
        && inner == INNER
    {
        return kills(rounds.parse().context(USAGE)?);
    }
    let rounds = match arguments {
        [] => ROUNDS,
        [rounds] => rounds.parse().context(USAGE)?,
        _ => bail!(USAGE),
    };
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--mount-proc", "--kill-child"])
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe()?)
        .args(["soak", "kills", INNER, &rounds.to_string()]);
    if std::env::var_os("CORTEN_BIN_DIR").is_none() {
        command.env("CORTEN_BIN_DIR", build::debug()?);
    }
    run::run(&mut command)
}

fn kills(rounds: usize) -> Result<()> {
    let engine = Engine::with_images(&["busybox"]);
    let socket = engine.path("cortend.sock");
    let next = AtomicUsize::new(0);
    let work = || -> Result<Done> {
        let mut all = Done::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= rounds {
                return Ok(all);
            }
            let done = round(&socket, number).with_context(|| format!("round {number}"))?;
            all.taken += done.taken;
            all.requests += done.requests;
            if number % 1_000 == 999 {
                println!("{} rounds", number + 1);
            }
        }
    };
    let (taken, requests) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_fold((0, 0), |sum, worker| {
            let done = worker.join().map_err(|_| anyhow!("a worker"))??;
            anyhow::Ok((sum.0 + done.taken, sum.1 + done.requests))
        })
    })?;
    println!(
        "soak: {rounds} rounds, {requests} requests; in {taken} another process had the \
         container's number, and no signal met it"
    );
    ensure!(taken >= rounds / 4, "the number was hardly ever taken");
    Ok(())
}

/// In how many rounds the number was taken, and the requests of all.
#[derive(Default)]
struct Done {
    taken: usize,
    requests: usize,
}

fn round(socket: &Path, number: usize) -> Result<Done> {
    let life = LIVES[number % LIVES.len()];
    let body = json!({"Image": "busybox", "Cmd": ["sleep", life],
        "HostConfig": {"NetworkMode": "none"}});
    let path = "/containers/create";
    let made = api::wanted(socket, 201, "POST", path, Some(&body))?;
    let container = format!("/containers/{}", made["Id"].as_str().context("an ID")?);
    api::wanted(socket, 204, "POST", &format!("{container}/start"), None)?;
    let seen = api::wanted(socket, 200, "GET", &format!("{container}/json"), None)?;
    let pid = seen["State"]["Pid"].as_u64().unwrap_or(0);
    let (taken, over) = (AtomicBool::new(pid == 0), AtomicBool::new(false));
    let (beside, requests) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| match pid {
            0 => Ok(None),
            pid => {
                let child = take(pid, &over);
                taken.store(true, Ordering::Relaxed);
                child
            }
        });
        let requests = disturb(socket, &container, number, &taken);
        over.store(true, Ordering::Relaxed);
        (beside.join(), requests)
    });
    let beside = beside.map_err(|_| anyhow!("the process beside"))??;
    let taken = usize::from(beside.is_some());
    if let Some(mut child) = beside {
        let status = child.wait()?;
        if let Some(signal) = status.signal() {
            bail!("process {pid}, which is nobody's, was met by signal {signal}");
        }
    }
    let path = format!("{container}?force=1");
    api::wanted(socket, 204, "DELETE", &path, None)?;
    let requests = requests?;
    Ok(Done { taken, requests })
}

/// Signals and processes for a container until its number is taken, and a little longer; how
/// many were asked for.
fn disturb(socket: &Path, container: &str, number: usize, taken: &AtomicBool) -> Result<usize> {
    let exec = json!({"Cmd": ["true"]});
    let calls = [
        ("/kill?signal=TERM", None, &[204, 409][..]),
        ("/exec", Some(&exec), &[201, 409]),
        ("/kill?signal=KILL", None, &[204, 409]),
        ("/stop?t=0", None, &[204, 304]),
        ("/kill?signal=HUP", None, &[204, 409]),
    ];
    let (began, mut since, mut requests) = (Instant::now(), None, 0);
    // Not all rounds begin with the same, and most leave the container to its own end.
    for (path, body, answers) in calls.iter().cycle().skip(number) {
        if taken.load(Ordering::Relaxed) && since.is_none() {
            since = Some(Instant::now());
        }
        if began.elapsed() > ROUND || since.is_some_and(|since| since.elapsed() > AFTER) {
            break;
        }
        let path = format!("{container}{path}");
        let (status, value) = send(socket, "POST", &path, *body)?;
        ensure!(answers.contains(&status), "{path}: {status} {value}");
        requests += 1;
        if let (201, Some(id)) = (status, value["Id"].as_str()) {
            let detached = json!({"Detach": true});
            let path = format!("/exec/{id}/start");
            let (status, value) = send(socket, "POST", &path, Some(&detached))?;
            let answers = [200, 400, 409, 500];
            ensure!(answers.contains(&status), "{path}: {status} {value}");
        }
    }
    Ok(requests)
}

/// A process with this number, as soon as nobody else has it; `None` if the round was over
/// before.
fn take(pid: u64, over: &AtomicBool) -> Result<Option<Child>> {
    while !over.load(Ordering::Relaxed) {
        if Path::new(&format!("/proc/{pid}")).exists() {
            std::thread::yield_now();
            continue;
        }
        fs::write(LAST, (pid - 1).to_string()).context(LAST)?;
        let mut child = Command::new("sleep").arg(BESIDE).spawn()?;
        if u64::from(child.id()) == pid {
            return Ok(Some(child));
        }
        child.kill()?;
        child.wait()?;
    }
    Ok(None)
}
