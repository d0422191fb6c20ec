//! Namespaces made in advance: making one is half of what a container's network costs.
//!
//! A few stand ready, with nothing but a loopback interface in them. They are held by this
//! process alone and are gone with it.

use corten_netlink::{NetlinkError, Netns};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// How many stand ready.
const READY: usize = 4;
/// After one was taken, the kernel's network lock is left to the container that starts.
const PAUSE: Duration = Duration::from_millis(8);

#[derive(Debug, Default)]
struct State {
    ready: Vec<Netns>,
    stopped: bool,
}

/// The namespaces that stand ready.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    // Lock: the list and the sign to stop; not held while one is made.
    state: Mutex<State>,
    changed: Condvar,
}

impl Pool {
    /// Starts the thread that fills it.
    pub fn start() -> std::io::Result<Arc<Self>> {
        let pool = Arc::new(Self::default());
        let own = Arc::clone(&pool);
        thread::Builder::new()
            .name("corten-net-pool".into())
            .stack_size(256 << 10)
            .spawn(move || own.fill())?;
        Ok(pool)
    }

    /// One of them, or a new one.
    pub fn take(&self) -> Result<Netns, NetlinkError> {
        let taken = self.state().ready.pop();
        self.changed.notify_all();
        taken.map_or_else(Netns::create, Ok)
    }

    /// Ends the thread and lets go of what stands ready.
    pub fn stop(&self) {
        let mut state = self.state();
        state.stopped = true;
        state.ready.clear();
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self) {
        loop {
            let mut state = self.state();
            while state.ready.len() >= READY && !state.stopped {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            // Taking does not shorten the pause, the end does.
            let pause = self
                .changed
                .wait_timeout_while(state, PAUSE, |state| !state.stopped);
            let (state, _) = pause.unwrap_or_else(PoisonError::into_inner);
            if state.stopped {
                return;
            }
            drop(state);
            match Netns::create() {
                Ok(netns) => {
                    let mut state = self.state();
                    if !state.stopped {
                        state.ready.push(netns);
                    }
                }
                Err(error) => {
                    // Whoever needs one is told by its own attempt.
                    tracing::warn!(error = %error, "making a namespace in advance");
                    return;
                }
            }
        }
    }
}
