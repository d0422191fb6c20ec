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

/// The default action, also for the two signals that the C library keeps to itself.
/// KILL and STOP cannot be changed and need not be.
fn default_action(signal: libc::c_int) {
    // The kernel's struct sigaction: SIG_DFL, no flags, no restorer, an empty mask.
    let action = [0_u64; 4];
    let no_old = std::ptr::null_mut::<u64>();
    // SAFETY: the structure is as long as the kernel's on every architecture and is only
    // read; SIG_DFL is no function, so nothing of ours is ever called.
    unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), no_old, 8) };
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
