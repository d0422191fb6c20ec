//! Descriptors that the process was started with.

use rustix::io::{FdFlags, fcntl_setfd};
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The first descriptor that a service manager hands over: sd_listen_fds(3).
pub const FIRST: RawFd = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the `count` descriptors from [`FIRST`] on, which a service manager left open, and
/// closes them on exec. Works once in the life of a process, before it has opened any
/// descriptor that could have one of these numbers.
///
/// # Errors
/// `AlreadyExists` the second time; `EBADF` where one of them is not open.
pub fn take(count: u16) -> io::Result<Vec<OwnedFd>> {
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let numbers = FIRST..FIRST + RawFd::from(count);
    for number in numbers.clone() {
        // Asks the kernel before anything owns the number.
        std::fs::symlink_metadata(format!("/proc/self/fd/{number}"))
            .map_err(|_| rustix::io::Errno::BADF)?;
    }
    let mut taken = Vec::new();
    for number in numbers {
        // SAFETY: the descriptor is open, nothing in this process has taken it before, and
        // nothing can a second time.
        let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&descriptor, FdFlags::CLOEXEC)?;
        taken.push(descriptor);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_that_are_not_open_are_refused_and_nothing_is_taken_twice() {
        let refused = take(900).unwrap_err();
        assert_eq!(
            refused.raw_os_error(),
            Some(rustix::io::Errno::BADF.raw_os_error())
        );
        assert_eq!(take(0).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
