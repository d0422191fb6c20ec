//! Access to a directory tree whose content an adversary may change at any moment.
//!
//! Every path is resolved by the kernel inside the tree (openat2(2), Linux 5.6): a
//! symbolic link or `..` that leads out leads to the tree's root instead, and a link of
//! `/proc` to a process's descriptors is refused. What is found is used by descriptor.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The root directory of a hostile tree.
#[derive(Debug)]
pub struct Root(OwnedFd);

/// How often a resolution is tried again that a rename or mount elsewhere disturbed
/// (EAGAIN), before it is given up.
const ATTEMPTS: usize = 128;
/// Dangling symbolic links followed by [`Root::create_directories`].
const LINK_LIMIT: usize = 40;

impl Root {
    /// The tree below the directory `path`, which is trusted itself.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// The tree below an open directory, such as a detached mount.
    pub fn new(directory: OwnedFd) -> Self {
        Self(directory)
    }

    /// Opens `path` inside the tree, following symbolic links inside it.
    ///
    /// # Errors
    /// Those of openat2(2); ELOOP for magic links, EAGAIN when the tree does not hold
    /// still for long enough.
    pub fn open_file(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        self.resolve(path, flags, mode, ResolveFlags::empty())
    }

    /// As [`Self::open_file`], and refuses every symbolic link on the way (ELOOP).
    pub fn open_without_links(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        self.resolve(path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
    }

    fn resolve(
        &self,
        path: &Path,
        flags: OFlags,
        mode: Mode,
        more: ResolveFlags,
    ) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        let flags = flags | OFlags::CLOEXEC;
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
        for _ in 0..ATTEMPTS {
            match openat2(&self.0, path, flags, mode, how) {
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
                Ok(file) => return Ok(file),
            }
        }
        self.resolve_by_hand(path, flags, mode, more)
    }

    /// The same, one component after the other and each by its descriptor: `..` goes back to
    /// the directory that was passed, whatever has been renamed since. For trees in which
    /// the kernel never answers, which happens on overlays with links that lead up.
    fn resolve_by_hand(
        &self,
        path: &Path,
        flags: OFlags,
        mode: Mode,
        more: ResolveFlags,
    ) -> io::Result<OwnedFd> {
        let parts = |path: &Path| {
            let parts: Vec<OsString> = path.iter().map(OsStr::to_owned).collect();
            parts.into_iter().rev()
        };
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut passed: Vec<OwnedFd> = Vec::new();
        let mut rest: Vec<OsString> = parts(path).collect();
        let mut links = 0;
        while let Some(part) = rest.pop() {
            let at = passed.last().unwrap_or(&self.0);
            match part.as_bytes() {
                b"/" => {
                    passed.clear();
                    continue;
                }
                b"." => continue,
                b".." => {
                    passed.pop();
                    continue;
                }
                _ => {}
            }
            let last = rest.is_empty();
            let found = match openat(at, &part, look, Mode::empty()) {
                Err(Errno::NOENT) if last && flags.contains(OFlags::CREATE) => None,
                found => Some(found?),
            };
            let kind = match &found {
                Some(found) => FileType::from_raw_mode(rustix::fs::fstat(found)?.st_mode),
                None => FileType::Unknown,
            };
            match found {
                Some(found)
                    if kind == FileType::Symlink && !(last && flags.contains(OFlags::NOFOLLOW)) =>
                {
                    links += 1;
                    if more.contains(ResolveFlags::NO_SYMLINKS) || links > LINK_LIMIT {
                        return Err(Errno::LOOP.into());
                    }
                    let target = readlinkat(&found, "", Vec::new())?;
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    rest.extend(parts(&target));
                }
                Some(_) if !last && kind != FileType::Directory => {
                    return Err(Errno::NOTDIR.into());
                }
                Some(found) if !last => passed.push(found),
                _ => return Ok(openat(at, &part, flags | OFlags::NOFOLLOW, mode)?),
            }
        }
        let at = passed.last().unwrap_or(&self.0);
        Ok(openat(at, ".", flags, mode)?)
    }

