//! What is done before the power goes, and how it is seen that it was done.

use super::machine::{Daemon, Machine};
use anyhow::{Result, ensure};

/// An operation as our client is told it, and what then is there or no longer there.
struct Operation {
    words: &'static str,
    /// Words that succeed if and only if it was done.
    seen: &'static str,
    /// It removes: then `seen` fails if and only if it was done.
    removes: bool,
}

const fn makes(words: &'static str, seen: &'static str) -> Operation {
    Operation {
        words,
        seen,
        removes: false,
    }
}

const fn removes(words: &'static str, seen: &'static str) -> Operation {
    Operation {
        words,
        seen,
        removes: true,
    }
}

/// `LOAD` stands for the directory of the test images.
const OPERATIONS: &[Operation] = &[
    makes(
        "load -q -i LOAD/busybox.tar",
        "image inspect busybox:latest",
    ),
    makes("volume create data", "volume inspect data"),
    makes("pull -q hello-world", "image inspect hello-world:latest"),
    makes(
        "network create --driver bridge inner",
        "network inspect inner",
    ),
    makes(
        "create --name box -v data:/data busybox true",
        "container inspect box",
    ),
    makes("tag busybox kept:1", "image inspect kept:1"),
    makes("pull -q alpine", "image inspect alpine:latest"),
    makes("rename box renamed", "container inspect renamed"),
    makes("commit renamed made:1", "image inspect made:1"),
    removes("rmi hello-world", "image inspect hello-world:latest"),
    makes("volume create --label a=b other", "volume inspect other"),
    makes("pull -q debian", "image inspect debian:latest"),
    removes("volume rm other", "volume inspect other"),
    removes("rmi kept:1", "image inspect kept:1"),
    removes("network rm inner", "network inspect inner"),
    makes("create --name last debian true", "container inspect last"),
    removes("rm renamed", "container inspect renamed"),
];

/// An operation that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Its place in the list.
    number: usize,
    /// Events of the disk when it began.
    pub began: usize,
    /// Events of the disk when it was acknowledged.
    pub position: usize,
}

/// The operations, with a daemon to do them.
pub struct Workload<'a> {
    machine: &'a Machine,
    daemon: &'a Daemon,
}

impl<'a> Workload<'a> {
    pub fn new(machine: &'a Machine, daemon: &'a Daemon) -> Self {
        Self { machine, daemon }
    }

    /// Does all; `position` tells how far the disk has come.
    pub fn run(&self, position: impl Fn() -> usize) -> Result<Vec<Done>> {
        let images = std::env::var("CORTEN_TEST_IMAGES")
            .unwrap_or_else(|_| "/var/cache/corten-test/images".to_owned());
        let mut done = Vec::new();
        for (number, operation) in OPERATIONS.iter().enumerate() {
            let words = operation.words.replace("LOAD", &images);
            let words: Vec<&str> = words.split(' ').collect();
            let began = position();
            let ran = self.machine.corten(self.daemon, &words);
            ensure!(ran.code == 0, "{}: {}", operation.words, ran.stderr);
            done.push(Done {
                number,
                began,
                position: position(),
            });
            ensure!(
                is_done(self.machine, self.daemon, operation),
                "{} was acknowledged and is not seen",
                operation.words
            );
        }
        Ok(done)
    }
}

fn is_done(machine: &Machine, daemon: &Daemon, operation: &Operation) -> bool {
    let words: Vec<&str> = operation.seen.split(' ').collect();
    (machine.corten(daemon, &words).code == 0) != operation.removes
}

/// Everything acknowledged is done still, but for what a later operation, maybe the one on
/// its way, has undone.
pub fn check(
    machine: &Machine,
    daemon: &Daemon,
    acknowledged: &[&Done],
    on_its_way: Option<&Done>,
) -> Result<()> {
    for done in acknowledged {
        let operation = &OPERATIONS[done.number];
        let later = acknowledged.iter().copied().chain(on_its_way);
        let undone = later
            .filter(|later| later.number > done.number)
            .any(|later| OPERATIONS[later.number].undoes(operation));
        ensure!(
            undone || is_done(machine, daemon, operation),
            "{:?} was acknowledged and is not there",
            operation.words
        );
    }
    Ok(())
}

impl Operation {
    /// Whether what the other one made is gone, or bears another name, after this one.
    fn undoes(&self, other: &Operation) -> bool {
        (self.removes && self.seen == other.seen)
            || (self.words == "rename box renamed" && other.seen == "container inspect box")
    }
}
