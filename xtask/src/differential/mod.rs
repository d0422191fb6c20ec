//! `cargo xtask differential`: the same calls to dockerd and to cortend, and what differs.
//!
//! The list of calls is data ([`tables`]); each is sent to both engines, and status,
//! error sentence and body are compared field by field after IDs, times and addresses
//! are made equal ([`compare`]). Differences that are meant stand, with a reason each, in
//! [`crate::compatibility::differences`]; any other is a failure.

mod compare;
mod door;
mod script;
mod tables;

use crate::{build, compatibility::differences, run};
use anyhow::{Context, Result, bail};
use corten_testkit::{Engine, Options};
use door::Door;
use script::Difference;

/// The hidden word behind which the run proper stands: the programs to test are named in
/// the environment, which only a new process can be given.
const INNER: &str = "--built";

const USAGE: &str =
    "usage: cargo xtask differential DOCKERD-SOCKET [--engine SOCKET] [--only GROUP] [--all]";

/// What the command line asks for.
struct Wanted {
    /// dockerd's socket.
    docker: String,
    /// A running engine's socket; else one is started.
    engine: Option<String>,
    /// Only groups of calls whose name begins so.
    only: String,
    /// Known differences are shown, too.
    all: bool,
}

/// Builds the engine, sends every call to both, and fails when they answer differently.
pub fn differential(arguments: &[String]) -> Result<()> {
    if arguments.first().map(String::as_str) == Some(INNER) {
        return compare_engines(&parse(&arguments[1..])?);
    }
    let wanted = parse(arguments)?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["differential", INNER]).args(arguments);
    if wanted.engine.is_none() && std::env::var_os("CORTEN_BIN_DIR").is_none() {
        command.env("CORTEN_BIN_DIR", build::debug()?);
    }
    run::run(&mut command)
}

fn parse(arguments: &[String]) -> Result<Wanted> {
    let mut words = arguments.iter();
    let mut wanted = Wanted {
        docker: words.next().context(USAGE)?.clone(),
        engine: None,
        only: String::new(),
        all: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--engine" => wanted.engine = Some(words.next().context(USAGE)?.clone()),
            "--only" => wanted.only = words.next().context(USAGE)?.clone(),
            "--all" => wanted.all = true,
            _ => bail!(USAGE),
        }
    }
    Ok(wanted)
}

fn compare_engines(wanted: &Wanted) -> Result<()> {
    let started = match &wanted.engine {
        Some(_) => None,
        None => Some(Engine::start_with(Options::default())),
    };
    let socket = match (&wanted.engine, &started) {
        (Some(socket), _) => socket.clone(),
        (None, Some(engine)) => engine.host(),
        (None, None) => bail!(USAGE),
    };
    let mut docker = Door::open(&wanted.docker)?;
    let mut corten = Door::open(&socket)?;
    let mut calls = 0;
    let mut found: Vec<Difference> = Vec::new();
    for group in tables::groups() {
        if !group.name.starts_with(&wanted.only) {
            continue;
        }
        calls += group.calls.len();
        found.extend(script::run(&group, &mut docker, &mut corten)?);
    }
    docker.close()?;
    corten.close()?;
    let (known, new): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|it| differences::reason(&it.call, &it.place).is_some());
    if wanted.all {
        for difference in &known {
            println!("known: {difference}");
        }
    }
    for difference in &new {
        println!("{difference}");
    }
    println!(
        "differential: {calls} calls, {} differences that are meant, {} that are not",
        known.len(),
        new.len()
    );
    if !new.is_empty() {
        bail!("the engines differ");
    }
    Ok(())
}
