//! Sending any signal number, real-time signals included, which `rustix` has no names
//! for.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// SIGHUP
pub const HANGUP: i32 = libc::SIGHUP;
/// SIGINT
pub const INTERRUPT: i32 = libc::SIGINT;
/// SIGTERM
pub const TERMINATE: i32 = libc::SIGTERM;

/// Ignores `signal` from now on. [`crate::signal_state::reset`] undoes it before another
/// program runs.
///
/// # Errors
/// EINVAL for KILL, STOP and numbers that are no signal.
pub fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_IGN is no function, nothing of ours is called by it.
    match unsafe { libc::signal(signal, libc::SIG_IGN) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// kill(2). `signal` 0 only asks whether the process is there.
///
/// # Errors
/// ESRCH without such a process, EINVAL for a number that is no signal, EPERM.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two numbers and touches no memory of this process.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// pidfd_send_signal(2), Linux 5.1: never hits a process that reuses a number.
///
/// # Errors
/// ESRCH when the process has been reaped, EINVAL for a number that is no signal, EPERM.
pub fn pidfd_send_signal(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    let no_information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is borrowed for the call, and a null siginfo is allowed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd,
            signal,
            no_information,
            0_u32,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(kill(own, 0).is_ok());
        assert_eq!(
            kill(own, 1000).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
        let pid = rustix::process::getpid();
        let flags = rustix::process::PidfdFlags::empty();
        let pidfd = rustix::process::pidfd_open(pid, flags).unwrap();
        assert!(pidfd_send_signal(&pidfd, 0).is_ok());
        let error = pidfd_send_signal(&pidfd, 1000).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}
