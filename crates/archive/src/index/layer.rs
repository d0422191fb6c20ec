//! Entries of a layer made into the tree of its index, in overlay's form.

use super::Unfit;
use crate::{
    Limits,
    name::components,
    tar::{Entry, EntryKind},
    unpack::{AUFS, CAPABILITY, OPAQUE, OPAQUE_XATTR, WHITEOUT, is_overlay},
};
use corten_erofs::{Attributes, Kind, NodeId, ROOT, Tree, is_known};

/// linux/xattr.h, XATTR_SIZE_MAX would be 64 KiB; ext4 takes a block for all of them.
const XATTR_BYTES_MAX: usize = 3 << 10;
/// linux/capability.h, VFS_CAP_REVISION_2 and XATTR_CAPS_SZ_2: what every program writes
/// that is not in a user namespace.
const CAPABILITY_REVISION: u8 = 2;
const CAPABILITY_BYTES: usize = 20;

const WHITEOUT_KIND: Kind = Kind::CharDevice { major: 0, minor: 0 };

pub(super) struct Layer {
    tree: Tree,
    /// Directories that hide the lower ones of their names.
    opaque: Vec<NodeId>,
    pub size_bytes: u64,
    pub has_root: bool,
    pub root_opaque: bool,
    pub skipped_xattrs: u64,
}

impl Layer {
    pub fn new() -> Self {
        let root = Attributes {
            mode: 0o755,
            ..Attributes::default()
        };
        Self {
            tree: Tree::new(root),
            opaque: Vec::new(),
            size_bytes: 0,
            has_root: false,
            root_opaque: false,
            skipped_xattrs: 0,
        }
    }

