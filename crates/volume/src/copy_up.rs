//! The image's files become a new volume's.

use crate::{VolumeError, tree};
use corten_sys::{projects::WithinLimits, root::Root};
use rustix::{
    fs::{
        AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid,
        fchmod, fchown, fgetxattr, flistxattr, fsetxattr, futimens, linkat, mkdirat, mknodat, open,
        openat, openat2, readlinkat, statat, symlinkat, utimensat,
    },
    io::Errno,
};
use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Extended attributes are small; this is the kernel's own limit (xattr(7)).
const XATTR_MAX_BYTES: usize = 64 << 10;

/// Whether `root` has a directory at `path`, so that there is something to copy.
pub fn has_directory(root: BorrowedFd<'_>, path: &Path) -> Result<bool, VolumeError> {
    Ok(source_of(root, path)?.is_some())
}

fn source_of(root: BorrowedFd<'_>, path: &Path) -> Result<Option<OwnedFd>, VolumeError> {
    let own = root.try_clone_to_owned();
    let source = own.and_then(|root| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        Root::new(root).open_file(path, flags, Mode::empty())
    });
    let missing = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP];
    let errno = |error: &io::Error| error.raw_os_error().map(Errno::from_raw_os_error);
    match source {
        Ok(source) => Ok(Some(source)),
        Err(error) if errno(&error).is_some_and(|it| missing.contains(&it)) => Ok(None),
        Err(error) => Err(failed(path, error)),
    }
}

/// Copies what `root` has at `path` into the empty directory `target`, and gives `target`
/// the owner and mode of the directory there. Answers whether anything was done: not when
/// the volume has files already or the image has no directory there.
///
/// `root`: a container's root file system. Links in `path` stay inside of it.
pub fn copy_up(root: BorrowedFd<'_>, path: &Path, target: &Path) -> Result<bool, VolumeError> {
    let Some(source) = source_of(root, path)? else {
        return Ok(false);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(target, flags, Mode::empty()).map_err(|errno| failed(target, errno))?;
    let present = tree::entries(directory.as_fd()).map_err(|errno| failed(target, errno))?;
    if !present.is_empty() {
        return Ok(false);
    }
    let _within = WithinLimits::new();
    copy_entries(source.as_fd(), directory.as_fd()).map_err(|errno| failed(target, errno))?;
    Ok(true)
}

/// Copies everything that is in the directory `source` into `target`, and its owner and mode.
pub(crate) fn copy_tree(source: &Path, target: &Path) -> Result<(), VolumeError> {
    let open = |path: &Path| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        open(path, flags, Mode::empty()).map_err(|errno| VolumeError::Io {
            operation: "opening",
            path: path.to_owned(),
            source: errno.into(),
        })
    };
    let (from, to) = (open(source)?, open(target)?);
    copy_entries(from.as_fd(), to.as_fd()).map_err(|errno| VolumeError::Io {
        operation: "copying a volume to",
        path: target.to_owned(),
        source: errno.into(),
    })
}

fn copy_entries(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut copy = Copy {
        links: HashMap::new(),
        top: to,
    };
    copy.entries(from, to, PathBuf::new())?;
    let stat = rustix::fs::fstat(from)?;
    metadata(from, to, &stat)
}

fn failed(path: &Path, error: impl Into<io::Error>) -> VolumeError {
    VolumeError::Io {
        operation: "copying the image's files to",
        path: path.to_owned(),
        source: error.into(),
    }
}

struct Copy<'a> {
    /// Files with several names: where the first copy is, below `top`.
    links: HashMap<(u64, u64), PathBuf>,
    top: BorrowedFd<'a>,
}

impl Copy<'_> {
    fn entries(
        &mut self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        path: PathBuf,
    ) -> Result<(), Errno> {
        for (name, is_directory) in tree::entries(from)? {
            let here = path.join(std::ffi::OsStr::new(&*name.to_string_lossy()));
            let stat = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            if is_directory {
                let below = open_entry(from, &name, OFlags::DIRECTORY)?;
                mkdirat(to, &name, Mode::from_bits_retain(0o700))?;
                let made = open_entry(to, &name, OFlags::DIRECTORY)?;
                self.entries(below.as_fd(), made.as_fd(), here)?;
                metadata(below.as_fd(), made.as_fd(), &stat)?;
                continue;
            }
            if stat.st_nlink > 1 {
                if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                    self.link(first, to, &name)?;
                    continue;
                }
                self.links.insert((stat.st_dev, stat.st_ino), here);
            }
            file(from, to, &name, &stat)?;
        }
        Ok(())
    }

    /// One more name for a file that was copied before. Whoever has the volume already may
    /// put a link of theirs in the place of a directory on the way: then it is an error, and
    /// no file of the host gets a name in the volume.
    fn link(&self, first: &Path, to: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let first = openat2(self.top, first, flags, Mode::empty(), inside)?;
        // The descriptor's own name leads to what is open, whatever its path is now.
        let open = format!("/proc/self/fd/{}", first.as_raw_fd());
        linkat(CWD, &open, to, name, AtFlags::SYMLINK_FOLLOW)
    }
}

fn file(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> Result<(), Errno> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    match kind {
        FileType::RegularFile => {
            let source = open_entry(from, name, OFlags::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let made = openat(to, name, flags, Mode::from_bits_retain(0o600))?;
            let (mut reader, mut writer) = (File::from(source), File::from(made));
            std::io::copy(&mut reader, &mut writer)
                .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
            return metadata(reader.as_fd(), writer.as_fd(), stat);
        }
        FileType::Symlink => {
            let target = readlinkat(from, name, Vec::new())?;
            symlinkat(&target, to, name)?;
        }
        FileType::CharacterDevice | FileType::BlockDevice | FileType::Fifo | FileType::Socket => {
            mknodat(
                to,
                name,
                kind,
                Mode::from_raw_mode(stat.st_mode),
                stat.st_rdev,
            )?;
        }
        _ => return Ok(()),
    }
    rustix::fs::chownat(
        to,
        name,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    )?;
    utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
}

/// Owner before mode: a change of owner clears the set-user-ID bit (chown(2)).
fn metadata(from: BorrowedFd<'_>, to: BorrowedFd<'_>, stat: &Stat) -> Result<(), Errno> {
    fchown(
        to,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    fchmod(to, Mode::from_raw_mode(stat.st_mode))?;
    attributes(from, to)?;
    futimens(to, &times(stat))
}

fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut names = vec![0; XATTR_MAX_BYTES];
    let length = match flistxattr(from, &mut names[..]) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(()),
        Ok(length) => length,
        Err(errno) => return Err(errno),
    };
    let mut value = vec![0; XATTR_MAX_BYTES];
    for name in names[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        // overlay's own are no facts about the file.
        if name.starts_with(b"trusted.overlay.") {
            continue;
        }
        let Ok(name) = CString::new(name) else {
            continue;
        };
        let length = fgetxattr(from, &name, &mut value[..])?;
        match fsetxattr(to, &name, &value[..length], rustix::fs::XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds: i64, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds as i64,
    };
    Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    }
}

fn open_entry(directory: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    openat(
        directory,
        name,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | flags,
        Mode::empty(),
    )
}
