//! Copies of the calling process in new namespaces, clone3(2).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// clone3's CLONE_INTO_CGROUP (Linux 5.7), wider than `libc`'s flags.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What kind of copy [`spawn`] makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// CLONE_NEW… flags of the namespaces that the child gets new.
    pub namespaces: u32,
    /// The cgroup v2 directory in which the child is born.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Whether the child becomes the caller's sibling (CLONE_PARENT): the caller's
    /// parent reaps it.
    pub sibling: bool,
}

/// A child process.
#[derive(Debug)]
pub struct Child {
    /// As the caller's pid namespace numbers it.
    pub pid: i32,
    /// Readable when the child has ended; for waitid(P_PIDFD) and pidfd_send_signal.
    pub pidfd: OwnedFd,
}

/// Runs `work` in a copy of the calling process, which exits with the value of `work`.
///
/// The memory is copied on write, no handler or destructor of the caller runs in the
/// child beyond `work` (a panic there is exit status 101).
///
/// The caller must be a process of one thread, or at least no other thread may hold a
/// lock that `work` needs (the allocator's among them).
///
/// # Errors
/// Those of clone3(2), such as EPERM, EAGAIN (process limit) and EUSERS.
pub fn spawn(options: Options<'_>, work: impl FnOnce() -> i32) -> io::Result<Child> {
    let mut pidfd: libc::c_int = -1;
    let flags = u64::from(options.namespaces)
        | libc::CLONE_PIDFD as u64
        | if options.sibling {
            libc::CLONE_PARENT as u64
        } else {
            0
        }
        | if options.cgroup.is_some() {
            CLONE_INTO_CGROUP
        } else {
            0
        };
    // CLONE_PARENT takes over the exit signal of the caller; clone3 wants it zero then.
    let exit_signal = if options.sibling {
        0
    } else {
        libc::SIGCHLD as u64
    };
    let arguments = [
        flags,
        &raw mut pidfd as u64,
        0,           // child_tid
        0,           // parent_tid
        exit_signal, // exit_signal
        0,           // stack
        0,           // stack_size
        0,           // tls
        0,           // set_tid
        0,           // set_tid_size
        options.cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
    ];
    // SAFETY: `arguments` has the layout of struct clone_args (eleven u64) and lives
    // over the call; without CLONE_VM the child has its own copy of this stack and
    // memory; `pidfd` is written by the kernel in the parent only.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            arguments.as_ptr(),
            std::mem::size_of_val(&arguments),
        )
    };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            exit_now(status)
        }
        pid => {
            // SAFETY: the kernel has just put a new descriptor there, which nobody
            // else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Child {
                pid: pid as i32,
                pidfd,
            })
        }
    }
}

/// As [`spawn`] without anything new, by fork(2): for a process inside a container, whose
/// system call filter answers clone3 with ENOSYS. Returns the child's process ID.
///
/// # Errors
/// Those of fork(2), such as EAGAIN (process limit).
pub fn fork(work: impl FnOnce() -> i32) -> io::Result<i32> {
    // SAFETY: the caller has one thread, as spawn asks; the child only runs `work`.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => exit_now(catch_unwind(AssertUnwindSafe(work)).unwrap_or(101)),
        pid => Ok(pid),
    }
}

/// Ends the process at once: no destructors, no exit handlers.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no precondition.
    unsafe { libc::_exit(status) }
}
