//! Waiting for a condition, with a deadline and a name.

use std::time::{Duration, Instant};

/// How often a condition is asked again.
const INTERVAL: Duration = Duration::from_millis(5);

/// Asks `condition` until it holds; panics with `what` when `seconds` have passed.
#[track_caller]
pub fn until(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(
            Instant::now() < deadline,
            "waited {seconds} s in vain until {what}"
        );
        std::thread::sleep(INTERVAL); // poll
    }
}
