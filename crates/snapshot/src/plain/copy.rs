//! A layer in overlay's form copied onto a tree, as overlay would show it.

use crate::{Error, Result, error::On};
use rustix::{
    fs::{
        self as sys, AtFlags, CWD, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags,
    },
    io::Errno,
};
use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::ErrorKind,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// Puts the layer at `from` on top of the tree at `to`, which nobody else uses yet.
pub(super) fn layer(from: &Path, to: &Path) -> Result<()> {
    let mut links = HashMap::new();
    // Directories get their times last; what is in them was made before.
    let mut ahead = vec![PathBuf::new()];
    let mut directories = Vec::new();
    while let Some(inside) = ahead.pop() {
        let source = from.join(&inside);
        for entry in fs::read_dir(&source).on("reading", &source)? {
            let inside = inside.join(entry.on("reading", &source)?.file_name());
            let stat = stat(&from.join(&inside))?;
            if entry_of(&from.join(&inside), &to.join(&inside), &stat, &mut links)? {
                ahead.push(inside.clone());
                directories.push((inside, stat));
            }
        }
    }
    for (inside, stat) in directories.into_iter().rev() {
        times(&to.join(&inside), &stat)?;
    }
    Ok(())
}

/// Copies one entry; true for a directory, whose entries are still to be copied.
fn entry_of(
    from: &Path,
    to: &Path,
    stat: &Stat,
    links: &mut HashMap<(u64, u64), PathBuf>,
) -> Result<bool> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::Directory {
        if is_opaque(from)? || !to.symlink_metadata().is_ok_and(|there| there.is_dir()) {
            remove(to)?;
            fs::create_dir(to).on("creating", to)?;
        }
        attributes(from, to, stat)?;
        return Ok(true);
    }
    remove(to)?;
    if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
        return Ok(false);
    }
    if stat.st_nlink > 1 {
        if let Some(first) = links.get(&(stat.st_dev, stat.st_ino)) {
            fs::hard_link(first, to).on("linking", to)?;
            return Ok(false);
        }
        links.insert((stat.st_dev, stat.st_ino), to.into());
    }
    match kind {
        FileType::RegularFile => fs::copy(from, to).map(drop).on("copying", from)?,
        FileType::Symlink => {
            let target = fs::read_link(from).on("reading the link", from)?;
            std::os::unix::fs::symlink(target, to).on("creating", to)?;
        }
        kind => {
            let mode = Mode::from_raw_mode(stat.st_mode & 0o777);
            sys::mknodat(CWD, to, kind, mode, stat.st_rdev).on("creating", to)?;
        }
    }
    attributes(from, to, stat)?;
    times(to, stat)?;
    Ok(false)
}

fn stat(path: &Path) -> Result<Stat> {
    sys::lstat(path).on("looking at", path)
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.symlink_metadata() {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.on("removing", path)
}

fn is_opaque(path: &Path) -> Result<bool> {
    let mut value = [0; 1];
    match sys::lgetxattr(path, "trusted.overlay.opaque", &mut value[..]) {
        Ok(length) => Ok(length == 1 && value == *b"y"),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => Ok(false),
        Err(error) => Err(error).on("reading the attributes of", path),
    }
}

/// Owner, extended attributes and mode, in the order in which none undoes another.
fn attributes(from: &Path, to: &Path, stat: &Stat) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    sys::chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .on("setting the owner of", to)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        sys::chmod(to, mode).on("setting the mode of", to)?;
    }
    for name in attribute_names(from)? {
        if name.as_encoded_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        // XATTR_SIZE_MAX
        let mut value = vec![0; 64 << 10];
        let length =
            sys::lgetxattr(from, &name, &mut value[..]).on("reading the attributes of", from)?;
        match sys::lsetxattr(to, &name, &value[..length], XattrFlags::empty()) {
            Err(Errno::NOTSUP | Errno::PERM) => {}
            other => other.on("setting the attributes of", to)?,
        }
    }
    Ok(())
}

fn attribute_names(path: &Path) -> Result<Vec<OsString>, Error> {
    // XATTR_LIST_MAX
    let mut names = vec![0; 64 << 10];
    let length = match sys::llistxattr(path, &mut names[..]) {
        Err(Errno::NOTSUP) => 0,
        other => other.on("reading the attributes of", path)?,
    };
    let names = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect())
}

fn times(path: &Path, stat: &Stat) -> Result<()> {
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: stat.st_atime,
            tv_nsec: stat.st_atime_nsec as _,
        },
        last_modification: Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: stat.st_mtime_nsec as _,
        },
    };
    sys::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).on("setting the times of", path)
}
