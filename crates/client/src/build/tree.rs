//! A directory of this machine as the engine may see it: without what its patterns leave
//! out, and no more than the paths it asks for.

use corten_buildkit::fsutil::{self, Stat};
use corten_dockerfile::Patterns;
use corten_grpc::Files;
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags},
    io::Errno,
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ffi::OsStr,
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::{Component, Path, PathBuf},
};

/// Links followed to find what a path needs.
const LINKS_MAX: usize = 255;

/// What of a directory is wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// Only these, if any.
    pub include: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
    /// Only these paths and what their links lead to, if any.
    pub follow: Vec<String>,
}

/// A directory and its list.
pub(super) struct Tree {
    /// What the engine calls it by.
    name: String,
    root: PathBuf,
    wanted: Wanted,
    list: Vec<Stat>,
}

impl Tree {
    pub fn new(name: String, root: PathBuf, wanted: Wanted) -> Self {
        Self {
            name,
            root,
            wanted,
            list: Vec::new(),
        }
    }

    /// Lists the directory. Blocking.
    fn walk(&mut self, tell: &mut dyn FnMut(&Stat) -> bool) -> io::Result<()> {
        let (root, wanted) = (&self.root, &self.wanted);
        let invalid = |error: corten_dockerfile::IgnoreError| {
            io::Error::new(io::ErrorKind::InvalidInput, error.to_string())
        };
        let patterns =
            |list: &[String]| Patterns::new(list.iter().map(String::as_str)).map_err(invalid);
        let mut include: Vec<String> = wanted.include.clone();
        if !wanted.follow.is_empty() {
            include.extend(followed(root, &wanted.follow));
        }
        let everything = include
            .iter()
            .any(|it| matches!(it.as_str(), "" | "." | "/"));
        let mut walk = Walk {
            exclude: patterns(&wanted.exclude)?,
            include: match include.is_empty() || everything {
                true => None,
                false => Some(patterns(&include)?),
            },
            list: Vec::new(),
            told: 0,
            tell,
            linked: HashMap::new(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        walk.below(&fs::open(root, flags, Mode::empty())?, Path::new(""))?;
        self.list = walk.list;
        Ok(())
    }
}

impl Files for Tree {
    fn list(&mut self, tell: &mut dyn FnMut(&Stat) -> bool) -> io::Result<()> {
        let listed = self.walk(tell);
        listed.map_err(|error| {
            let told = format!("reading {}: {error}", self.name);
            io::Error::new(error.kind(), told)
        })
    }

    fn path(&self, number: u32) -> Option<&str> {
        let stat = self.list.get(number as usize);
        stat.map(|it| it.path.as_str())
    }

    fn open(&self, number: u32) -> io::Result<File> {
        let stat = self.list.get(number as usize);
        let stat = stat.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        // A file that has become a pipe meanwhile is not waited for.
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        File::options()
            .read(true)
            .custom_flags(flags.bits() as i32)
            .open(self.root.join(&stat.path))
    }
}

/// The paths themselves and, for those that are or go through symbolic links, where these
/// lead to; none leaves the directory.
fn followed(root: &Path, paths: &[String]) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut left: VecDeque<String> = paths.iter().cloned().collect();
    let mut links = 0;
    while let Some(path) = left.pop_front() {
        let path = clean(Path::new(&path));
        if !found.insert(path.to_string_lossy().into_owned()) {
            continue;
        }
        let mut at = PathBuf::new();
        for part in path.components() {
            at.push(part);
            let Ok(target) = std::fs::read_link(root.join(&at)) else {
                continue;
            };
            found.insert(at.to_string_lossy().into_owned());
            links += 1;
            if links > LINKS_MAX {
                return found.into_iter().collect();
            }
            let base = match target.is_absolute() {
                true => PathBuf::new(),
                false => at.parent().map(Path::to_owned).unwrap_or_default(),
            };
            let rest = path.strip_prefix(&at).unwrap_or(Path::new(""));
            let target = base.join(target.strip_prefix("/").unwrap_or(&target));
            left.push_back(target.join(rest).to_string_lossy().into_owned());
            break;
        }
    }
    found.into_iter().collect()
}

/// Without `.`, `..` and a leading `/`.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => clean.push(part),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    clean
}

struct Walk<'a> {
    exclude: Patterns,
    include: Option<Patterns>,
    /// What is wanted, and at the end directories that are there only for what may come.
    list: Vec<Stat>,
    /// How many of them were told.
    told: usize,
    tell: &'a mut dyn FnMut(&Stat) -> bool,
    /// The first name of files that have several.
    linked: HashMap<(u64, u64), String>,
}

