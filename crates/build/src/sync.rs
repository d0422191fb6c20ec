//! A client's directory brought over, file by file: what is here already stays.

use crate::{
    Error, Result,
    fresh_file::Metadata,
    inventory::{Inventory, RUN_FILES, Synced, seal},
    tree,
};
use corten_oci::Hasher;
use corten_sys::root::Root;
use rustix::{
    fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid},
    io::Errno,
};
use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs::File,
    io::Write,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::{Component, Path, PathBuf},
    rc::Rc,
};

/// Files of one directory.
const FILES_MAX: usize = 2_000_000;

/// A file as the client tells of it.
#[derive(Debug, Clone)]
pub struct FileStat {
    /// Relative, with `/`.
    pub path: String,
    /// Kind and permission bits as in stat(2).
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    /// Of a symbolic link its target; of another file the one it is a hard link to.
    pub link: String,
    /// Owner and group; who receives files does not look at them.
    pub owner: (u32, u32),
    /// Numbers of a device.
    pub device: (u32, u32),
}

impl FileStat {
    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    fn is_hard_link(&self) -> bool {
        self.kind() == FileType::RegularFile && !self.link.is_empty()
    }

    /// The directory that it is in.
    fn above(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(above, _)| above)
    }
}

/// A file that is on its way.
struct Coming {
    file: File,
    /// Of what has come: nobody has to read the file again to know its content.
    content: Hasher,
}

/// A directory that is brought in line. Blocking.
pub struct TreeSync {
    root: Root,
    /// The directory that was asked for last: files come directory by directory.
    parent: Option<(PathBuf, Rc<OwnedFd>)>,
    stats: Vec<FileStat>,
    /// Where in `stats` the run begins that is not looked at yet.
    run: usize,
    runs: HashSet<u128>,
    /// As it was before, without the runs that have come again.
    last: Option<Inventory>,
    /// Whether there is more to do than to believe the list.
    changed: bool,
    open: HashMap<u32, Coming>,
    /// Numbers of the files whose content is wanted.
    asked: Vec<u32>,
    /// How many of them have not come yet.
    wanted: usize,
    bytes: u64,
}