    /// Takes in one entry, whose data begin at byte `at` of the tar.
    pub fn add(&mut self, entry: &Entry, at: u64, limits: &Limits) -> Result<(), Unfit> {
        let parts = components(&entry.path, limits).map_err(|_| Unfit::Unusual)?;
        let Some((&name, parents)) = parts.split_last() else {
            return self.root(entry);
        };
        if name.starts_with(AUFS) && name != OPAQUE {
            return Ok(());
        }
        if parents.iter().any(|part| part.starts_with(WHITEOUT)) {
            return Err(Unfit::Unusual);
        }
        let parent = self.find(parents)?;
        if name == OPAQUE {
            match parent == ROOT {
                true => self.root_opaque = true,
                false => self.opaque.push(parent),
            }
            return Ok(());
        }
        let hidden = name.strip_prefix(WHITEOUT);
        if self.tree.child(parent, hidden.unwrap_or(name)).is_some() {
            return Err(Unfit::Twice);
        }
        if let Some(hidden) = hidden {
            let nothing = Attributes::default();
            self.tree.make(parent, hidden, WHITEOUT_KIND, nothing)?;
            return Ok(());
        }
        let kind = match entry.kind {
            EntryKind::HardLink => return self.hard_link(parent, name, entry, limits),
            EntryKind::Regular if entry.sparse.is_some() => return Err(Unfit::Sparse),
            EntryKind::Regular => Kind::File {
                offset: at,
                size: entry.size,
            },
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink => Kind::Symlink(entry.link.clone()),
            EntryKind::Fifo => Kind::Fifo,
            // overlay's own form of a whiteout.
            EntryKind::CharDevice { major: 0, minor: 0 } => {
                let nothing = Attributes::default();
                self.tree.make(parent, name, WHITEOUT_KIND, nothing)?;
                return Ok(());
            }
            EntryKind::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            EntryKind::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
        };
        self.size_bytes += match &kind {
            Kind::File { size, .. } => *size,
            Kind::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        let mut attributes = self.attributes(entry)?;
        if let Kind::Symlink(_) = kind {
            // symlink(7): they have no permissions of their own.
            attributes.mode = 0o777;
        }
        self.tree.make(parent, name, kind, attributes)?;
        Ok(())
    }

    fn root(&mut self, entry: &Entry) -> Result<(), Unfit> {
        if entry.kind != EntryKind::Directory || self.has_root {
            return Err(Unfit::Unusual);
        }
        let attributes = self.attributes(entry)?;
        self.tree.set_attributes(ROOT, attributes)?;
        self.has_root = true;
        Ok(())
    }

    /// A directory that has an entry.
    fn find(&self, parts: &[&[u8]]) -> Result<NodeId, Unfit> {
        parts.iter().try_fold(ROOT, |at, name| {
            let next = self.tree.child(at, name).ok_or(Unfit::Below)?;
            match self.tree.is_directory(next) {
                true => Ok(next),
                // Through a link, or through something that a later entry replaced.
                false => Err(Unfit::Unusual),
            }
        })
    }

    fn hard_link(
        &mut self,
        parent: NodeId,
        name: &[u8],
        entry: &Entry,
        limits: &Limits,
    ) -> Result<(), Unfit> {
        let parts = components(&entry.link, limits).map_err(|_| Unfit::Unusual)?;
        let (&target, parents) = parts.split_last().ok_or(Unfit::Unusual)?;
        let directory = self.find(parents)?;
        let target = self.tree.child(directory, target).ok_or(Unfit::Below)?;
        if *self.tree.kind(target) == WHITEOUT_KIND {
            return Err(Unfit::Unusual);
        }
        self.tree.link(parent, name, target)?;
        Ok(())
    }

    fn attributes(&mut self, entry: &Entry) -> Result<Attributes, Unfit> {
        let mut attributes = Attributes {
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime_seconds: entry.mtime.seconds,
            mtime_nanoseconds: entry.mtime.nanoseconds,
            xattrs: Vec::new(),
        };
        for (name, value) in &entry.xattrs {
            if is_overlay(name) {
                continue;
            }
            // xattr(7): user attributes are for files and directories only.
            let bearer = matches!(entry.kind, EntryKind::Regular | EntryKind::Directory);
            if !is_known(name) || (name.starts_with(b"user.") && !bearer) {
                self.skipped_xattrs += 1;
                continue;
            }
            // What the kernel looks into when it is set, and might refuse or change.
            let plain = value.len() == CAPABILITY_BYTES && value[3] == CAPABILITY_REVISION;
            if name.starts_with(b"system.") || (name == CAPABILITY && !plain) {
                return Err(Unfit::Unusual);
            }
            attributes.xattrs.retain(|(other, _)| other != name);
            attributes.xattrs.push((name.clone(), value.clone()));
        }
        let bytes = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len();
        match attributes.xattrs.iter().map(bytes).sum::<usize>() > XATTR_BYTES_MAX {
            true => Err(Unfit::Unusual),
            false => Ok(attributes),
        }
    }

    /// The image, for a tar of this length.
    pub fn image(mut self, tar_bytes: u64, uuid: [u8; 16]) -> Result<Vec<u8>, Unfit> {
        self.opaque.sort_unstable();
        self.opaque.dedup();
        if self.root_opaque {
            self.without_whiteouts(ROOT);
        }
        for directory in std::mem::take(&mut self.opaque) {
            self.without_whiteouts(directory);
            let name = OPAQUE_XATTR.as_bytes();
            self.tree.add_xattr(directory, name, b"y")?;
        }
        Ok(self.tree.image(tar_bytes, uuid)?)
    }

    /// Where nothing shows through there is nothing to hide, and overlay would list the name.
    fn without_whiteouts(&mut self, directory: NodeId) {
        let whiteout = |(_, id): &(&[u8], NodeId)| *self.tree.kind(*id) == WHITEOUT_KIND;
        let names = self.tree.children(directory).filter(whiteout);
        let names: Vec<Vec<u8>> = names.map(|(name, _)| name.to_vec()).collect();
        for name in names {
            self.tree.unlink(directory, &name);
        }
    }
}
