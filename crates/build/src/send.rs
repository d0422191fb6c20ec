//! A directory of this machine told file by file, for a client that brings its own in line:
//! the other side of [`crate::TreeSync`].

use crate::{Error, FileStat, Result, tree};
use corten_oci::{Digest, Hasher};
use corten_sys::root::Root;
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Files of one directory, those below included.
const FILES_MAX: usize = 10_000_000;
/// Directories below each other.
const DEPTH_MAX: usize = 512;

/// Bytes hashed at a time.
const HASHED_BYTES: usize = 256 << 10;

/// A tree that is sent.
pub struct TreeSend {
    root: Root,
    /// Directories before what is in them, names sorted.
    files: Vec<FileStat>,
}

impl TreeSend {
    /// Lists everything below `root`. Blocking.
    ///
    /// # Errors
    /// The file system's; more than it has room for.
    pub fn list(root: OwnedFd) -> Result<Self> {
        let root = Root::new(root);
        let top = root
            .open_file(Path::new("/"), tree::DIRECTORY, Mode::empty())
            .map_err(|error| Error::path("opening", "/", error))?;
        let mut listing = Listing {
            files: Vec::new(),
            linked: HashMap::new(),
        };
        listing.below(&top, Path::new(""), 0)?;
        let files = listing.files;
        Ok(Self { root, files })
    }

    /// The files; their numbers are their places.
    pub fn files(&self) -> &[FileStat] {
        &self.files
    }

    /// The SHA-256 of every regular file, by its path. Blocking.
    ///
    /// # Errors
    /// The file system's.
    pub fn digests(&self) -> Result<Vec<(String, Digest)>> {
        let mut list = Vec::new();
        for (number, stat) in (0u32..).zip(&self.files) {
            let kind = FileType::from_raw_mode(stat.mode);
            if kind != FileType::RegularFile {
                continue;
            }
            // A further name of a file has no content of its own here.
            let first = match stat.link.as_str() {
                "" => None,
                link => list.iter().find(|(path, _)| path == link),
            };
            let digest = match first {
                Some((_, digest)) => Digest::clone(digest),
                None => hashed(self.open(number)?, stat)?,
            };
            list.push((stat.path.clone(), digest));
        }
        Ok(list)
    }

    /// A regular file's content. Blocking.
    ///
    /// # Errors
    /// A number that is no regular file; the file system's.
    pub fn open(&self, number: u32) -> Result<File> {
        let stat = self.files.get(number as usize);
        let stat = stat.filter(|stat| FileType::from_raw_mode(stat.mode) == FileType::RegularFile);
        let stat =
            stat.ok_or_else(|| Error::Invalid(format!("file {number} has nothing to be sent")))?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        self.root
            .open_without_links(Path::new(&stat.path), flags)
            .map(File::from)
            .map_err(|error| Error::path("opening", &stat.path, error))
    }
}

fn hashed(mut file: File, stat: &FileStat) -> Result<Digest> {
    let mut hasher = Hasher::sha256();
    let mut chunk = vec![0; HASHED_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.update(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::path("reading", &stat.path, error)),
        }
    }
}

struct Listing {
    files: Vec<FileStat>,
    /// The first name of files that have several.
    linked: HashMap<(u64, u64), String>,
}

impl Listing {
    fn below(&mut self, directory: &OwnedFd, inside: &Path, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX || self.files.len() > FILES_MAX {
            return Err(Error::Invalid(format!(
                "more than {DEPTH_MAX} directories within each other or {FILES_MAX} files"
            )));
        }
        for name in tree::names(directory.as_fd(), inside)? {
            let path: PathBuf = inside.join(&name);
            let failed = |operation, error: Errno| Error::path(operation, &path, error);
            let stat = fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| failed("looking at", error))?;
            let kind = FileType::from_raw_mode(stat.st_mode);
            // The protocol has names as text.
            let text = path.to_string_lossy().into_owned();
            let link = match kind {
                FileType::Symlink => {
                    let target = fs::readlinkat(directory, &name, Vec::new())
                        .map_err(|error| failed("reading", error))?;
                    target.to_string_lossy().into_owned()
                }
                FileType::Directory => String::new(),
                _ if stat.st_nlink > 1 => {
                    let first = self.linked.entry((stat.st_dev, stat.st_ino));
                    let first = first.or_insert_with(|| text.clone());
                    match *first == text {
                        true => String::new(),
                        false => first.clone(),
                    }
                }
                _ => String::new(),
            };
            self.files.push(FileStat {
                path: text,
                mode: stat.st_mode,
                size: match (kind, link.is_empty()) {
                    (FileType::RegularFile, true) => stat.st_size as u64,
                    _ => 0,
                },
                modified: stat.st_mtime * 1_000_000_000 + stat.st_mtime_nsec as i64,
                link,
                owner: (stat.st_uid, stat.st_gid),
                device: (fs::major(stat.st_rdev), fs::minor(stat.st_rdev)),
            });
            if kind == FileType::Directory {
                let flags = tree::DIRECTORY | OFlags::NOFOLLOW;
                let child = fs::openat(directory, &name, flags, Mode::empty())
                    .map_err(|error| failed("opening", error))?;
                self.below(&child, &path, depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_tree_is_told_in_order_with_its_links() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("b")).unwrap();
        std::fs::write(at("b/x"), "text").unwrap();
        std::fs::hard_link(at("b/x"), at("c")).unwrap();
        symlink("/etc/passwd", at("a")).unwrap();
        let root = std::fs::File::open(directory.path()).unwrap();
        let tree = TreeSend::list(root.into()).unwrap();
        let told: Vec<_> = tree
            .files()
            .iter()
            .filter(|it| it.path != "b")
            .map(|it| (&*it.path, &*it.link, it.size))
            .collect();
        let expected = [("a", "/etc/passwd", 0), ("b/x", "", 4), ("c", "b/x", 0)];
        assert_eq!(told, expected);
        let mut text = String::new();
        std::io::Read::read_to_string(&mut tree.open(2).unwrap(), &mut text).unwrap();
        assert_eq!(text, "text");
        assert!(tree.open(0).is_err() && tree.open(9).is_err());
    }
}
