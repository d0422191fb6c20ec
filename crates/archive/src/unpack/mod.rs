//! Entries made into files, for layers and for copies in.

mod attributes;
mod nodes;
mod notes;

use crate::{
    Error, Limit, Limits, LowerView, Owner, Owners, Result,
    name::{components, path},
    remove::remove_all,
    tar::{Entry, EntryKind, Reader},
    tree::{DIRECTORY, Obstacle, Tree, file_type, is_whiteout},
    xattrs,
};
use attributes::Last;
pub(crate) use attributes::{CAPABILITY, chown, is_overlay};
pub(crate) use notes::Notes;
use rustix::{
    fs::{self, AtFlags, FileType, Mode},
    io::Errno,
};
use std::{
    collections::BTreeMap,
    io::BufRead,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

/// OCI image-spec `layer.md` § Whiteouts.
pub(crate) const WHITEOUT: &[u8] = b".wh.";
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
/// AUFS kept its own files under such names; they are no part of the tree.
pub(crate) const AUFS: &[u8] = b".wh..wh.";
/// overlay's mark for a directory that hides the lower ones of its name.
pub(crate) const OPAQUE_XATTR: &str = "trusted.overlay.opaque";

/// Bytes written between two looks at the free space.
const SPACE_CHECK_BYTES: u64 = 64 << 20;

/// How entries become files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// Whiteouts mean something, and what is missing may be in a lower layer.
    pub layer: bool,
    /// What lower layers have is not known.
    pub alone: bool,
    /// Refuse to replace a directory by something else and the other way round.
    pub no_overwrite: bool,
    /// Owner in place of the archive's.
    pub owner: Option<Owner>,
    /// Whose words the archive's owners are.
    pub owners: Option<Owners>,
    /// The directory that names are relative to, inside the root; real names.
    pub base: Vec<Vec<u8>>,
}

/// Makes files out of entries.
pub(crate) struct Unpacker<'a> {
    root: BorrowedFd<'a>,
    tree: Tree<'a>,
    limits: Limits,
    rules: Rules,
    pub notes: Notes,
    /// What directories get when nothing is made in them any more.
    last: BTreeMap<PathBuf, Last>,
    pub size_bytes: u64,
    pub skipped_xattrs: u64,
    /// Something took the place of what the archive had before it.
    pub replaced: bool,
    written_unchecked: u64,
}

impl<'a> Unpacker<'a> {
    pub fn new(root: BorrowedFd<'a>, limits: &Limits, rules: Rules) -> Self {
        Self {
            root,
            tree: Tree::new(root, limits),
            limits: limits.clone(),
            notes: Notes::new(&rules),
            rules,
            last: BTreeMap::new(),
            size_bytes: 0,
            skipped_xattrs: 0,
            replaced: false,
            written_unchecked: SPACE_CHECK_BYTES,
        }
    }

    /// What is unpacked goes on top of `lower`, as if all were one tree.
    pub fn stand_on(&mut self, lower: &LowerView) -> Result<()> {
        self.tree.stand_on(lower.roots()?);
        Ok(())
    }

    /// Unpacks everything, or as far as that goes without knowing the layers below, and
    /// reads the stream to its end.
    pub fn unpack<R: BufRead>(&mut self, reader: &mut Reader<R>) -> Result<()> {
        while let Some(entry) = reader.next_entry()? {
            match self.entry(&entry, reader) {
                // Lower layers may have led the entry, or those before it, elsewhere.
                Err(error) if self.rules.alone && depends_on_names(&error) => {
                    self.notes.needs_lower = self.notes.crossed();
                    if !self.notes.needs_lower {
                        return Err(error);
                    }
                }
                other => other?,
            }
            if self.notes.needs_lower {
                return reader.drain();
            }
        }
        reader.drain()?;
        self.finish_directories()
    }

