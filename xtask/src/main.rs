//! `cargo xtask`: the one tool of this repository.
//!
//! | command | what it does |
//! |---|---|
//! | `demo` | builds the release binaries, starts the engine if none runs, runs `corten run hello-world` |
//! | `test [FILTER…]` | installs what the tests need, builds, runs every tier, ends with the runner's count |
//! | `check` | format, clippy with warnings as errors, layers, tidy rules, documentation |
//! | `tidy` | the part of `check` that compiles nothing: layers, tidy rules, generated documents |
//! | `guest [--kernel SUITE] [PROGRAM…]` | the part of `test` that runs in a virtual machine with pure cgroup v2, or other test programs there; with the kernel of another suite of Debian (`trixie`, `sid`) |
//! | `ci` | `check`, then `test` |
//! | `compatibility` | writes docs/compatibility.md and docs/compose.md anew from their tables |
//! | `compose-cases [CASE…]` | records what stock Compose makes of the cases that ours is compared with |
//! | `differential SOCKET` | sends one list of calls to dockerd and to `cortend`, and compares the answers |
//! | `soak poll [MINUTES] [CONTAINERS]` | events and statistics as dashboards ask for them; fails when the daemon grows |
//! | `soak runs N` | N containers with a network, a volume and a port each, and what is left of them |
//! | `soak rollover [REQUESTS]` | an application is updated under load, again and again: no request fails |
//! | `soak kills [ROUNDS]` | containers that end while they are killed, beside a process that takes their number: no signal meets it |
//! | `soak execs` | ten thousand processes in one container: the memory of daemon and shim stays |
//! | `measure ports\|names\|compose NAME=…` | what published ports add to a start; how fast names are answered; Compose's commands |
//! | `measure durability [ROUNDS]` | what flushing adds to a pull |
//! | `measure registry [CLIENTS [BLOBS]]` | our registry beside docker-registry: throughput and memory |
//! | `powercut [CUTS [DRIVER]]` | cuts the power at every flush of a disk, and between: nothing acknowledged is lost |
//! | `fuzz [SECONDS [TARGET…]]` | what comes from strangers: each target of `fuzz/` for so long |
//! | `build [--release]` | the binaries; with `--release` static, into `target/dist` |
#![forbid(unsafe_code)]

mod api;
mod assets;
mod build;
mod check;
mod compatibility;
mod compose_cases;
mod demo;
mod differential;
mod fuzz;
mod guest;
mod layers;
mod measure;
mod powercut;
mod run;
mod sdks;
mod soak;
mod soak_execs;
mod soak_kills;
mod soak_rollover;
mod soak_runs;
mod test;
mod tidy;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask demo | test [FILTER…] | guest [--kernel SUITE] [PROGRAM…] | check | tidy | ci | compatibility | compose-cases [CASE…] | differential SOCKET | soak poll | soak runs N | soak execs | soak kills [ROUNDS] | soak rollover [REQUESTS] | measure ports|names|compose NAME=… | measure durability | measure registry | powercut [CUTS [DRIVER]] | fuzz [SECONDS [TARGET…]] | build [--release]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    std::env::set_current_dir(run::repository_root())?;
    match command.as_str() {
        "demo" => demo::demo(),
        "test" => test::test(&rest),
        "guest" => {
            let assets = assets::prepare()?;
            guest::test(&assets, &build::debug()?, &guest::Scope::of(&rest))
        }
        "check" => check::check(),
        "soak" if rest.first().is_some_and(|it| it == "execs") => soak_execs::soak(&rest[1..]),
        "soak" if rest.first().is_some_and(|it| it == "kills") => soak_kills::soak(&rest[1..]),
        "soak" if rest.first().is_some_and(|it| it == "rollover") => {
            soak_rollover::soak(&rest[1..])
        }
        "tidy" => check::quick(),
        "compose-cases" => compose_cases::record(&rest),
        "fuzz" => fuzz::fuzz(&rest),
        "powercut" => powercut::powercut(&rest),
        "compatibility" => compatibility::write(),
        "differential" => differential::differential(&rest),
        "soak" if rest.first().is_some_and(|it| it == "runs") => soak_runs::soak(&rest),
        "soak" => soak::soak(&rest),
        "ci" => check::check().and_then(|()| test::test(&[])),
        "measure" => measure::measure(&rest),
        "build" if rest == ["--release"] => build::release().map(|_| ()),
        "build" if rest.is_empty() => build::debug().map(|_| ()),
        _ => bail!("{USAGE}"),
    }
}
