//! Processes as the trees that they make.

use super::process::Process;
use std::collections::{BTreeMap, BTreeSet};

/// Children behind their parents; those of one parent, and those whose parent is not among
/// them, keep their order. If `drawn`, each has its branch as Docker's cells show it, where
/// blanks are gone: `\_ `, and a `| ` for each level above that goes on below.
pub(super) fn grown(processes: Vec<Process>, drawn: bool) -> Vec<Process> {
    let pids: BTreeSet<u32> = processes.iter().map(|it| it.pid).collect();
    let mut children: BTreeMap<u32, Vec<Process>> = BTreeMap::new();
    let mut roots = Vec::new();
    for process in processes {
        match pids.contains(&process.parent) {
            true => children.entry(process.parent).or_default().push(process),
            false => roots.push(process),
        }
    }
    // The next one last, with what stands before its own branch.
    let last_first = |siblings: Vec<Process>, before: &str| {
        let siblings = siblings.into_iter().rev().enumerate();
        let with = siblings.map(|(from_the_end, it)| {
            let goes_on = if from_the_end > 0 { "| " } else { "" };
            (it, before.to_owned(), format!("{before}{goes_on}"))
        });
        with.collect::<Vec<_>>()
    };
    let mut open = last_first(roots, "");
    let mut grown = Vec::with_capacity(pids.len());
    while let Some((mut process, before, below)) = open.pop() {
        if drawn {
            process.branch = format!("{before}\\_ ");
        }
        // All threads of a process have its children; these come behind the last of them.
        let last = open.last().is_none_or(|(next, ..)| next.pid != process.pid);
        if let Some(siblings) = last.then(|| children.remove(&process.pid)).flatten() {
            open.extend(last_first(siblings, &below));
        }
        grown.push(process);
    }
    grown
}
