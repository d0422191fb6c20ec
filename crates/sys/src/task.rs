//! Properties of the calling task: descriptors, keyring, priorities, personality.

use std::ffi::CStr;
use std::io;

/// The former one.
fn filesystem_user(uid: u32) -> libc::c_int {
    // SAFETY: setfsuid takes a plain number and changes the calling thread alone.
    unsafe { libc::setfsuid(uid) }
}

/// The former one.
fn filesystem_group(gid: u32) -> libc::c_int {
    // SAFETY: setfsgid takes a plain number and changes the calling thread alone.
    unsafe { libc::setfsgid(gid) }
}

/// Makes what this thread creates in file systems belong to `uid` and `gid`, setfsuid(2);
/// it keeps every right it has. For a thread of its own, which ends afterwards.
///
/// # Errors
/// EPERM where the kernel has not taken the numbers, or the rights are not to be kept.
pub fn own_new_files_as(uid: u32, gid: u32) -> io::Result<()> {
    filesystem_group(gid);
    filesystem_user(uid);
    // Neither call says whether it was refused; the next one tells what is set.
    let set = (filesystem_user(uid), filesystem_group(gid));
    if set != (uid as libc::c_int, gid as libc::c_int) {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // Who is not root any more has lost the effective rights over files.
    let held = rustix::thread::capabilities(None)?;
    let all = rustix::thread::CapabilitySets {
        effective: held.permitted,
        ..held
    };
    Ok(rustix::thread::set_capabilities(None, all)?)
}

/// Marks every descriptor from `first` on to be closed at the next execve,
/// close_range(2) (Linux 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: the call takes plain numbers and, with this flag, closes nothing now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) })
}

/// Joins a new session keyring named `name`, keyctl(2).
///
/// # Errors
/// ENOSYS without key management, EDQUOT when the user's quota is used up.
pub fn join_session_keyring(name: &CStr) -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_ulong = 1;
    // SAFETY: the name ends with NUL and is only read during the call.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) })
}

/// Leaves the caller's session keyring for a new one without a name, keyctl(2).
///
/// # Errors
/// As [`join_session_keyring`].
pub fn new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_ulong = 1;
    let no_name = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name is allowed and makes a keyring without one.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, no_name) })
}

/// Sets the calling task's I/O priority, ioprio_set(2). `class` 1 (real time) to 3
/// (idle), `level` 0 (highest) to 7.
pub fn set_io_priority(class: i32, level: i32) -> io::Result<()> {
    const IOPRIO_WHO_PROCESS: libc::c_long = 1;
    // SAFETY: plain numbers; 0 is the calling task.
    check(unsafe {
        libc::syscall(
            libc::SYS_ioprio_set,
            IOPRIO_WHO_PROCESS,
            0,
            (class << 13) | level,
        )
    })
}

/// Scheduling of a task, `struct sched_attr`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Scheduling {
    /// Filled in by [`set_scheduling`].
    pub size: u32,
    /// SCHED_… number.
    pub policy: u32,
    /// SCHED_FLAG_… bits.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Static priority.
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// Sets the calling task's scheduling, sched_setattr(2).
pub fn set_scheduling(mut scheduling: Scheduling) -> io::Result<()> {
    scheduling.size = size_of::<Scheduling>() as u32;
    // SAFETY: the structure has the kernel's layout and states its own size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const scheduling, 0) })
}

/// Sets the execution domain, personality(2).
pub fn set_personality(domain: u32) -> io::Result<()> {
    // SAFETY: a plain number.
    let result = unsafe { libc::personality(domain.into()) };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
