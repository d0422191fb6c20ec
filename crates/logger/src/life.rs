//! How long waiting is allowed.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What was read before the shim ended the stream is sent within this time, or lost.
/// dockerd gives its drivers as long when a container ends.
pub const END_LIMIT: Duration = Duration::from_secs(10);

/// Knows whether the shim has ended the stream.
#[derive(Debug)]
pub(crate) struct Life {
    shim: UnixStream,
    ended: Option<Instant>,
}

impl Life {
    pub(crate) fn new(shim: UnixStream) -> Self {
        Self { shim, ended: None }
    }

    /// Whether there is no more time.
    pub(crate) fn is_over(&mut self) -> bool {
        self.look(Duration::ZERO);
        self.ended.is_some_and(|ended| ended.elapsed() >= END_LIMIT)
    }

    /// Waits so long, or less if there is no more time; whether there is.
    pub(crate) fn pause(&mut self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Some(ended) = self.ended else {
                self.look(left);
                if self.ended.is_none() {
                    return true;
                }
                continue;
            };
            let allowed = END_LIMIT.saturating_sub(ended.elapsed());
            // Not waiting for a condition, but the pause that the user configured.
            std::thread::sleep(left.min(allowed)); // poll
            return left <= allowed;
        }
    }

    fn look(&mut self, wait: Duration) {
        if self.ended.is_some() {
            return;
        }
        let wait = Timespec::try_from(wait).unwrap_or_default();
        let mut watched = [PollFd::new(&self.shim, PollFlags::RDHUP)];
        let ended = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        if poll(&mut watched, Some(&wait)).is_ok() && watched[0].revents().intersects(ended) {
            self.ended = Some(Instant::now());
        }
    }
}
