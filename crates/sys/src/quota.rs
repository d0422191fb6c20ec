//! Project quotas: directories whose files together take no more than a limit, quotactl(2).
//!
//! A file system with project quotas counts the space of all files that bear the same
//! project ID. A directory that hands its ID on ([`give_project`]) and a limit of that ID
//! ([`set_limit`]) make a limit of the tree. ext4 (features `project` and `quota`, mounted
//! with `prjquota`) and xfs (mounted with `prjquota`) are asked in the same way, by the
//! calls that xfs began. On ext4 processes with CAP_SYS_RESOURCE pass the limits.
//!
//! Needs quotactl_fd, Linux 5.14; before, no file system has quotas for this module.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The bytes of a block in `struct fs_disk_quota`.
const BLOCK_BYTES: u64 = 512;

/// PRJQUOTA of linux/quota.h.
const PROJECTS: u32 = 2;
/// Q_XGETQUOTA of linux/dqblk_xfs.h, and those that follow there.
const GET: u32 = 0x5803;
const SET_LIMITS: u32 = 0x5804;
const GET_STATE: u32 = 0x5805;

/// FS_QUOTA_PDQ_ACCT | FS_QUOTA_PDQ_ENFD: counted and held.
const COUNTED_AND_ENFORCED: u16 = 0x30;
/// FS_DQ_BSOFT | FS_DQ_BHARD
const SPACE_LIMITS: u16 = 0xc;
/// FS_XFLAG_PROJINHERIT: what is made in the directory gets its project.
const INHERIT: u32 = 0x200;

/// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR of linux/fs.h.
const GET_ATTRIBUTES: libc::c_ulong = 0x801c_581f;
const SET_ATTRIBUTES: libc::c_ulong = 0x401c_5820;

/// `struct fsxattr` of linux/fs.h.
#[derive(Default)]
#[repr(C)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_on_write_extent_size: u32,
    padding: [u8; 8],
}

/// `struct fs_disk_quota` of linux/dqblk_xfs.h.
#[derive(Default)]
#[repr(C)]
struct DiskQuota {
    version: i8,
    kind: i8,
    fields: u16,
    project: u32,
    hard_blocks: u64,
    soft_blocks: u64,
    hard_inodes: u64,
    soft_inodes: u64,
    used_blocks: u64,
    used_inodes: u64,
    timers_and_warnings: [u32; 4],
    realtime: [u64; 3],
    realtime_timer: [u32; 2],
    padding: [u8; 8],
}

/// `struct fs_quota_stat` of linux/dqblk_xfs.h.
#[derive(Default)]
#[repr(C)]
struct State {
    version: i8,
    flags: u16,
    padding: i8,
    rest: [u64; 9],
}

/// What a project has and may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// 0: no limit.
    pub limit_bytes: u64,
    /// Space of its files.
    pub used_bytes: u64,
    /// Files and directories.
    pub used_inodes: u64,
}

/// Whether the file system of `directory` counts projects' space and holds their limits;
/// no where the kernel cannot be asked.
pub fn is_enforced(directory: BorrowedFd<'_>) -> bool {
    let mut state = State {
        version: 1,
        ..State::default()
    };
    // SAFETY: `state` has the layout and size of struct fs_quota_stat, which the kernel
    // fills for this command.
    let asked = unsafe { quotactl(directory, GET_STATE, 0, (&raw mut state).cast()) };
    asked.is_ok() && state.flags & COUNTED_AND_ENFORCED == COUNTED_AND_ENFORCED
}

/// The project of a file or directory; 0 where it has none.
///
/// # Errors
/// ENOTTY or EOPNOTSUPP where the file system knows no projects.
pub fn project(file: BorrowedFd<'_>) -> io::Result<u32> {
    Ok(attributes(file)?.project)
}

/// Gives an empty directory to `project`, and everything that is made in it from now on.
///
/// # Errors
/// As [`project()`]; EPERM or EINVAL outside of the first user namespace.
pub fn give_project(directory: BorrowedFd<'_>, project: u32) -> io::Result<()> {
    let mut wanted = attributes(directory)?;
    wanted.project = project;
    wanted.flags |= INHERIT;
    // SAFETY: the kernel reads a struct fsxattr, whose layout and size `wanted` has.
    let result = unsafe {
        libc::ioctl(
            directory.as_raw_fd(),
            SET_ATTRIBUTES as _,
            &raw const wanted,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn attributes(file: BorrowedFd<'_>) -> io::Result<Attributes> {
    let mut found = Attributes::default();
    // SAFETY: the kernel fills a struct fsxattr, whose layout and size `found` has.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), GET_ATTRIBUTES as _, &raw mut found) };
    if result == 0 {
        Ok(found)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What `project` has on the file system of `directory`.
///
/// # Errors
/// ENOSYS, ESRCH and the like without project quotas.
pub fn usage(directory: BorrowedFd<'_>, project: u32) -> io::Result<Usage> {
    let mut quota = DiskQuota::default();
    // SAFETY: `quota` has the layout and size of struct fs_disk_quota, which the kernel
    // fills for this command.
    let asked = unsafe { quotactl(directory, GET, project, (&raw mut quota).cast()) };
    match asked {
        // xfs: nobody has used this project yet.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Usage::default()),
        asked => asked.map(|()| Usage {
            limit_bytes: quota.hard_blocks * BLOCK_BYTES,
            used_bytes: quota.used_blocks * BLOCK_BYTES,
            used_inodes: quota.used_inodes,
        }),
    }
}

/// Limits the space of `project` to `bytes`, rounded up to blocks; 0 takes the limit away.
///
/// # Errors
/// As [`usage`]; EPERM without CAP_SYS_ADMIN.
pub fn set_limit(directory: BorrowedFd<'_>, project: u32, bytes: u64) -> io::Result<()> {
    let blocks = bytes.div_ceil(BLOCK_BYTES);
    let mut quota = DiskQuota {
        version: 1,
        kind: PROJECTS as i8,
        fields: SPACE_LIMITS,
        project,
        hard_blocks: blocks,
        soft_blocks: blocks,
        ..DiskQuota::default()
    };
    // SAFETY: the kernel reads a struct fs_disk_quota, whose layout and size `quota` has.
    unsafe { quotactl(directory, SET_LIMITS, project, (&raw mut quota).cast()) }
}

/// quotactl_fd(2) for projects.
///
/// # Safety
/// `data` points to what `command` reads or fills.
unsafe fn quotactl(
    directory: BorrowedFd<'_>,
    command: u32,
    project: u32,
    data: *mut libc::c_void,
) -> io::Result<()> {
    // SAFETY: the descriptor is open, the other arguments are plain numbers but `data`,
    // for which the caller answers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_quotactl_fd,
            directory.as_raw_fd(),
            command << 8 | PROJECTS,
            project,
            data,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_structures_have_their_size() {
        assert_eq!(size_of::<DiskQuota>(), 112);
        assert_eq!(size_of::<Attributes>(), 28);
        assert_eq!(size_of::<State>(), 80);
    }
}
