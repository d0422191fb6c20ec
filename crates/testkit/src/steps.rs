//! The named steps of an engine's operations (`corten_base::step`).

use std::path::PathBuf;

/// An engine that passes no step for so long has nothing more to do.
const QUIET: std::time::Duration = std::time::Duration::from_millis(200);

/// Which steps the processes of an engine have passed, and at which one of them dies.
#[derive(Debug, Clone)]
pub struct Steps {
    directory: PathBuf,
}

impl Steps {
    pub(crate) const VARIABLE: &str = corten_base::step::VARIABLE;

    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The names of the steps passed since the last [`Steps::forget`], in order. Those of
    /// the shims are among them.
    pub fn passed(&self) -> Vec<String> {
        let passed = self.directory.join(corten_base::step::PASSED);
        let passed = std::fs::read_to_string(passed).unwrap_or_default();
        passed.lines().map(str::to_owned).collect()
    }

    /// The same without repetitions and as often as each was passed, in the order of the
    /// first passage: what there is to kill.
    pub fn counted(&self) -> Vec<(String, usize)> {
        let mut counted: Vec<(String, usize)> = Vec::new();
        for name in self.passed() {
            match counted.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => counted.push((name, 1)),
            }
        }
        counted
    }

    /// As [`Steps::counted`], once nothing more is passed for a while.
    #[track_caller]
    pub fn settled(&self) -> Vec<(String, usize)> {
        let (mut last, mut since) = (self.passed().len(), std::time::Instant::now());
        crate::until("the engine is at rest", 20, || {
            let now = self.passed().len();
            if now != last {
                (last, since) = (now, std::time::Instant::now());
            }
            since.elapsed() > QUIET
        });
        self.counted()
    }

    /// Begins a new list.
    pub fn forget(&self) {
        let _absent = std::fs::remove_file(self.directory.join(corten_base::step::PASSED)).is_ok();
    }

    /// The process that reaches the step `name` for the `nth` time from now on (1 is the
    /// next time) kills itself with SIGKILL. Only once.
    pub fn kill_at(&self, name: &str, nth: usize) {
        self.ask(corten_base::step::KILL, &format!("{name} {nth}"));
    }

    /// The process that reaches the step `name` next stands still there until
    /// [`Steps::go_on`]. Only once.
    pub fn halt_at(&self, name: &str) {
        self.ask(corten_base::step::HALT, name);
    }

    /// Waits until a process stands still where [`Steps::halt_at`] asked for it.
    #[track_caller]
    pub fn halted(&self) {
        crate::until("a process stands still", 20, || self.standing().is_some());
    }

    /// The process that stands still goes on.
    #[track_caller]
    pub fn go_on(&self) {
        let pid = self.standing().expect("a process stands still");
        let told = self.directory.join(corten_base::step::HALTED);
        std::fs::remove_file(told).expect("the engine's directory is ours");
        rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("it is ours");
    }

    /// The process that has told its PID and does nothing, proc_pid_stat(5).
    fn standing(&self) -> Option<rustix::process::Pid> {
        let told = self.directory.join(corten_base::step::HALTED);
        let pid: i32 = std::fs::read_to_string(told).ok()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let stands = stat.rsplit_once(')')?.1.trim_start().starts_with('T');
        rustix::process::Pid::from_raw(pid).filter(|_| stands)
    }

    fn ask(&self, file: &str, what: &str) {
        let draft = self.directory.join("draft");
        std::fs::write(&draft, what).expect("the engine's directory is ours");
        std::fs::rename(draft, self.directory.join(file)).expect("the engine's directory is ours");
    }

    /// Takes the order back; whether it had been carried out.
    pub fn killed(&self) -> bool {
        std::fs::remove_file(self.directory.join(corten_base::step::KILL)).is_err()
    }
}