impl Walk<'_> {
    /// Lists what is in `directory`, which has the path `inside`.
    fn below(&mut self, directory: &OwnedFd, inside: &Path) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(directory)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(OsStr::from_bytes(name).to_owned()),
            }
        }
        names.sort();
        for name in names {
            let path = inside.join(&name);
            let text = path.to_string_lossy().into_owned();
            let metadata = match fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(metadata) => metadata,
                // Gone meanwhile.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            let is_directory = FileType::from_raw_mode(metadata.st_mode) == FileType::Directory;
            let wanted = self.include.as_ref().is_none_or(|it| it.excludes(&text));
            let excluded = self.exclude.excludes(&text);
            let out = excluded || !wanted;
            if out && !is_directory {
                continue;
            }
            let may_be_wanted = |it: &Patterns| it.may_exclude_below(&text);
            if excluded && !self.exclude.may_take_back_below(&text)
                || !self.include.as_ref().is_none_or(may_be_wanted)
            {
                continue;
            }
            let before = self.list.len();
            let stat = self.stat(directory, &name, text, &metadata)?;
            self.list.push(stat);
            if !out {
                let mut untold = self.list[self.told..].iter();
                if !untold.all(&mut self.tell) {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                self.told = self.list.len();
            }
            if is_directory {
                let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let child = fs::openat(directory, &name, OFlags::RDONLY | flags, Mode::empty())?;
                self.below(&child, &path)?;
                // A directory that is not wanted is there only for what is in it.
                if out && self.list.len() == before + 1 {
                    self.list.pop();
                }
            }
        }
        Ok(())
    }

    fn stat(
        &mut self,
        directory: &OwnedFd,
        name: &OsStr,
        text: String,
        metadata: &fs::Stat,
    ) -> io::Result<Stat> {
        let mut mode = metadata.st_mode & 0o777;
        for (bit, go) in [
            (0o4000, fsutil::GO_SETUID),
            (0o2000, fsutil::GO_SETGID),
            (0o1000, fsutil::GO_STICKY),
        ] {
            if metadata.st_mode & bit != 0 {
                mode |= go;
            }
        }
        let mut stat = Stat {
            mod_time: metadata.st_mtime * 1_000_000_000 + metadata.st_mtime_nsec as i64,
            ..Stat::default()
        };
        match FileType::from_raw_mode(metadata.st_mode) {
            FileType::Directory => mode |= fsutil::GO_DIRECTORY,
            FileType::Symlink => {
                mode |= fsutil::GO_SYMLINK;
                let target = fs::readlinkat(directory, name, Vec::new())?;
                stat.linkname = target.to_string_lossy().into_owned();
            }
            FileType::Fifo => mode |= fsutil::GO_PIPE,
            FileType::Socket => mode |= fsutil::GO_SOCKET,
            FileType::CharacterDevice => mode |= fsutil::GO_DEVICE | fsutil::GO_CHARACTER,
            FileType::BlockDevice => mode |= fsutil::GO_DEVICE,
            _ => {
                stat.size = metadata.st_size;
                if metadata.st_nlink > 1 {
                    let key = (metadata.st_dev, metadata.st_ino);
                    let first = self.linked.entry(key).or_insert_with(|| text.clone());
                    if *first != text {
                        stat.linkname.clone_from(first);
                        stat.size = 0;
                    }
                }
            }
        }
        stat.path = text;
        stat.mode = mode;
        Ok(stat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(root: &Path, wanted: &Wanted) -> Vec<String> {
        let mut tree = Tree::new("context".into(), root.to_owned(), wanted.clone());
        let mut told = Vec::new();
        let mut tell = |stat: &Stat| {
            told.push(stat.path.clone());
            true
        };
        tree.list(&mut tell).unwrap();
        let numbered = (0..told.len() as u32).map(|it| tree.path(it).unwrap().to_owned());
        assert_eq!(told, numbered.collect::<Vec<_>>());
        told
    }

    #[test]
    fn a_directory_is_told_without_what_is_left_out_and_only_what_is_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in ["a/x.log", "a/keep.log", "b/c/d", "e"] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "text").unwrap();
        }
        std::os::unix::fs::symlink("b/c", root.join("link")).unwrap();
        let strings = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
        let everything = Wanted::default();
        assert_eq!(
            listed(root, &everything),
            [
                "a",
                "a/keep.log",
                "a/x.log",
                "b",
                "b/c",
                "b/c/d",
                "e",
                "link"
            ]
        );
        let ignored = Wanted {
            exclude: strings(&["**/*.log", "!a/keep.log", "b"]),
            ..Wanted::default()
        };
        assert_eq!(listed(root, &ignored), ["a", "a/keep.log", "e", "link"]);
        let followed = Wanted {
            follow: strings(&["link/d", "e"]),
            ..Wanted::default()
        };
        assert_eq!(listed(root, &followed), ["b", "b/c", "b/c/d", "e", "link"]);
        // Where nothing can be wanted nobody looks: not even at what could not be read.
        let patterns = Wanted {
            include: strings(&["**/c", "e"]),
            ..Wanted::default()
        };
        assert_eq!(listed(root, &patterns), ["b", "b/c", "b/c/d", "e"]);
        let escaping = Wanted {
            follow: strings(&["../../etc/passwd"]),
            ..Wanted::default()
        };
        assert!(listed(root, &escaping).is_empty());
    }
}
