//! Names that two engines on one host must not share: the bridge and the firewall's table.
//!
//! A claim is a locked file in a directory of root's, named for the network namespace as
//! bridges and tables are of one, and is gone with its process however that ends. (Abstract
//! sockets live in the namespace themselves, but every user may take them beforehand.)

use rustix::{
    fs::{
        AtFlags, Dir, FlockOperation, Mode, OFlags, flock, fstat, mkdir, open, openat, stat,
        statat, unlinkat,
    },
    io::Errno,
};
use std::os::fd::{AsFd, OwnedFd};

/// How many engines may share a host.
const ENGINES_MAX: u32 = 16;
/// Where claims are; the next start of the host begins with none.
const DIRECTORY: &str = "/run/corten-claims";
/// Bits that would let others change what is in there.
const FOREIGN: u32 = 0o077;

/// A name that is ours as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub name: String,
    directory: OwnedFd,
    file: String,
    _lock: OwnedFd,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One that stays is removed by whoever claims something next.
        let _ = unlinkat(&self.directory, &self.file, AtFlags::empty());
    }
}

impl Claim {
    /// Claims, among the names of one kind of thing, the first that no running engine has and `is_free` says yes to: `first`,
    /// else `further` followed by a number.
    pub fn first_free<E>(
        kind: &str,
        first: &str,
        further: &str,
        mut is_free: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<Option<Self>, E> {
        let others = (0..ENGINES_MAX).map(|number| format!("{further}{number}"));
        for name in std::iter::once(first.to_owned()).chain(others) {
            let claim = Self::take(kind, &name).unwrap_or_else(|error| {
                tracing::warn!(name, directory = DIRECTORY, %error, "claiming a name");
                None
            });
            if let Some(claim) = claim
                && is_free(&name)?
            {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// `None`: another process has it.
    fn take(kind: &str, name: &str) -> Result<Option<Self>, Errno> {
        let directory = directory()?;
        let namespace = stat("/proc/thread-self/ns/net")?.st_ino;
        let file = format!("{namespace}-{kind}-{name}");
        remove_left(&directory);
        Ok(lock(&directory, &file)?.map(|lock| Self {
            name: name.to_owned(),
            directory,
            file,
            _lock: lock,
        }))
    }
}

/// The directory, which is root's alone.
fn directory() -> Result<OwnedFd, Errno> {
    match mkdir(DIRECTORY, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = open(DIRECTORY, flags, Mode::empty())?;
    let found = fstat(&directory)?;
    match found.st_uid == 0 && found.st_mode & FOREIGN == 0 {
        true => Ok(directory),
        false => Err(Errno::PERM),
    }
}

/// The file's lock, while it has this name; `None`: somebody else has it.
fn lock(directory: impl AsFd, file: &str) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    loop {
        let opened = openat(&directory, file, flags, Mode::RUSR | Mode::WUSR)?;
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            result => result?,
        }
        // Whoever had it may have removed it between the two.
        match statat(&directory, file, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) if named.st_ino == fstat(&opened)?.st_ino => return Ok(Some(opened)),
            Ok(_) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what processes left that were killed.
fn remove_left(directory: &OwnedFd) {
    let Ok(entries) = Dir::read_from(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if let Ok(file) = entry.file_name().to_str()
            && !file.starts_with('.')
            && let Ok(Some(_lock)) = lock(directory, file)
        {
            let _ = unlinkat(directory, file, AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(_: &str) -> Result<bool, Errno> {
        Ok(true)
    }

    #[test]
    fn a_name_has_one_owner_and_is_free_again_when_that_is_gone() {
        let kind = format!("test-{}", std::process::id());
        let claim = || {
            Claim::first_free(&kind, "one", "more", free)
                .unwrap()
                .unwrap()
        };
        let (first, second) = (claim(), claim());
        assert_eq!((&*first.name, &*second.name), ("one", "more0"));
        drop(first);
        assert_eq!(claim().name, "one");
        // A process that was killed leaves its file behind.
        let left = format!("{DIRECTORY}/1-{kind}-left");
        std::fs::write(&left, "").unwrap();
        drop(claim());
        assert!(!std::path::Path::new(&left).exists());
        assert_eq!(claim().name, "one");
    }

    #[test]
    fn every_name_may_be_taken() {
        let kind = format!("all-{}", std::process::id());
        let claim = || Claim::first_free(&kind, "one", "more", free).unwrap();
        let all: Vec<Claim> = std::iter::from_fn(claim).collect();
        assert_eq!(all.len(), 1 + ENGINES_MAX as usize);
    }
}
