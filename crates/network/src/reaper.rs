//! Addresses whose link is still there.
//!
//! A container's links go some 15 to 40 ms after its last process, when the kernel takes
//! its namespace down. Until then its address answers on the bridge; handing it out again
//! at once would give two containers one address. So a released address waits here until
//! its link is gone. A link that somebody keeps alive is deleted after a while.

use crate::host::Host;
use corten_base::Id;
use corten_netlink::route::{LinkNews, LinkWatch};
use std::{
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a link may outlive its container before it is deleted.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the thread looks whether it is still needed, while it waits.
const PERIOD: Duration = Duration::from_millis(250);

/// An endpoint's addresses on their way back.
#[derive(Debug, Clone)]
pub(crate) struct Leaving {
    pub network: Id,
    pub addresses: Vec<IpAddr>,
    pub link: u32,
    pub name: String,
}

/// Told when addresses are free.
pub(crate) type OnFree = Box<dyn Fn(&Leaving) + Send>;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    // Lock: the list and the sign to stop; never held across a call to the kernel.
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    leaving: Vec<(Leaving, Instant)>,
    stopped: bool,
}

impl Reaper {
    /// Starts the thread, in the namespace of the calling one.
    pub fn start(host: Arc<Host>, on_free: OnFree) -> Result<Arc<Self>, std::io::Error> {
        let reaper = Arc::new(Self::default());
        let own = Arc::clone(&reaper);
        thread::Builder::new()
            .name("corten-net-reaper".into())
            .stack_size(256 << 10)
            .spawn(move || run(&own, &host, &on_free))?;
        Ok(reaper)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an address over.
    pub fn add(&self, leaving: Leaving) {
        self.state()
            .leaving
            .push((leaving, Instant::now() + PATIENCE));
        self.changed.notify_all();
    }

    /// Ends the thread soon.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until somebody waits; false if it is over.
    fn wait_for_work(&self) -> bool {
        let mut state = self.state();
        while state.leaving.is_empty() && !state.stopped {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        !state.stopped
    }

    /// Waits a while, or until something is handed over.
    fn pause(&self) {
        let state = self.state();
        drop(
            self.changed
                .wait_timeout(state, PERIOD)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    fn is_idle(&self) -> bool {
        let state = self.state();
        state.stopped || state.leaving.is_empty()
    }

    /// Frees those whose link is gone. They are on the list until they are free: who waits
    /// for an address may then have it.
    fn free(&self, gone: impl Fn(u32) -> bool, on_free: &OnFree) {
        let all = self.state().leaving.clone();
        let freed = all.into_iter().filter(|(leaving, _)| gone(leaving.link));
        for (leaving, _) in freed {
            on_free(&leaving);
            let same = |other: &Leaving| other.link == leaving.link && other.name == leaving.name;
            self.state().leaving.retain(|(other, _)| !same(other));
        }
        self.changed.notify_all();
    }

    /// Waits until an address that somebody asks for by name is free, if it is on its way:
    /// a container that is started again wants the one it just had.
    pub fn wait_for(&self, address: IpAddr) {
        let due = Instant::now() + PATIENCE + PERIOD;
        let mut state = self.state();
        let leaves = |state: &State| {
            state
                .leaving
                .iter()
                .any(|(it, _)| it.addresses.contains(&address))
        };
        while leaves(&state) {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn overdue(&self) -> Vec<Leaving> {
        let now = Instant::now();
        let state = self.state();
        state
            .leaving
            .iter()
            .filter(|(_, due)| *due <= now)
            .map(|(l, _)| l.clone())
            .collect()
    }
}

fn run(reaper: &Reaper, host: &Host, on_free: &OnFree) {
    while reaper.wait_for_work() {
        // Open only while somebody waits: every link's news would be queued.
        let mut watch = match LinkWatch::open() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(error = %error, "links are not watched: addresses return late");
                None
            }
        };
        look(reaper, host, on_free);
        while !reaper.is_idle() {
            match watch.as_mut().map(|watch| watch.next(PERIOD)) {
                Some(Ok(LinkNews::Gone(links))) => {
                    reaper.free(|link| links.contains(&link), on_free);
                }
                Some(Ok(LinkNews::Silence | LinkNews::Lost)) => look(reaper, host, on_free),
                Some(Err(_)) | None => {
                    reaper.pause();
                    look(reaper, host, on_free);
                }
            }
        }
    }
}

/// Compares the list with the links that there are.
fn look(reaper: &Reaper, host: &Host, on_free: &OnFree) {
    for leaving in reaper.overdue() {
        if let Err(error) = host.delete_link(&leaving.name) {
            tracing::warn!(link = leaving.name, error = %error, "deleting a link");
        }
    }
    let Ok(links) = host.route().links() else {
        return;
    };
    reaper.free(
        |link| !links.iter().any(|there| there.index == link),
        on_free,
    );
}