    fn entry<R: BufRead>(&mut self, entry: &Entry, reader: &mut Reader<R>) -> Result<()> {
        let parts = components(&entry.path, &self.limits)?;
        let Some((&name, parents)) = parts.split_last() else {
            return self.root_entry(entry);
        };
        if self.rules.layer {
            if parents.iter().any(|part| part.starts_with(WHITEOUT)) {
                return Err(Error::Whiteout {
                    path: entry.path().into(),
                });
            }
            if name == OPAQUE {
                return self.opaque(parents);
            }
            if name.starts_with(AUFS) {
                return Ok(());
            }
            if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                if matches!(hidden, b"" | b"." | b"..") {
                    return Err(Error::Whiteout {
                        path: entry.path().into(),
                    });
                }
                return self.whiteout(parents, hidden);
            }
            // Some builders put overlay's own form into layers.
            if entry.kind == (EntryKind::CharDevice { major: 0, minor: 0 }) {
                return self.whiteout(parents, name);
            }
        }
        // The target first: it may be found from somewhere else than the link.
        let target = match entry.kind {
            EntryKind::HardLink => match self.find_target(entry)? {
                Some(target) => Some(target),
                None => return Ok(()),
            },
            _ => None,
        };
        self.enter_parent(parents)?;
        if self.rules.layer {
            self.notes.entry(&self.tree.child(name));
        }
        match entry.kind {
            EntryKind::Regular => self.regular(entry, name, reader),
            EntryKind::Directory => self.directory(entry, name),
            EntryKind::HardLink => match target {
                Some(target) => self.hard_link(entry, name, target),
                None => Ok(()),
            },
            EntryKind::Symlink
            | EntryKind::CharDevice { .. }
            | EntryKind::BlockDevice { .. }
            | EntryKind::Fifo => self.node(entry, name),
        }
    }

    /// Goes to the directory of an entry, making what is missing.
    fn enter_parent(&mut self, parents: &[&[u8]]) -> Result<()> {
        let Self {
            tree, rules, notes, ..
        } = self;
        let owner = rules.owner.map(|it| (it.uid, it.gid));
        let owners = rules.owners.clone();
        let layer = rules.layer;
        let mut make = |directory: BorrowedFd<'_>,
                        name: &[u8],
                        obstacle: Obstacle,
                        place: &dyn Fn() -> PathBuf| {
            let failed = |error: Errno| Error::Path {
                operation: "creating",
                path: place(),
                source: error.into(),
            };
            let mut hidden = false;
            if obstacle == Obstacle::Other {
                let stat = fs::statat(directory, path(name), AtFlags::SYMLINK_NOFOLLOW);
                if !layer || !is_whiteout(&stat.map_err(failed)?) {
                    return Err(failed(Errno::NOTDIR));
                }
                // Deleted below, then made anew by something in it.
                fs::unlinkat(directory, path(name), AtFlags::empty()).map_err(failed)?;
                hidden = true;
            }
            let made = match make_implied(directory, name) {
                Err(Errno::EXIST) => return Ok(true),
                made => made.map_err(failed)?,
            };
            if let Some((uid, gid)) = owner {
                let (uid, gid) = attributes::on_host(&owners, uid, gid).map_err(failed)?;
                attributes::chown(&made, uid, gid).map_err(failed)?;
            }
            if hidden {
                set_opaque(&made).map_err(failed)?;
            }
            if layer {
                notes.implied(place(), hidden);
            }
            Ok(true)
        };
        let parts: Vec<&[u8]> = rules
            .base
            .iter()
            .map(Vec::as_slice)
            .chain(parents.iter().copied())
            .collect();
        tree.enter(&parts, &mut make).map(drop)
    }

    /// The layer (or the archive) says what the directory unpacked into is like.
    fn root_entry(&mut self, entry: &Entry) -> Result<()> {
        if entry.kind != EntryKind::Directory {
            let reason = "it would replace the root directory";
            return Err(Error::Unsupported {
                path: entry.path().into(),
                reason,
            });
        }
        // Docker leaves the directory copied into as it is.
        if self.rules.layer {
            let failed = |error: Errno| Error::Path {
                operation: "opening",
                path: PathBuf::from("/"),
                source: error.into(),
            };
            let root = fs::openat(self.root, ".", DIRECTORY, Mode::empty()).map_err(failed)?;
            self.directory_attributes(&root, entry, PathBuf::new())?;
            self.notes.has_root = true;
        }
        Ok(())
    }

    /// Hides what is below, never what its own layer has.
    fn whiteout(&mut self, parents: &[&[u8]], name: &[u8]) -> Result<()> {
        self.enter_parent(parents)?;
        let place = self.tree.child(name);
        if let Some(stat) = self.tree.stat(name)? {
            let mut stays = !self.notes.is_unnamed(&place);
            if file_type(&stat) == FileType::Directory {
                let failed = |error| self.tree.failed("opening", name, error);
                let directory = fs::openat(self.tree.here(), path(name), DIRECTORY, Mode::empty());
                let directory = directory.map_err(failed)?;
                stays |= self.notes.prune(directory.as_fd(), &place)?;
                if stays {
                    self.notes.hidden(&place);
                    return set_opaque(&directory)
                        .map_err(|error| self.tree.failed("marking", name, error));
                }
            }
            if stays {
                return Ok(());
            }
            self.notes.removed(&place);
            remove_all(self.tree.here(), name)?;
        }
        // In an opaque directory there is nothing to hide, and overlay would list the name.
        let failed = |error| self.tree.failed("creating", name, error);
        let bottom = self.notes.root_opaque && self.tree.location().as_os_str().is_empty();
        if bottom || xattrs::is_opaque(self.tree.here()).map_err(failed)? {
            return Ok(());
        }
        // mknod(2): anybody may make 0:0, it is no device.
        let (kind, mode) = (FileType::CharacterDevice, Mode::empty());
        fs::mknodat(self.tree.here(), path(name), kind, mode, 0).map_err(failed)
    }

    fn opaque(&mut self, parents: &[&[u8]]) -> Result<()> {
        self.enter_parent(parents)?;
        if self.tree.location().as_os_str().is_empty() {
            self.notes.root_opaque = true;
        } else {
            set_opaque(self.tree.here())
                .map_err(|error| self.tree.failed("marking", b".", error))?;
        }
        self.tree.hide_below();
        // What hides something below has nothing to hide any more.
        let place = self.tree.location();
        self.notes.prune(self.tree.here(), &place).map(drop)
    }

    /// Fails once too little space would be left.
    fn check_space(&mut self, more: u64) -> Result<()> {
        self.written_unchecked += more;
        if self.written_unchecked < SPACE_CHECK_BYTES {
            return Ok(());
        }
        self.written_unchecked = 0;
        let floor = self.limits.free_floor_bytes;
        let failed = |error: Errno| Error::Path {
            operation: "asking for the free space of",
            path: PathBuf::from("/"),
            source: error.into(),
        };
        let space = fs::fstatvfs(self.root).map_err(failed)?;
        match space.f_bavail.saturating_mul(space.f_frsize) < floor {
            true => Err(Error::NoSpace { floor }),
            false => Ok(()),
        }
    }
}

