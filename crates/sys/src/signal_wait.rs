//! Signals taken one by one instead of by handlers, sigwaitinfo(2).

use std::io;
use std::mem::MaybeUninit;

/// The number of SIGCHLD.
pub const CHILD: i32 = libc::SIGCHLD;

/// Whether the signal is the terminal's way to stop a process of the background.
pub fn is_of_the_terminal(number: i32) -> bool {
    matches!(number, libc::SIGTTIN | libc::SIGTTOU)
}

/// Blocks every signal, so that [`next`] receives it.
pub fn block_all() -> io::Result<()> {
    let set = all();
    // SAFETY: the set was filled by sigfillset; a null old set is allowed.
    match unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits for the next signal and returns its number.
///
/// # Errors
/// None in practice: an interruption by a stop and continue is waited out.
pub fn next() -> io::Result<i32> {
    let set = all();
    loop {
        // SAFETY: the set was filled by sigfillset; no information is asked for.
        let number = unsafe { libc::sigwaitinfo(&raw const set, std::ptr::null_mut()) };
        if number > 0 {
            return Ok(number);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn all() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset writes the whole set and cannot fail on a valid pointer.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_waits_to_be_taken() {
        block_all().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        // To this thread alone: other threads of the test runner have not blocked it.
        // SAFETY: plain numbers.
        unsafe {
            libc::syscall(
                libc::SYS_tgkill,
                own,
                libc::syscall(libc::SYS_gettid),
                libc::SIGUSR1,
            )
        };
        assert_eq!(next().unwrap(), libc::SIGUSR1);
        assert!(is_of_the_terminal(libc::SIGTTOU) && !is_of_the_terminal(CHILD));
    }
}
