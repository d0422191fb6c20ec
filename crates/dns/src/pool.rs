//! Threads for what has to wait: started when needed, gone when idle.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// How many wait for other servers at the same time; a question takes four seconds at most.
const THREADS_MAX: usize = 128;
/// How many more may stand in line; Docker 28 refuses above 1024 altogether.
const WAITING_MAX: usize = 1024;
/// A thread without work ends.
const IDLE: Duration = Duration::from_secs(10);
/// Questions need a buffer for one message and little else.
const STACK_BYTES: usize = 256 << 10;

type Job = Box<dyn FnOnce() + Send>;

/// The threads.
#[derive(Default)]
pub(crate) struct Pool {
    // Lock: the line and the counts; not held while a job runs.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    line: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// Has a job done soon; gives it back when too many are in line.
    pub fn run(self: &Arc<Self>, job: Job) -> Result<(), Job> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.line.len() >= WAITING_MAX {
            return Err(job);
        }
        state.line.push_back(job);
        let start = state.idle < state.line.len() && state.threads < THREADS_MAX;
        if start {
            state.threads += 1;
        }
        drop(state);
        self.changed.notify_one();
        if start {
            let pool = Arc::clone(self);
            let started = thread::Builder::new()
                .name("corten-dns-ask".into())
                .stack_size(STACK_BYTES)
                .spawn(move || pool.work());
            if started.is_err() {
                // The others go on; without any, the line is full soon and says so.
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.threads -= 1;
            }
        }
        Ok(())
    }

    fn work(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(job) = state.line.pop_front() {
                drop(state);
                job();
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.idle += 1;
            let waited = self.changed.wait_timeout(state, IDLE);
            let (again, time) = waited.unwrap_or_else(PoisonError::into_inner);
            state = again;
            state.idle -= 1;
            if time.timed_out() && state.line.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}