/// Makes a directory that no entry describes.
fn make_implied(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let mode = Mode::from_raw_mode(0o755);
    fs::mkdirat(parent, path(name), mode)?;
    let made = fs::openat(parent, path(name), DIRECTORY, Mode::empty())?;
    fs::fchmod(&made, mode)?;
    Ok(made)
}

/// Hides what lower directories of the same name have.
pub(crate) fn set_opaque(directory: impl std::os::fd::AsFd) -> Result<(), Errno> {
    fs::fsetxattr(directory, OPAQUE_XATTR, b"y", fs::XattrFlags::empty())
}

/// Whether a failure has to do with what stands under a name, not with the machine.
fn depends_on_names(error: &Error) -> bool {
    const ABOUT_NAMES: [Errno; 6] = [
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::NOENT,
        Errno::EXIST,
        Errno::LOOP,
        // link(2) of a directory.
        Errno::PERM,
    ];
    match error {
        Error::Path { source, .. } => {
            let number = source.raw_os_error();
            ABOUT_NAMES
                .iter()
                .any(|it| Some(it.raw_os_error()) == number)
        }
        Error::OverLimit { limit, .. } => {
            matches!(limit, Limit::SymlinksFollowed | Limit::PathDepth)
        }
        Error::LinkTarget { .. } => true,
        _ => false,
    }
}
