//! `cargo xtask soak poll [MINUTES] [CONTAINERS]`: what dashboards do to a daemon, for
//! longer than a test may take.
//!
//! One reader follows events and inspects whatever starts, as Traefik does; another asks
//! for the list and for every container's statistics each second, as cAdvisor does; a
//! container is restarted every few seconds. The daemon's memory and descriptors after a
//! warm-up are the measure: at the end they must be the same, within [`GROWTH_KIB`] and
//! [`GROWTH_DESCRIPTORS`].

use crate::build;
use anyhow::{Context, Result, bail, ensure};
use corten_testkit::Engine;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MINUTES: u64 = 10;
const CONTAINERS: usize = 200;

/// Growth that the allocator's own habits explain; a leak of 100 bytes a request would be
/// 12 MB in ten minutes.
const GROWTH_KIB: i64 = 2048;
const GROWTH_DESCRIPTORS: i64 = 4;

/// Containers that are started at a time.
const STARTERS: usize = 4;
const POLL: Duration = Duration::from_secs(1);
/// A restart every so many polls, a line of the table every so many.
const RESTART_EVERY: u32 = 5;
const REPORT_EVERY: u32 = 15;

/// Runs the soak that the words name.
pub fn soak(words: &[String]) -> Result<()> {
    let [kind, numbers @ ..] = words else {
        bail!("usage: cargo xtask soak poll [MINUTES] [CONTAINERS]");
    };
    ensure!(kind == "poll", "the only soak is `poll`");
    let number = |index: usize| numbers.get(index).map(|it| it.parse::<u64>()).transpose();
    let minutes = number(0)?.unwrap_or(MINUTES);
    let containers = number(1)?.map_or(Ok(CONTAINERS), usize::try_from)?;
    // The engine under test runs what CORTEN_BIN_DIR holds, else what is built now.
    if std::env::var_os("CORTEN_BIN_DIR").is_none() {
        let built = build::debug()?;
        eprintln!("set CORTEN_BIN_DIR={} and call again", built.display());
        return Ok(());
    }
    let engine = Engine::with_images(&["busybox"]);
    let ids = start(&engine, containers)?;
    eprintln!("{} containers run", ids.len());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| follow(&engine, &over));
        let polled = poll(&engine, &ids, Duration::from_secs(minutes * 60));
        over.store(true, Ordering::Relaxed);
        // An event more, so that the follower looks up.
        engine.docker(["restart", "-t", "0", &ids[0]]);
        let seen = follower
            .join()
            .map_err(|_| anyhow::anyhow!("the follower failed"))??;
        eprintln!("{seen} events were followed");
        ensure!(seen > 0, "no event came");
        polled
    })
}

fn start(engine: &Engine, count: usize) -> Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let starter = || {
            let mut ids = Vec::new();
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let words = [
                    "run",
                    "-d",
                    "--network",
                    "none",
                    "busybox",
                    "sleep",
                    "100000",
                ];
                ids.push(engine.docker(words).ok().to_owned());
            }
            ids
        };
        let starters: Vec<_> = (0..STARTERS).map(|_| scope.spawn(starter)).collect();
        let mut ids = Vec::new();
        for starter in starters {
            ids.extend(
                starter
                    .join()
                    .map_err(|_| anyhow::anyhow!("a start failed"))?,
            );
        }
        Ok(ids)
    })
}

/// Reads events until it is over, and inspects what starts.
fn follow(engine: &Engine, over: &AtomicBool) -> Result<usize> {
    let socket = engine.path("cortend.sock");
    let mut curl = Command::new("curl")
        .args(["-sN", "--unix-socket"])
        .arg(&socket)
        .arg("http://d/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D")
        .stdout(Stdio::piped())
        .spawn()
        .context("curl")?;
    let stream = curl.stdout.take().context("its output")?;
    let mut seen = 0;
    for line in BufReader::new(stream).lines() {
        let event: serde_json::Value = serde_json::from_str(&line?)?;
        seen += 1;
        if event["Action"] == "start"
            && let Some(id) = event["Actor"]["ID"].as_str()
        {
            engine.get(&format!("/containers/{id}/json"));
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    // It waits for events that nobody needs any more.
    curl.kill()?;
    curl.wait()?;
    Ok(seen)
}

fn poll(engine: &Engine, ids: &[String], time: Duration) -> Result<()> {
    let urls = engine.path("urls");
    let list = ids.iter().map(|id| {
        format!("url = \"http://d/containers/{id}/stats?stream=false&one-shot=true\"\noutput = /dev/null\n")
    });
    let list = format!(
        "url = \"http://d/containers/json\"\noutput = /dev/null\n{}",
        list.collect::<String>()
    );
    fs::write(&urls, list)?;
    let socket = engine.path("cortend.sock");
    let begun = Instant::now();
    // After a quarter everything has been done often enough to have its memory.
    let warm = time / 4;
    let mut baseline = None;
    let mut slowest = Duration::ZERO;
    for round in 1.. {
        let round_begun = Instant::now();
        let status = Command::new("curl")
            .args(["-sf", "--max-time", "60", "--unix-socket"])
            .arg(&socket)
            .arg("-K")
            .arg(&urls)
            .status()?;
        ensure!(status.success(), "a request failed: {status}");
        slowest = slowest.max(round_begun.elapsed());
        if round % RESTART_EVERY == 0 {
            let id = &ids[round as usize / RESTART_EVERY as usize % ids.len()];
            engine.docker(["restart", "-t", "0", id]).ok();
        }
        let now = Sample::take(engine.daemon_pid())?;
        if baseline.is_none() && begun.elapsed() >= warm {
            baseline = Some(now);
        }
        if round % REPORT_EVERY == 0 {
            eprintln!(
                "{:>5} s  {now}  slowest round {slowest:.1?}",
                begun.elapsed().as_secs()
            );
        }
        if begun.elapsed() >= time {
            let first = baseline.context("it was too short")?;
            eprintln!("after the warm-up  {first}\nat the end         {now}");
            ensure!(
                now.kib - first.kib <= GROWTH_KIB,
                "the daemon's memory grows"
            );
            ensure!(
                now.descriptors - first.descriptors <= GROWTH_DESCRIPTORS,
                "the daemon's descriptors grow"
            );
            return Ok(());
        }
        std::thread::sleep(POLL.saturating_sub(round_begun.elapsed())); // poll
    }
    Ok(())
}

/// The daemon at one moment.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// PSS.
    kib: i64,
    descriptors: i64,
    threads: i64,
}

impl Sample {
    fn take(pid: u32) -> Result<Self> {
        let process = Path::new("/proc").join(pid.to_string());
        let rollup = fs::read_to_string(process.join("smaps_rollup"))?;
        let pss = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = pss
            .and_then(|it| it.split_whitespace().next())
            .context("Pss")?;
        let count =
            |name: &str| Ok::<_, anyhow::Error>(fs::read_dir(process.join(name))?.count() as i64);
        Ok(Self {
            kib: kib.parse()?,
            descriptors: count("fd")?,
            threads: count("task")?,
        })
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            kib,
            descriptors,
            threads,
        } = self;
        write!(
            f,
            "{kib} KiB PSS, {descriptors} descriptors, {threads} threads"
        )
    }
}
