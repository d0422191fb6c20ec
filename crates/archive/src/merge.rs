//! Several unpacked layers made into one that shows the same.

use crate::{
    Limits, LowerView, Result, copy_up,
    emit::{failed, names},
    lower::{Found, Other, duplicate, look, look_through},
    name::path,
    tree::{DIRECTORY, Tree, file_type, make_nothing},
    unpack::set_opaque,
};
use rustix::fs::{self, AtFlags, FileType, Mode};
use std::{
    collections::HashMap,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Fills `root`, an empty directory, with what `layers` show together, in overlay's form,
/// so that it can stand on `below` in their stead. What only a layer in between had is not
/// in it, and a whiteout only where `below` has something to hide. Names of one file within
/// one layer stay names of one file. Gives the bytes of files and symbolic links.
///
/// The root directory itself keeps its attributes: those of the layers' roots are with who
/// keeps the layers. Nothing is flushed to disk; after a failure `root` holds a part. Needs
/// root rights.
pub fn merge(root: BorrowedFd<'_>, layers: &LowerView, below: &LowerView) -> Result<u64> {
    let mut merger = Merger {
        root,
        links: HashMap::new(),
        size_bytes: 0,
    };
    let top = Level::new(
        Vec::new(),
        duplicate(root)?,
        layers.roots()?,
        below.roots()?,
    )?;
    let mut open = vec![top];
    while let Some(level) = open.last_mut() {
        if let Some(name) = level.names.pop() {
            let next = merger.entry(&open, &name)?;
            open.extend(next);
            continue;
        }
        let done = open.pop();
        // Only now: making what is in a directory has changed its times.
        if let Some(level) = done.filter(|_| !open.is_empty()) {
            copy_up::directory(&level.layers[0], &level.into)
                .map_err(|error| failed("setting the attributes of", &level.name, error))?;
        }
    }
    Ok(merger.size_bytes)
}

struct Merger<'a> {
    root: BorrowedFd<'a>,
    /// Where files with several names are, by device and inode of the layer's.
    links: HashMap<(u64, u64), Vec<Vec<u8>>>,
    size_bytes: u64,
}

/// A directory that is being made.
struct Level {
    name: Vec<u8>,
    into: OwnedFd,
    /// What is still to be made in it.
    names: Vec<Vec<u8>>,
    /// The directories that it is made of, the uppermost first.
    layers: Vec<OwnedFd>,
    /// What shows through it.
    below: Vec<OwnedFd>,
}

impl Level {
    fn new(
        name: Vec<u8>,
        into: OwnedFd,
        layers: Vec<OwnedFd>,
        below: Vec<OwnedFd>,
    ) -> Result<Self> {
        let mut all = Vec::new();
        for directory in &layers {
            let directory = duplicate(directory)?;
            let own = names(directory.as_fd()).map_err(|error| failed("reading", &name, error))?;
            all.extend(own);
        }
        // The last goes first: of a file's names the first one is the file.
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.dedup();
        Ok(Self {
            name,
            into,
            names: all,
            layers,
            below,
        })
    }
}

impl Merger<'_> {
    /// Makes one name of the directory opened last; gives a directory to go on in.
    fn entry(&mut self, open: &[Level], name: &[u8]) -> Result<Option<Level>> {
        let Some(level) = open.last() else {
            return Ok(None);
        };
        let into = level.into.as_fd();
        match look_through(&level.layers, name)? {
            (Found::Missing, hides) => {
                if hides && !matches!(look(&level.below, name)?, Found::Missing) {
                    let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
                    fs::mknodat(into, path(name), kind, mode, 0)
                        .map_err(|error| failed("creating", name, error))?;
                }
                Ok(None)
            }
            (Found::Other(file), _) => {
                let parts = open[1..].iter().map(|level| level.name.clone());
                let parts = parts.chain([name.to_vec()]).collect();
                self.file(&file, into, parts)?;
                Ok(None)
            }
            (Found::Directory(layers), hides) => {
                let making = |error| failed("creating", name, error);
                fs::mkdirat(into, path(name), Mode::RWXU).map_err(making)?;
                let made = fs::openat(into, path(name), DIRECTORY, Mode::empty());
                let made = made.map_err(making)?;
                let below = match look(&level.below, name)? {
                    Found::Directory(_) if hides => {
                        set_opaque(&made).map_err(making)?;
                        Vec::new()
                    }
                    Found::Directory(below) => below,
                    _ => Vec::new(),
                };
                Level::new(name.to_vec(), made, layers, below).map(Some)
            }
        }
    }

    /// Copies a file, or links it where its layer has it under a name that is made already.
    fn file(&mut self, file: &Other, into: BorrowedFd<'_>, parts: Vec<Vec<u8>>) -> Result<()> {
        let inode = (file.stat.st_dev, file.stat.st_ino);
        if let Some((first, parents)) = self.links.get(&inode).and_then(|it| it.split_last()) {
            let mut tree = Tree::new(self.root, &Limits::default());
            tree.enter(parents, &mut make_nothing)?;
            let (from, to) = (path(first), path(&file.name));
            return fs::linkat(tree.here(), from, into, to, AtFlags::empty())
                .map_err(|error| failed("linking", &file.name, error));
        }
        copy_up::file(file, into, &file.name)?;
        if matches!(
            file_type(&file.stat),
            FileType::RegularFile | FileType::Symlink
        ) {
            self.size_bytes += u64::try_from(file.stat.st_size).unwrap_or_default();
        }
        if file.stat.st_nlink > 1 {
            self.links.insert(inode, parts);
        }
        Ok(())
    }
}
