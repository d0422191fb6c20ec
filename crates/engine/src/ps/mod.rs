//! What ps(1) shows, read from /proc: `docker top` takes ps's options, and no program of
//! the host is run for it.
//!
//! ```text
//! "-ef --sort=-pid" ──options──▶ Listing ──rows(pids)──▶ cells, as ps would print them
//!                                 │ columns, selection, order, threads, forest
//!                                 └ process: /proc/PID, /proc/PID/task/TID
//! ```
//!
//! Processes are told apart by their control group, which the caller names: a number that
//! the kernel has given away meanwhile is not read. Knows nothing of containers.

mod columns;
mod forest;
mod layout;
mod options;
mod process;
#[cfg(test)]
mod tests;

use columns::Column;
use process::Process;
use std::cmp::Ordering;

pub(crate) use options::listing;
pub(crate) use process::boot_time;

/// What ps(1) is to show, and in which order.
#[derive(Debug)]
pub(crate) struct Listing {
    columns: Vec<Column>,
    /// Any of them chooses a process; none chooses all.
    selection: Vec<Selector>,
    order: Vec<Order>,
    /// A line for each thread.
    threads: bool,
    tree: Option<Tree>,
}

/// A key of `--sort`.
#[derive(Debug)]
struct Order {
    key: Column,
    falling: bool,
}

/// Which processes are shown.
#[derive(Debug, PartialEq, Eq)]
enum Selector {
    /// `-p`.
    Pid(u32),
    /// `--ppid`.
    Parent(u32),
    /// `-C`: the name of the program.
    Name(String),
    /// `-u`: the effective user.
    User(u32),
    /// `-U`: the real user.
    RealUser(u32),
    /// `-G`: the real group.
    RealGroup(u32),
}

/// Children below their parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tree {
    /// `-H`: indented, of which Docker's cells show nothing.
    Indented,
    /// `--forest`: with branches.
    Drawn,
}

impl Listing {
    /// The headings.
    pub(crate) fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|it| it.title.clone()).collect()
    }

    /// A line for each of the processes (for each of their threads, if these are shown)
    /// that are in the control group with this last name, or in one below it. `boot` is
    /// the time of boot in seconds since 1970.
    pub(crate) fn rows(&self, pids: &[u32], group: &str, boot: i64) -> Vec<Vec<String>> {
        let read = |pid: &u32| match self.threads {
            true => Process::read_threads(*pid, group),
            false => Process::read(*pid, group).into_iter().collect(),
        };
        let mut processes: Vec<Process> = pids
            .iter()
            .flat_map(read)
            .filter(|it| self.chooses(it))
            .collect();
        self.sort(&mut processes, boot);
        if let Some(tree) = self.tree {
            processes = forest::grown(processes, tree == Tree::Drawn);
        }
        let cells = |process| {
            self.columns
                .iter()
                .map(|it| it.show(process, boot))
                .collect()
        };
        processes.iter().map(cells).collect()
    }

    fn chooses(&self, process: &Process) -> bool {
        self.selection.is_empty()
            || self.selection.iter().any(|selector| match selector {
                Selector::Pid(pid) => process.pid == *pid,
                Selector::Parent(pid) => process.parent == *pid,
                Selector::Name(name) => process.name == *name,
                Selector::User(uid) => process.uid == *uid,
                Selector::RealUser(uid) => process.real_uid == *uid,
                Selector::RealGroup(gid) => process.real_gid == *gid,
            })
    }

    /// Puts processes into the order that was asked for; those that are equal stay.
    fn sort(&self, processes: &mut [Process], boot: i64) {
        let number = |text: &str| text.parse::<f64>().ok();
        processes.sort_by(|one, other| {
            let differences = self.order.iter().map(|order| {
                let (one, other) = (order.key.show(one, boot), order.key.show(other, boot));
                let rising = match (number(&one), number(&other)) {
                    (Some(one), Some(other)) => one.total_cmp(&other),
                    _ => one.cmp(&other),
                };
                if order.falling {
                    rising.reverse()
                } else {
                    rising
                }
            });
            differences
                .into_iter()
                .find(|it| it.is_ne())
                .unwrap_or(Ordering::Equal)
        });
    }
}
