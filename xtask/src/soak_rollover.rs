//! `cargo xtask soak rollover [REQUESTS]`: an application is updated again and again while
//! two clients ask it, one by its service's name and one at its published port, each so
//! many times. No request may fail.

use crate::{build, run};
use anyhow::{Result, ensure};
use corten_testkit::{Engine, Rollover};
use std::process::Command;
use std::time::Instant;

/// Requests of each client.
const REQUESTS: usize = 10_000;
/// How long the clients may take after the last update, in seconds.
const PATIENCE: u64 = 1_800;
/// Updates, at least.
const UPDATES: u32 = 5;

/// The hidden word behind which the run proper stands, in an environment of its own.
const INNER: &str = "--built";

/// Builds the engine and runs the soak in a process that knows where it is.
pub fn soak(arguments: &[String]) -> Result<()> {
    if let [inner, rest @ ..] = arguments
        && inner == INNER
    {
        let requests = rest.first().map(|it| it.parse()).transpose()?;
        return rollover(requests.unwrap_or(REQUESTS));
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["soak", "rollover", INNER]).args(arguments);
    if std::env::var_os("CORTEN_BIN_DIR").is_none() {
        command.env("CORTEN_BIN_DIR", build::debug()?);
    }
    run::run(&mut command)
}

fn rollover(requests: usize) -> Result<()> {
    let engine = Engine::with_images(&["python", "nginx"]);
    let mut rollover = Rollover::begin(&engine);
    rollover.ask(requests);
    let begun = Instant::now();
    let mut updates = 0;
    while updates < UPDATES || rollover.is_asking() {
        rollover.roll();
        updates += 1;
    }
    let seconds = begun.elapsed().as_secs();
    let seen = rollover.end(PATIENCE);
    for asked in &seen {
        println!(
            "soak: {} asked {} times in {seconds} s over {updates} updates, {} failed; versions {} {}",
            asked.client, asked.requests, asked.failed, asked.versions, asked.reasons
        );
    }
    for asked in seen {
        ensure!(asked.failed == 0, "{} requests failed", asked.failed);
        ensure!(
            asked.requests >= requests,
            "only {} requests",
            asked.requests
        );
    }
    Ok(())
}
