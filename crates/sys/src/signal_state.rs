//! Signal state that a program must not inherit from its supervisor.

use std::io;
use std::mem::MaybeUninit;

/// Unblocks every signal and gives each one its default action, as a new program
/// expects it (Rust's own start-up ignores SIGPIPE, supervisors block what they read
/// from a signalfd).
pub fn reset() -> io::Result<()> {
    for signal in 1..=64 {
        default_action(signal);
    }
    unblock_all()
}

/// The default action; those that cannot be changed (KILL, STOP and the two that the
/// C library keeps) stay.
fn default_action(signal: i32) {
    // SAFETY: SIG_DFL is no function, nothing of ours is called by it.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn unblock_all() -> io::Result<()> {
    let mut empty = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset only writes the set, which sigprocmask then reads; both
    // pointers are valid for the calls, a null old set is allowed.
    let result = unsafe {
        libc::sigemptyset(empty.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, empty.as_ptr(), std::ptr::null_mut())
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
