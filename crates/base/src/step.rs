//! Named steps, at which a test kills or halts the process.
//!
//! An operation calls [`step`] before and after each of its effects outside the process:
//! `step("start.cgroup")` is reached with the effect before it done and the one behind it
//! not. Names are `<operation or room>.<what comes next>`; `….done` is the end.
//!
//! In a release build nothing of this is left. In a debug build nothing happens either,
//! unless [`VARIABLE`] names a directory, where then
//!
//! - `passed` gets a line with each step's name, of every process of the engine, in order;
//! - `kill`, a file that a test writes while the engine runs, holds `NAME` or `NAME N`:
//!   the process that reaches that step for the Nth time since then removes the file and
//!   ends by SIGKILL, before anything else is done;
//! - `halt`, a file like it with a `NAME`: the process removes it, writes its PID into
//!   `halted` and stands still, by SIGSTOP, until somebody sends SIGCONT. What happens
//!   elsewhere at that moment is the test's to choose.

/// The environment variable with the directory.
pub const VARIABLE: &str = "CORTEN_STEPS";

/// The file with the names of the steps passed.
pub const PASSED: &str = "passed";

/// The file that names the step to die at.
pub const KILL: &str = "kill";

/// The file that names the step to stand still at.
pub const HALT: &str = "halt";

/// The file with the PID of the process that stands still.
pub const HALTED: &str = "halted";

/// Marks a place between two effects.
#[inline(always)]
pub fn step(name: &'static str) {
    #[cfg(debug_assertions)]
    watched::pass(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// What a process of the engine with an environment of its own needs to have its steps
/// counted, too; nothing in a release build.
pub fn environment() -> Option<(&'static str, std::ffi::OsString)> {
    #[cfg(debug_assertions)]
    return std::env::var_os(VARIABLE).map(|directory| (VARIABLE, directory));
    #[cfg(not(debug_assertions))]
    None
}

#[cfg(debug_assertions)]
mod watched {
    use super::{HALT, HALTED, KILL, PASSED, VARIABLE};
    use rustix::process::{Signal, getpid, kill_process};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, OnceLock, PoisonError};

    static DIRECTORY: OnceLock<Option<PathBuf>> = OnceLock::new();

    /// What was asked for last, and how often its step has been reached since.
    static SEEN: Mutex<(String, u32)> = Mutex::new((String::new(), 0));

    pub(super) fn pass(name: &str) {
        let directory = DIRECTORY.get_or_init(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        if let Some(directory) = directory {
            // A test that removed the directory has no more questions.
            let _noted = note(directory, name).is_ok();
            if asked_to_die(directory, name) {
                let _gone = std::fs::remove_file(directory.join(KILL)).is_ok();
                let _never_returns = kill_process(getpid(), Signal::KILL);
            }
            let halt = directory.join(HALT);
            if std::fs::read(&halt).is_ok_and(|asked| asked == name.as_bytes()) {
                let _gone = std::fs::remove_file(halt).is_ok();
                let pid = std::process::id().to_string();
                let _told = std::fs::write(directory.join(HALTED), pid).is_ok();
                let _goes_on = kill_process(getpid(), Signal::STOP);
            }
        }
    }

    fn note(directory: &Path, name: &str) -> std::io::Result<()> {
        let mut options = std::fs::File::options();
        let mut passed = options
            .create(true)
            .append(true)
            .open(directory.join(PASSED))?;
        passed.write_all(format!("{name}\n").as_bytes())
    }

    fn asked_to_die(directory: &Path, name: &str) -> bool {
        let asked = std::fs::read_to_string(directory.join(KILL)).unwrap_or_default();
        let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.0 != asked {
            *seen = (asked.clone(), 0);
        }
        let (wanted, nth) = asked.trim().split_once(' ').unwrap_or((asked.trim(), "1"));
        if wanted != name {
            return false;
        }
        seen.1 += 1;
        nth.parse() == Ok(seen.1)
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    /// What the test below runs in a process of its own.
    #[test]
    fn three_steps() {
        for name in ["test.one", "test.two", "test.one", "test.done"] {
            step(name);
        }
    }

    #[test]
    fn a_process_dies_at_the_step_that_was_asked_for() {
        let directory = std::env::temp_dir().join(crate::Id::random().to_string());
        std::fs::create_dir(&directory).unwrap();
        let run = || {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output = command
                .args(["--exact", "step::tests::three_steps"])
                .env(VARIABLE, &directory)
                .output();
            let passed = std::fs::read_to_string(directory.join(PASSED)).unwrap();
            std::fs::remove_file(directory.join(PASSED)).unwrap();
            (output.unwrap().status.signal(), passed.replace('\n', " "))
        };
        assert_eq!(
            run(),
            (None, "test.one test.two test.one test.done ".to_owned())
        );
        std::fs::write(directory.join(KILL), "test.one 2").unwrap();
        assert_eq!(run(), (Some(9), "test.one test.two test.one ".to_owned()));
        assert!(!directory.join(KILL).exists(), "it is asked for once");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
