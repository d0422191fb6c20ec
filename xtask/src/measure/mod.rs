//! `cargo xtask measure …`: figures that need more than a client's command and a clock.
//!
//! | call | what it tells |
//! |---|---|
//! | `measure ports ENGINE… [N]` | what publishing 32 ports adds to a start, with and without N other containers that publish as many |
//! | `measure names ENGINE…` | how long the name server takes, asked 5,000 times a second for 100 containers |
//! | `measure compose NAME=COMMAND…` | up, up again, ps and down of ten services, config of a hundred |
//! | `measure build ENGINE… [ROUNDS]` | a build of ten processes cold and cached with 2,000 and 20,000 files, by buildx and by the classic request; two stages beside each other and one after the other |
//! | `measure durability [ROUNDS]` | a pull whose flushes count beside one whose flushes do nothing |
//! | `measure registry [CLIENTS [BLOBS]]` | requests and bytes a second of our registry beside docker-registry, and their memory |
//!
//! `COMMAND` is what stands before Compose's own words, its socket in the environment or in
//! flags. `ENGINE` is `NAME=SOCKET`; it has the image `busybox` and sees this process's files.
//! Engines take turns. What was made is removed.

mod build;
mod compose;
mod durability;
mod names;
mod ports;
mod registry;

use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const USAGE: &str = "usage: cargo xtask measure ports NAME=SOCKET… [CONTAINERS] | measure names NAME=SOCKET… | measure build NAME=SOCKET… [ROUNDS] | measure compose NAME=COMMAND… | measure durability [ROUNDS] | measure registry [CLIENTS [BLOBS]]";

/// An engine under measurement.
struct Peer {
    name: String,
    socket: PathBuf,
}

/// Takes the figures that the words name, and prints them.
pub fn measure(words: &[String]) -> Result<()> {
    let [what, rest @ ..] = words else {
        bail!(USAGE);
    };
    if what == "compose" {
        return compose::measure(&rest.iter().collect::<Vec<_>>());
    }
    if what == "durability" {
        return durability::measure(rest);
    }
    if what == "registry" {
        return registry::measure(rest);
    }
    if what == "ask" {
        return names::ask(rest);
    }
    let (engines, numbers): (Vec<&String>, _) = rest.iter().partition(|word| word.contains('='));
    let peers = engines.into_iter().map(|word| {
        let (name, socket) = word.split_once('=').context(USAGE)?;
        Ok(Peer {
            name: name.to_owned(),
            socket: socket.into(),
        })
    });
    let peers: Vec<Peer> = peers.collect::<Result<_>>()?;
    match (what.as_str(), numbers.as_slice()) {
        ("ports", []) => ports::measure(&peers, 0),
        ("ports", [number]) => ports::measure(&peers, number.parse().context(USAGE)?),
        ("build", []) => build::measure(&peers, build::ROUNDS),
        ("build", [rounds]) => build::measure(&peers, rounds.parse().context(USAGE)?),
        ("names", []) => names::measure(&peers),
        _ => bail!(USAGE),
    }
}