impl TreeSync {
    /// Begins with the directory `into`, which was brought in line with `last`, if that is
    /// known.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn begin(into: &Path, last: Option<Inventory>) -> Result<Self> {
        let root = Root::open(into).map_err(|error| Error::path("opening", into, error))?;
        let top = look_at_top(&root)?;
        let last = last.filter(|it| it.is_of(&top));
        Ok(Self {
            root,
            parent: None,
            stats: Vec::new(),
            run: 0,
            runs: HashSet::new(),
            changed: last.is_none(),
            last,
            open: HashMap::new(),
            asked: Vec::new(),
            wanted: 0,
            bytes: 0,
        })
    }

    /// Takes the next file of the client's list, in its order: directories and links are made
    /// at once, while the client still looks for the next files.
    ///
    /// # Errors
    /// A path that leaves the directory; too many files; the file system's.
    pub fn add(&mut self, stat: FileStat) -> Result<()> {
        let plain = |part| matches!(part, Component::Normal(_));
        if stat.path.is_empty() || !Path::new(&stat.path).components().all(plain) {
            return Err(Error::Invalid(format!(
                "invalid path {:?} from the client",
                stat.path
            )));
        }
        if self.stats.len() >= FILES_MAX {
            return Err(Error::Invalid(format!(
                "more than {FILES_MAX} files in a context"
            )));
        }
        let is_of_run = |first: &FileStat| first.above() == stat.above();
        let of_run = &self.stats[self.run..];
        if of_run.len() >= RUN_FILES || !of_run.first().is_none_or(is_of_run) {
            self.end_run()?;
        }
        self.stats.push(stat);
        Ok(())
    }

    /// Looks at the files that came last, unless all of them are as they were.
    fn end_run(&mut self) -> Result<()> {
        let mut run = self.stats.split_off(self.run);
        let seal = seal(&run);
        // What it is a link to may be another file now.
        let lasts = !run.iter().any(FileStat::is_hard_link);
        let last = self.last.as_mut().filter(|_| lasts);
        if !last.is_some_and(|it| it.runs.remove(&seal)) && !run.is_empty() {
            self.changed = true;
            for (place, stat) in run.iter().enumerate() {
                if self.prepare(stat)? {
                    self.asked.push((self.run + place) as u32);
                }
            }
        }
        if lasts && !run.is_empty() {
            self.runs.insert(seal);
        }
        self.stats.append(&mut run);
        self.run = self.stats.len();
        Ok(())
    }

    /// The list is complete: removes what is not in it, and answers the numbers of the files
    /// whose content is wanted.
    ///
    /// # Errors
    /// The file system's.
    pub fn plan(&mut self) -> Result<Vec<u32>> {
        self.end_run()?;
        self.changed |= self.last.as_ref().is_some_and(|it| !it.runs.is_empty());
        if !self.changed {
            return Ok(Vec::new());
        }
        let keep: HashSet<&Path> = self
            .stats
            .iter()
            .map(|stat| Path::new(&stat.path))
            .collect();
        let top = self.directory(Path::new(""))?;
        remove_others(&top, Path::new(""), &keep)?;
        self.parent = None;
        self.wanted = self.asked.len();
        Ok(std::mem::take(&mut self.asked))
    }

    fn directory(&self, path: &Path) -> Result<OwnedFd> {
        self.root
            .open_without_links(path, tree::DIRECTORY)
            .map_err(|error| Error::path("opening", path, error))
    }

    fn place<'s>(&mut self, stat: &'s FileStat) -> Result<(Rc<OwnedFd>, &'s OsStr)> {
        let path = Path::new(&stat.path);
        let name = path.file_name().unwrap_or_default();
        let above = path.parent().unwrap_or(Path::new(""));
        if let Some((known, directory)) = &self.parent
            && known == above
        {
            return Ok((directory.clone(), name));
        }
        let directory = Rc::new(self.directory(above)?);
        self.parent = Some((above.to_owned(), directory.clone()));
        Ok((directory, name))
    }

    /// True when the file's content is wanted.
    fn prepare(&mut self, stat: &FileStat) -> Result<bool> {
        let (parent, name) = self.place(stat)?;
        let failed = |operation, error: Errno| Error::path(operation, &stat.path, error);
        let here = fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).ok();
        let kind = stat.kind();
        let same_kind = here
            .as_ref()
            .is_some_and(|it| FileType::from_raw_mode(it.st_mode) == kind);
        let modified = here
            .as_ref()
            .map(|it| it.st_mtime * 1_000_000_000 + it.st_mtime_nsec as i64);
        let same = same_kind
            && stat.link.is_empty()
            && here.as_ref().is_some_and(|it| {
                (it.st_mode & 0o7777) == (stat.mode & 0o7777)
                    && (kind == FileType::Directory || it.st_size as u64 == stat.size)
            })
            && (kind == FileType::Directory || modified == Some(stat.modified));
        if same && matches!(kind, FileType::RegularFile | FileType::Directory) {
            return Ok(false);
        }
        if here.is_some() && !(same_kind && kind == FileType::Directory) {
            // What was a directory may be the one that is remembered.
            self.parent = None;
            remove(&parent, name).map_err(|error| Error::path("replacing", &stat.path, error))?;
        }
        match kind {
            FileType::Directory => {
                match fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed("creating", error)),
                }
                fs::chmodat(
                    &parent,
                    name,
                    Mode::from_raw_mode(stat.mode & 0o7777),
                    AtFlags::empty(),
                )
                .map_err(|error| failed("changing", error))?;
            }
            FileType::Symlink => {
                fs::symlinkat(&*stat.link, &parent, name)
                    .map_err(|error| failed("linking", error))?;
                let time = Timespec {
                    tv_sec: stat.modified.div_euclid(1_000_000_000),
                    tv_nsec: stat.modified.rem_euclid(1_000_000_000) as _,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| failed("setting the times of", error))?;
            }
            FileType::RegularFile if !stat.link.is_empty() => {
                // An earlier file of the list: its content is there when it is asked for.
                return Ok(false);
            }
            FileType::RegularFile => return Ok(true),
            FileType::Fifo => {
                let mode = Mode::from_raw_mode(stat.mode & 0o7777);
                fs::mknodat(&parent, name, FileType::Fifo, mode, 0)
                    .map_err(|error| failed("creating", error))?;
            }
            // Devices and sockets of the client mean nothing here.
            _ => {}
        }
        Ok(false)
    }

    /// A piece of a file.
    ///
    /// # Errors
    /// A number that was not wanted; the file system's.
    pub fn data(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        let stat = self.stats.get(number as usize).cloned();
        let stat = stat.filter(|stat| stat.kind() == FileType::RegularFile);
        let stat = stat.ok_or_else(|| {
            Error::Invalid(format!("the client sent a file that is none: {number}"))
        })?;
        if !self.open.contains_key(&number) {
            let (parent, name) = self.place(&stat)?;
            let flags = OFlags::WRONLY
                | OFlags::CREATE
                | OFlags::TRUNC
                | OFlags::NOFOLLOW
                | OFlags::CLOEXEC;
            // What the umask leaves of it need not be set again.
            let mode = Mode::from_raw_mode(stat.mode & 0o777);
            let file = fs::openat(&parent, name, flags, mode)
                .map_err(|error| Error::path("creating", &stat.path, error))?;
            let coming = Coming {
                file: file.into(),
                content: Hasher::sha256(),
            };
            self.open.insert(number, coming);
        }
        if !bytes.is_empty() {
            let Some(coming) = self.open.get_mut(&number) else {
                return Ok(());
            };
            self.bytes += bytes.len() as u64;
            coming.content.update(bytes);
            return coming
                .file
                .write_all(bytes)
                .map_err(|error| Error::path("writing", &stat.path, error));
        }
        let Some(Coming { file, content }) = self.open.remove(&number) else {
            return Ok(());
        };
        let failed = |error: Errno| Error::path("changing", &stat.path, error);
        let wanted = Metadata {
            owner: (Uid::ROOT, Gid::ROOT),
            mode: stat.mode & 0o7777,
        };
        wanted.set(file.as_fd()).map_err(failed)?;
        fs::futimens(&file, &times(stat.modified)).map_err(failed)?;
        let seen = fs::fstat(&file).map_err(failed)?;
        tree::remember_received(&seen, &content.finish());
        self.wanted -= 1;
        Ok(())
    }

    /// Whether every wanted file is here.
    pub fn is_complete(&self) -> bool {
        self.wanted == 0
    }

    /// Makes hard links and sets the times of directories.
    ///
    /// # Errors
    /// The file system's.
    pub fn finish(mut self) -> Result<Synced> {
        let mut content = None;
        match self.changed {
            true => self.settle()?,
            false => content = self.last.take().map(|it| it.content),
        }
        let top = look_at_top(&self.root)?;
        Ok(Synced {
            bytes: self.bytes,
            inventory: Inventory::new(self.runs, content, &top),
        })
    }

    fn settle(&mut self) -> Result<()> {
        let stats = std::mem::take(&mut self.stats);
        for stat in &stats {
            let failed = |error: Errno| Error::path("linking", &stat.path, error);
            if stat.is_hard_link() {
                let target = FileStat {
                    path: stat.link.trim_start_matches('/').to_owned(),
                    ..stat.clone()
                };
                let (from, from_name) = self.place(&target)?;
                let (to, name) = self.place(stat)?;
                match fs::linkat(&from, from_name, &to, name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        let directories = stats.iter().rev();
        for stat in directories.filter(|stat| stat.kind() == FileType::Directory) {
            let (parent, name) = self.place(stat)?;
            let nofollow = AtFlags::SYMLINK_NOFOLLOW;
            fs::utimensat(&parent, name, &times(stat.modified), nofollow)
                .map_err(|error| Error::path("changing", &stat.path, error))?;
        }
        Ok(())
    }
}

fn look_at_top(root: &Root) -> Result<fs::Stat> {
    let top = root.open_without_links(Path::new(""), tree::DIRECTORY);
    let looked = top.and_then(|it| Ok(fs::fstat(it)?));
    looked.map_err(|error| Error::path("looking at", "/", error))
}

fn times(modified: i64) -> Timestamps {
    let time = Timespec {
        tv_sec: modified.div_euclid(1_000_000_000),
        tv_nsec: modified.rem_euclid(1_000_000_000),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Removes what the list does not have.
fn remove_others(directory: &OwnedFd, inside: &Path, keep: &HashSet<&Path>) -> Result<()> {
    let failed = |error: Errno| Error::path("reading", inside, error);
    let mut below = Vec::new();
    let mut surplus = Vec::new();
    for entry in fs::Dir::read_from(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        if !keep.contains(&*inside.join(name)) {
            surplus.push(name.to_owned());
        } else if matches!(entry.file_type(), FileType::Directory | FileType::Unknown) {
            below.push(name.to_owned());
        }
    }
    for name in surplus {
        let failed = |error: Errno| Error::path("removing", inside.join(&name), error);
        remove(directory, &name).map_err(failed)?;
    }
    for name in below {
        let flags = tree::DIRECTORY | OFlags::NOFOLLOW;
        if let Ok(child) = fs::openat(directory, &name, flags, Mode::empty()) {
            remove_others(&child, &inside.join(&name), keep)?;
        }
    }
    Ok(())
}

/// Removes a file or a whole directory, following nothing.
fn remove(parent: &OwnedFd, name: &OsStr) -> std::result::Result<(), Errno> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    let flags = tree::DIRECTORY | OFlags::NOFOLLOW;
    let directory = fs::openat(parent, name, flags, Mode::empty())?;
    for child in tree::names(directory.as_fd(), Path::new(name)).map_err(|_| Errno::IO)? {
        remove(&directory, &child)?;
    }
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}
