//! `cargo xtask powercut [CUTS [DRIVER]]`: power cuts at every flush and between them.
//!
//! ```text
//! cortend ── data root on ext4 ── loop device ── disk.rs, which keeps every write and flush
//! ```
//! A list of operations is done, and after each it is noted how far the disk had come. Then
//! disks are made as a power cut would have left them: everything up to a flush, and of what
//! came behind it nothing, all, or some writes, the last of them maybe torn. Of each the file
//! system is mounted, the daemon started, and asked: what was acknowledged before the cut is
//! there, and every image that is listed is whole to the last byte (`image verify`).

mod disk;
mod machine;
mod workload;

use crate::{build, run};
use anyhow::{Context, Result, ensure};
use disk::{Disk, Event, Journal};
use machine::{Machine, Mounted};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Instant,
};
use workload::{Done, Workload};

/// Bytes of the disk: room for the images of the workload, and for one of them twice.
const DISK_BYTES: u64 = 768 << 20;
/// Set in the process that has the mount namespace.
const INSIDE: &str = "CORTEN_POWERCUT_INSIDE";
/// Cuts when nobody says how many.
const CUTS: usize = 120;
/// A sector that a cut may tear.
const SECTOR_BYTES: usize = 512;

const USAGE: &str = "usage: cargo xtask powercut [CUTS [DRIVER]]";

/// The storage driver when nobody names one.
const DRIVER: &str = "overlay2";

/// Cuts the power so many times.
pub fn powercut(arguments: &[String]) -> Result<()> {
    let (cuts, driver) = match arguments {
        [] => (CUTS, DRIVER),
        [count] => (count.parse().context(USAGE)?, DRIVER),
        [count, driver] => (count.parse().context(USAGE)?, driver.as_str()),
        _ => anyhow::bail!(USAGE),
    };
    let binaries: PathBuf = match std::env::var_os("CORTEN_BIN_DIR") {
        Some(directory) => directory.into(),
        None => build::debug()?,
    };
    if std::env::var_os(INSIDE).is_none() {
        // A mount namespace of its own: one that somebody else makes meanwhile would keep our
        // file systems, and the kernel would go on writing to them.
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            // Building has put another file under our name.
            .arg(format!("/proc/{}/exe", std::process::id()))
            .arg("powercut")
            .args(arguments);
        return run::run(command.env("CORTEN_BIN_DIR", &binaries).env(INSIDE, "1"));
    }
    let directory = tempfile::Builder::new()
        .prefix("corten-powercut-")
        .tempdir_in("/var/tmp")?;
    let machine = Machine::new(directory.path(), &binaries, driver)?;
    let begun = Instant::now();
    let disk = Disk::mount(directory.path(), DISK_BYTES)?;
    run::run(
        std::process::Command::new("mkfs.ext4")
            .args(["-q", "-F", "-E", "nodiscard"])
            .arg(disk.path()),
    )?;
    let done = {
        let mounted = Mounted::new(disk.path(), &directory.path().join("root"))?;
        let formatted = disk.position();
        let daemon = machine.start(mounted.path())?;
        let done = Workload::new(&machine, &daemon).run(|| disk.position())?;
        ensure!(done[0].position > formatted, "the disk was not written to");
        daemon.kill();
        done
    };
    let journal = disk.journal();
    let flushes = journal
        .events
        .iter()
        .filter(|event| **event == Event::Flush)
        .count();
    println!(
        "{} operations, {} events, {flushes} flushes in {:.0?}",
        done.len(),
        journal.events.len(),
        begun.elapsed()
    );
    let plan = Plan::new(&journal, &done, cuts);
    let mut replay = Replay::new(directory.path(), &journal)?;
    let (mut looked, mut kept) = (0, 0);
    for cut in plan.cuts {
        let image = replay.cut(&cut)?;
        check_file_system(&image).with_context(|| format!("after a power cut: {cut:?}"))?;
        kept += check(&machine, directory.path(), &image, &cut, &done)
            .with_context(|| format!("after a power cut: {cut:?}"))?;
        std::fs::remove_file(&image)?;
        looked += 1;
        if looked % 20 == 0 {
            println!("{looked} power cuts, {:.0?}", begun.elapsed());
        }
    }
    println!(
        "{looked} power cuts in {:.0?}: the daemon started after each, {kept} acknowledged \
         operations were found done, every image listed was whole",
        begun.elapsed()
    );
    Ok(())
}

/// One moment at which the power goes.
#[derive(Debug, Clone)]
struct Cut {
    /// Events that are on the disk, all of them: up to and with a flush.
    flushed: usize,
    /// Events that had happened.
    until: usize,
    /// What became of the writes between.
    rest: Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// None arrived.
    Lost,
    /// Some arrived, in no order; the number chooses which. The last may be torn.
    Some(u64),
}

