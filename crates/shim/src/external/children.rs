//! The shim's children, among which a runtime may leave more than the process it made: a
//! helper that failed inside the container's pid namespace keeps that from ending until
//! somebody has waited for it.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// All of them, by number. None where the kernel does not list them (proc(5), `children`).
pub(super) fn all() -> Vec<i32> {
    let text = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let numbers = text.split_ascii_whitespace();
    numbers.filter_map(|number| number.parse().ok()).collect()
}

/// Ends and reaps all but those that are `known`.
pub(super) fn end(known: impl Fn(i32) -> bool) {
    for pid in all().into_iter().filter(|&pid| !known(pid)) {
        let Some(pid) = Pid::from_raw(pid) else {
            continue;
        };
        // The number is nobody else's before it has been waited for.
        let _killed = kill_process(pid, Signal::KILL).is_ok();
        let _reaped = waitpid(Some(pid), WaitOptions::empty()).is_ok();
    }
}
