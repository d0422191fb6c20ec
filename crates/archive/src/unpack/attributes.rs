//! Owner, mode, times and extended attributes, set through descriptors.

use super::Unpacker;
use crate::{
    Error, Owners, Result,
    tar::{Entry, Time},
    tree::DIRECTORY,
};
use rustix::{
    fs::{self, AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags},
    io::Errno,
};
use std::{
    borrow::Cow,
    os::fd::{AsFd, AsRawFd},
    path::PathBuf,
};

/// What a directory gets last.
pub(crate) struct Last {
    times: Timestamps,
    /// New files in it would inherit it.
    default_acl: Option<Vec<u8>>,
}

const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// Sets owner and group.
pub(crate) fn chown(file: impl AsFd, uid: u32, gid: u32) -> Result<(), Errno> {
    let (uid, gid) = owners(uid, gid);
    fs::fchown(file, uid, gid)
}

/// As chown(2) takes them: the highest number leaves what is there.
fn owners(uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
    let told = |id: u32| (id != u32::MAX).then_some(id);
    (told(uid).map(Uid::from_raw), told(gid).map(Gid::from_raw))
}

/// Access is at least as late as modification where the archive does not have it.
pub(crate) fn timestamps(mtime: Time, atime: Option<Time>) -> Timestamps {
    let spec = |time: Time| Timespec {
        tv_sec: time.seconds,
        tv_nsec: time.nanoseconds.into(),
    };
    Timestamps {
        last_access: spec(atime.unwrap_or(mtime)),
        last_modification: spec(mtime),
    }
}

/// overlay's own attributes are never taken from an archive: they would redirect or hide
/// what is not this layer's.
pub(crate) fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// File capabilities, capabilities(7).
pub(crate) const CAPABILITY: &[u8] = b"security.capability";

/// Who an owner that an archive names is on the host.
///
/// # Errors
/// EOVERFLOW: nobody.
pub(super) fn on_host(owners: &Option<Owners>, uid: u32, gid: u32) -> Result<(u32, u32), Errno> {
    match owners {
        Some(owners) => owners.outside(uid, gid).ok_or(Errno::OVERFLOW),
        None => Ok((uid, gid)),
    }
}