    /// Opens the directory at `path` (O_PATH) and makes it, and those above it, where
    /// they are missing. Also the target of a dangling symbolic link is made.
    pub fn create_directories(&self, path: &Path, mode: Mode) -> io::Result<OwnedFd> {
        let wanted = OFlags::PATH | OFlags::DIRECTORY;
        let mut path = path.to_path_buf();
        for _ in 0..LINK_LIMIT {
            match self.open_file(&path, wanted, Mode::empty()) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                result => return result,
            }
            match self.create_missing(&path, mode)? {
                Step::Made(directory) => return Ok(directory),
                Step::Link(target) => path = target,
            }
        }
        Err(Errno::LOOP.into())
    }

    /// Walks down from the longest part of `path` that exists.
    fn create_missing(&self, path: &Path, mode: Mode) -> io::Result<Step> {
        let names = names_of(path);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut present = names.len();
        let mut directory = loop {
            present = present.saturating_sub(1);
            let prefix: PathBuf = names[..present].iter().collect();
            match self.open_file(&prefix, flags, Mode::empty()) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) && present > 0 => {}
                result => break result?,
            }
        };
        for (index, name) in names.iter().enumerate().skip(present) {
            // `..` behind what did not exist a moment ago could lead out of the tree.
            if *name == ".." {
                return Err(Errno::INVAL.into());
            }
            match mkdirat(&directory, *name, mode) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            directory = match openat(&directory, *name, flags | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(next) => next,
                Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
                    let Ok(target) = readlinkat(&directory, *name, Vec::new()) else {
                        return Err(error.into());
                    };
                    let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                    let above: PathBuf = names[..index].iter().collect();
                    let below: PathBuf = names[index + 1..].iter().collect();
                    return Ok(Step::Link(above.join(target).join(below)));
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Step::Made(directory))
    }

    /// Opens the file at `path` (O_PATH); where nothing is there, makes an empty regular
    /// file and the directories above it.
    pub fn create_file(&self, path: &Path, mode: Mode) -> io::Result<OwnedFd> {
        match self.open_file(path, OFlags::PATH, Mode::empty()) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            result => return result,
        }
        let (parent, name) = self.parent_of(path, Mode::from_raw_mode(0o755))?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&parent, &name, flags | OFlags::WRONLY, mode) {
            Ok(_) => {}
            // Somebody was faster, or it is a dangling link.
            Err(Errno::EXIST) => return self.open_file(path, OFlags::PATH, Mode::empty()),
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(openat(&parent, &name, flags, Mode::empty())?)
    }

    /// The directory that holds `path`, made where it is missing, and the last name.
    ///
    /// # Errors
    /// EINVAL for a path without a last name (`/`, `..`).
    pub fn parent_of(&self, path: &Path, mode: Mode) -> io::Result<(OwnedFd, OsString)> {
        let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
        let parent = path.parent().unwrap_or(Path::new("/"));
        Ok((self.create_directories(parent, mode)?, name))
    }

    /// Reads the regular file at `path`, at most `limit` bytes of it. Fifos, devices and
    /// directories are refused without being opened for reading or waited for.
    ///
    /// # Errors
    /// EINVAL when it is no regular file, EFBIG when it is longer.
    pub fn read_regular(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        use std::io::Read;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let found = self.open_file(path, OFlags::PATH, Mode::empty())?;
        if rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode)
            != rustix::fs::FileType::RegularFile
        {
            return Err(Errno::INVAL.into());
        }
        let file = self.open_file(path, flags, Mode::empty())?;
        let (checked, opened) = (rustix::fs::fstat(&found)?, rustix::fs::fstat(&file)?);
        if (checked.st_dev, checked.st_ino) != (opened.st_dev, opened.st_ino) {
            return Err(Errno::AGAIN.into());
        }
        let mut bytes = Vec::new();
        std::fs::File::from(file)
            .take(limit + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(Errno::FBIG.into());
        }
        Ok(bytes)
    }

    /// What is at `path`, without following a link in the last step.
    pub fn stat_link(&self, path: &Path) -> io::Result<rustix::fs::Stat> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        let file = self.open_file(path, flags, Mode::empty())?;
        Ok(rustix::fs::statat(&file, c"", AtFlags::EMPTY_PATH)?)
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

enum Step {
    Made(OwnedFd),
    Link(PathBuf),
}

/// The names of `path`, `..` among them.
fn names_of(path: &Path) -> Vec<&OsStr> {
    let components = path.components();
    components
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name),
            Component::ParentDir => Some(OsStr::new("..")),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_resolved_by_hand_is_what_the_kernel_finds() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("real/deep")).unwrap();
        fs::write(tree.join("real/deep/f"), "f").unwrap();
        fs::write(directory.path().join("outside"), "o").unwrap();
        for (link, target) in [
            ("alias", "/real"),
            ("real/self", "../real"),
            ("real/up", "../../.."),
            ("real/file", "deep/f"),
            ("dangling", "/nowhere/x"),
            ("loop", "loop"),
            ("out", "/../../outside"),
        ] {
            symlink(target, tree.join(link)).unwrap();
        }
        let root = Root::open(&tree).unwrap();
        let paths = [
            "/",
            "",
            ".",
            "/..",
            "real",
            "/alias/self",
            "alias/self/deep/f",
            "alias/up/real",
            "/alias/file",
            "/alias/../real/deep",
            "dangling",
            "loop",
            "out",
            "/../outside",
            "real/deep/f/x",
            "nothing",
            "nothing/../real",
            "real/deep/f/..",
        ];
        let directories = OFlags::RDONLY | OFlags::DIRECTORY;
        for path in paths.map(Path::new) {
            for flags in [OFlags::PATH, OFlags::PATH | OFlags::NOFOLLOW, directories] {
                for more in [ResolveFlags::empty(), ResolveFlags::NO_SYMLINKS] {
                    let id = |opened: io::Result<OwnedFd>| match opened {
                        Ok(file) => {
                            let stat = rustix::fs::fstat(&file).unwrap();
                            Ok((stat.st_dev, stat.st_ino))
                        }
                        Err(error) => Err(error.raw_os_error()),
                    };
                    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | more;
                    let wanted = if path.as_os_str().is_empty() {
                        Path::new("/")
                    } else {
                        path
                    };
                    let flags = flags | OFlags::CLOEXEC;
                    let kernels = openat2(&root.0, wanted, flags, Mode::empty(), how);
                    let ours = root.resolve_by_hand(wanted, flags, Mode::empty(), more);
                    let (ours, kernels) = (id(ours), id(kernels.map_err(io::Error::from)));
                    assert_eq!(ours, kernels, "{path:?} {flags:?} {more:?}");
                }
            }
        }
    }
}