/// The cuts to make, in the order of the past.
struct Plan {
    cuts: Vec<Cut>,
}

impl Plan {
    /// After each flush from the first operation on, and between flushes; evenly thinned
    /// out to `most`.
    fn new(journal: &Journal, done: &[Done], most: usize) -> Self {
        let first = done.first().map_or(0, |done| done.began);
        let mut cuts = Vec::new();
        let mut flushed = 0;
        let mut seed = 1;
        for (index, event) in journal.events.iter().enumerate() {
            if *event != Event::Flush {
                continue;
            }
            let between = index - flushed;
            if index >= first && flushed > 0 && between > 1 {
                seed += 1;
                cuts.push(Cut {
                    flushed,
                    until: index,
                    rest: Rest::Some(seed),
                });
            }
            flushed = index + 1;
            if flushed >= first {
                cuts.push(Cut {
                    flushed,
                    until: flushed,
                    rest: Rest::Lost,
                });
            }
        }
        let step = cuts.len().div_ceil(most.max(1)).max(1);
        // The last one of all belongs to it: everything is acknowledged then.
        let mut thin: Vec<Cut> = cuts.iter().rev().step_by(step).cloned().collect();
        thin.reverse();
        Self { cuts: thin }
    }
}

/// Makes disks of the past, each from the one before.
struct Replay<'a> {
    journal: &'a Journal,
    /// Everything up to `position`.
    now: File,
    position: usize,
    path: PathBuf,
    directory: PathBuf,
    made: usize,
}

impl<'a> Replay<'a> {
    fn new(directory: &Path, journal: &'a Journal) -> Result<Self> {
        let path = directory.join("replayed");
        let now = File::create(&path)?;
        now.set_len(DISK_BYTES)?;
        Ok(Self {
            journal,
            now,
            position: 0,
            path,
            directory: directory.to_owned(),
            made: 0,
        })
    }

    /// The disk as `cut` left it, in a file of its own.
    fn cut(&mut self, cut: &Cut) -> Result<PathBuf> {
        self.made += 1;
        let path = self.directory.join(format!("cut-{}", self.made));
        for event in &self.journal.events[self.position..cut.flushed] {
            self.journal.replay(*event, &self.now)?;
        }
        self.position = cut.flushed;
        run::output(
            std::process::Command::new("cp")
                .arg("--sparse=always")
                .arg(&self.path)
                .arg(&path),
        )?;
        let Rest::Some(seed) = cut.rest else {
            return Ok(path);
        };
        let image = File::options().write(true).open(&path)?;
        let mut chance = Chance(seed);
        for event in &self.journal.events[cut.flushed..cut.until] {
            let Event::Write { offset, length, at } = *event else {
                continue;
            };
            match chance.next() % 4 {
                // Torn: its first sectors only.
                0 => {
                    let sectors = length.div_ceil(SECTOR_BYTES).max(1);
                    let arrived = chance.next() as usize % sectors * SECTOR_BYTES;
                    let length = arrived.min(length);
                    let torn = Event::Write { offset, length, at };
                    self.journal.replay(torn, &image)?;
                }
                1 => {}
                _ => self.journal.replay(*event, &image)?,
            }
        }
        Ok(path)
    }
}

/// Numbers that are the same in each run (xorshift64*).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

/// The disk must be one that the file system can have left: otherwise the replay is wrong,
/// and nothing is learnt about the daemon.
fn check_file_system(image: &Path) -> Result<()> {
    // Plays the journal back, as a mount does.
    let mut check = std::process::Command::new("e2fsck");
    let output = check
        .args(["-p", "-E", "journal_only"])
        .arg(image)
        .output()?;
    ensure!(
        output.status.code() == Some(0),
        "replaying the journal: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let mut check = std::process::Command::new("e2fsck");
    let output = check.args(["-f", "-n"]).arg(image).output()?;
    ensure!(
        output.status.code() == Some(0),
        "the file system is damaged: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

/// Starts the daemon on the disk and asks. Answers how many acknowledged operations were
/// looked for.
fn check(
    machine: &Machine,
    directory: &Path,
    image: &Path,
    cut: &Cut,
    done: &[Done],
) -> Result<usize> {
    let mounted = Mounted::new(image, &directory.join("root"))?;
    let daemon = machine.start(mounted.path())?;
    let acknowledged: Vec<&Done> = done
        .iter()
        .filter(|done| done.position <= cut.until)
        .collect();
    // One that was on its way may be done or not.
    let on_its_way = done.iter().find(|done| done.position > cut.until);
    workload::check(machine, &daemon, &acknowledged, on_its_way)?;
    let verified = machine.corten(&daemon, &["image", "verify"]);
    ensure!(
        verified.code == 0,
        "an image is damaged:\n{}{}",
        verified.stdout,
        verified.stderr
    );
    daemon.kill();
    Ok(acknowledged.len())
}