impl Unpacker<'_> {
    fn owner_of(&self, entry: &Entry) -> Result<(u32, u32), Errno> {
        let owner = self.rules.owner;
        let (uid, gid) = owner.map_or((entry.uid, entry.gid), |it| (it.uid, it.gid));
        on_host(&self.rules.owners, uid, gid)
    }

    fn value_of<'v>(&self, name: &[u8], value: &'v [u8]) -> Cow<'v, [u8]> {
        match &self.rules.owners {
            Some(owners) if name == CAPABILITY => owners.capability_outside(value).into(),
            _ => value.into(),
        }
    }

    /// Owner and mode, where they differ; changing the owner clears set-user-ID.
    fn owner_and_mode(&self, file: impl AsFd, entry: &Entry) -> Result<(), Errno> {
        let stat = fs::fstat(&file)?;
        let (uid, gid) = self.owner_of(entry)?;
        let foreign = (stat.st_uid, stat.st_gid) != (uid, gid);
        if foreign {
            chown(&file, uid, gid)?;
        }
        if stat.st_mode & 0o7777 != entry.mode || (foreign && entry.mode & 0o6000 != 0) {
            fs::fchmod(&file, Mode::from_raw_mode(entry.mode))?;
        }
        Ok(())
    }

    /// Everything about a regular file, its data being there.
    pub(super) fn file_attributes(&mut self, file: impl AsFd, entry: &Entry) -> Result<(), Errno> {
        self.owner_and_mode(&file, entry)?;
        // After the owner: a change of owner drops capabilities.
        for (name, value) in &entry.xattrs {
            if !is_overlay(name) {
                let value = self.value_of(name, value);
                let set = fs::fsetxattr(&file, &name[..], &value, XattrFlags::empty());
                self.xattr_set(set)?;
            }
        }
        fs::futimens(&file, &timestamps(entry.mtime, entry.atime))
    }

    /// A directory's, except what making files in it would spoil.
    pub(super) fn directory_attributes(
        &mut self,
        directory: impl AsFd,
        entry: &Entry,
        place: PathBuf,
    ) -> Result<()> {
        let mut last = Last {
            times: timestamps(entry.mtime, entry.atime),
            default_acl: None,
        };
        let mut set = || {
            self.owner_and_mode(&directory, entry)?;
            for (name, value) in &entry.xattrs {
                if name == DEFAULT_ACL {
                    last.default_acl = Some(value.clone());
                } else if !is_overlay(name) {
                    let set = fs::fsetxattr(&directory, &name[..], value, XattrFlags::empty());
                    self.xattr_set(set)?;
                }
            }
            Ok(())
        };
        set().map_err(|error: Errno| Error::Path {
            operation: "setting the attributes of",
            path: place.clone(),
            source: error.into(),
        })?;
        self.last.insert(place, last);
        Ok(())
    }

    /// Those of a link, device or pipe, held by a descriptor that only names it (O_PATH).
    pub(super) fn node_attributes(
        &mut self,
        node: impl AsFd,
        entry: &Entry,
        is_link: bool,
    ) -> Result<(), Errno> {
        let stat = fs::fstat(&node)?;
        let (uid, gid) = self.owner_of(entry)?;
        if (stat.st_uid, stat.st_gid) != (uid, gid) {
            let (uid, gid) = owners(uid, gid);
            fs::chownat(&node, "", uid, gid, AtFlags::EMPTY_PATH)?;
        }
        // The descriptor's magic link leads to the very inode, whatever its name is now.
        let magic = format!("/proc/self/fd/{}", node.as_fd().as_raw_fd());
        if !is_link && stat.st_mode & 0o7777 != entry.mode {
            fs::chmod(&magic, Mode::from_raw_mode(entry.mode))?;
        }
        for (name, value) in &entry.xattrs {
            if !is_overlay(name) {
                let set = fs::setxattr(&magic, &name[..], value, XattrFlags::empty());
                self.xattr_set(set)?;
            }
        }
        let times = timestamps(entry.mtime, entry.atime);
        fs::utimensat(&node, "", &times, AtFlags::EMPTY_PATH)
    }

    /// A file system may not take an attribute: counted, as Docker warns and goes on.
    fn xattr_set(&mut self, set: Result<(), Errno>) -> Result<(), Errno> {
        match set {
            Err(Errno::NOTSUP | Errno::PERM) => {
                self.skipped_xattrs += 1;
                Ok(())
            }
            other => other,
        }
    }

    /// Gives the directories their times, now that nothing is made in them any more.
    pub(super) fn finish_directories(&mut self) -> Result<()> {
        for (place, last) in std::mem::take(&mut self.last) {
            let parts: Vec<Vec<u8>> = place
                .iter()
                .map(|part| std::os::unix::ffi::OsStrExt::as_bytes(part).to_vec())
                .collect();
            let there = self.tree.enter(&parts, &mut crate::tree::make_nothing)?;
            // Replaced by a link or a file since, by the archive itself or by somebody else.
            if !there || self.tree.location() != place {
                continue;
            }
            let failed = |error: Errno| Error::Path {
                operation: "setting the times of",
                path: place.clone(),
                source: error.into(),
            };
            let directory = fs::openat(self.tree.here(), ".", DIRECTORY, Mode::empty());
            let directory = directory.map_err(failed)?;
            if let Some(acl) = &last.default_acl {
                let set = fs::fsetxattr(&directory, DEFAULT_ACL, acl, XattrFlags::empty());
                self.xattr_set(set).map_err(failed)?;
            }
            fs::futimens(&directory, &last.times).map_err(failed)?;
        }
        Ok(())
    }

    /// A directory and all in it were removed.
    pub(super) fn forget(&mut self, place: &std::path::Path) {
        self.last.retain(|path, _| !path.starts_with(place));
    }
}
