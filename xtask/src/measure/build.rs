//! How long builds take: without a cache, with everything cached and many files in the
//! context, and two stages beside each other and one after the other. By stock buildx and by
//! the classic request, as the stock client sends them.

use super::Peer;
use crate::api::median;
use anyhow::{Context, Result, ensure};
use std::{
    fmt::Write,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Rounds whose median counts, unless the caller says how many.
pub(super) const ROUNDS: usize = 5;
/// Longest build, in seconds: what takes longer has failed.
const PATIENCE_SECONDS: &str = "300";
/// Processes of a build.
const RUNS: usize = 10;
/// Files of the contexts, and how many of them are in one directory.
const FEW: usize = 2_000;
const MANY: usize = 20_000;
const IN_A_DIRECTORY: usize = 100;
/// What a stage counts to.
const COUNT: u32 = 1_000_000;
/// Tag and label of what is built.
const MARK: &str = "corten-measure-build";

/// Who sends the build.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Buildx,
    Classic,
}

/// One line of the table.
struct Case {
    name: String,
    way: Way,
    context: PathBuf,
    cold: bool,
}

/// Prints a table: a case a line as soon as it is known, an engine a column.
pub(super) fn measure(peers: &[Peer], rounds: usize) -> Result<()> {
    ensure!(!peers.is_empty(), super::USAGE);
    let room = tempfile::Builder::new().prefix("measured").tempdir()?;
    let plugins = room.path().join("config/cli-plugins");
    fs::create_dir_all(&plugins)?;
    symlink(corten_testkit::buildx(), plugins.join("docker-buildx"))?;
    let cases = cases(room.path())?;
    let result = table(peers, room.path(), &cases, rounds);
    for peer in peers {
        let filter = format!("label={MARK}");
        client(peer, room.path(), &["image", "rm", "--force", MARK])?;
        client(
            peer,
            room.path(),
            &["image", "prune", "-f", "--filter", &filter],
        )?;
    }
    result
}

fn table(peers: &[Peer], room: &Path, cases: &[Case], rounds: usize) -> Result<()> {
    print!("| case |");
    peers.iter().for_each(|it| print!(" {} [s] |", it.name));
    println!("\n|---|{}", "---|".repeat(peers.len()));
    for case in cases {
        let mut times = vec![Vec::new(); peers.len()];
        // What is cached has been built once.
        if !case.cold {
            for peer in peers {
                build(peer, room, case)?;
            }
        }
        for _ in 0..rounds {
            for (peer, column) in peers.iter().zip(&mut times) {
                column.push(build(peer, room, case)?);
            }
        }
        print!("| {} |", case.name);
        for column in &mut times {
            print!(" {:.2} |", median(column).as_secs_f64());
        }
        println!();
    }
    Ok(())
}

fn cases(room: &Path) -> Result<Vec<Case>> {
    let context = |name: &str, dockerfile: String, files: usize| -> Result<PathBuf> {
        let directory = room.join(name);
        for number in 0..files {
            let below = directory.join(format!("files/{}", number / IN_A_DIRECTORY));
            if number % IN_A_DIRECTORY == 0 {
                fs::create_dir_all(&below)?;
            }
            fs::write(below.join(number.to_string()), format!("file {number}\n"))?;
        }
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("Dockerfile"), dockerfile)?;
        Ok(directory)
    };
    let few = context("few", steps(), FEW)?;
    let many = context("many", steps(), MANY)?;
    let beside = context("beside", stages(true), 0)?;
    let after = context("after", stages(false), 0)?;
    let mut cases = Vec::new();
    let mut add = |name: String, way, context: &PathBuf, cold| {
        let context = context.clone();
        cases.push(Case {
            name,
            way,
            context,
            cold,
        });
    };
    for (way, by) in [
        (Way::Buildx, "buildx"),
        (Way::Classic, "the classic request"),
    ] {
        add(
            format!("{RUNS} RUN and {FEW} files by {by}, cold"),
            way,
            &few,
            true,
        );
        add(format!("the same, cached, {FEW} files"), way, &few, false);
        add(format!("the same, cached, {MANY} files"), way, &many, false);
    }
    add(
        "two stages beside each other by buildx".into(),
        Way::Buildx,
        &beside,
        true,
    );
    add(
        "the same, one after the other".into(),
        Way::Buildx,
        &after,
        true,
    );
    Ok(cases)
}

fn steps() -> String {
    let mut text = String::from("FROM busybox\n");
    for number in 0..RUNS {
        let _ = writeln!(text, "RUN echo {number} > /step{number}");
    }
    text.push_str("COPY files /files\n");
    text
}

/// Two stages that count, or one that counts twice.
fn stages(beside: bool) -> String {
    let count = |file: &str| {
        format!("RUN i=0; while [ $i -lt {COUNT} ]; do i=$((i+1)); done; echo $i > /{file}\n")
    };
    match beside {
        false => format!("FROM busybox\n{}{}", count("a"), count("b")),
        true => format!(
            "FROM busybox AS a\n{}FROM busybox AS b\n{}FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
            count("a"),
            count("b")
        ),
    }
}

fn build(peer: &Peer, room: &Path, case: &Case) -> Result<Duration> {
    let context = case.context.display().to_string();
    let mut words = match case.way {
        Way::Buildx => vec!["buildx", "build", "--load"],
        Way::Classic => vec!["build"],
    };
    words.extend(["-q", "-t", MARK, "--label", MARK]);
    if case.cold {
        words.push("--no-cache");
    }
    words.push(&context);
    let begun = Instant::now();
    client(peer, room, &words)?;
    Ok(begun.elapsed())
}

/// The stock client at an engine.
fn client(peer: &Peer, room: &Path, words: &[&str]) -> Result<()> {
    let classic = words.first() == Some(&"build");
    let output = Command::new("timeout")
        .arg(PATIENCE_SECONDS)
        .arg(corten_testkit::docker_current())
        .args(words)
        .env("DOCKER_CONFIG", room.join("config"))
        .env("DOCKER_HOST", format!("unix://{}", peer.socket.display()))
        .env("DOCKER_BUILDKIT", if classic { "0" } else { "1" })
        .env("BUILDX_GIT_INFO", "false")
        .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
        .stdin(Stdio::null())
        .output()
        .context("running the stock client")?;
    ensure!(
        output.status.success(),
        "{}: {}: {}\n{}",
        peer.name,
        words.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
