//! The tree an image is made of.

use crate::BLOCK_BYTES;
use std::collections::BTreeMap;

/// A file, directory or other inode of a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// The root directory.
pub const ROOT: NodeId = NodeId(0);

/// NAME_MAX of linux/limits.h.
const NAME_BYTES_MAX: usize = 255;
/// PATH_MAX of linux/limits.h, less the NUL.
const TARGET_BYTES_MAX: usize = 4095;
/// What `linux/kdev_t.h` can encode in 32 bits.
const MAJOR_MAX: u32 = (1 << 12) - 1;
const MINOR_MAX: u32 = (1 << 20) - 1;
/// Blocks that one chunk of a file can have: 1 TiB.
const DEVICE_BLOCKS_MAX: u64 = 1 << 31;

/// What an image cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that is empty, `.` or `..`, has a slash, or more than 255 bytes.
    #[error("a name that no directory can hold")]
    Name,
    /// A second thing of one name.
    #[error("a name that is there already")]
    Exists,
    /// Something below what is no directory.
    #[error("it would lie in something that is no directory")]
    NotDirectory,
    /// A second name for a directory.
    #[error("a hard link to a directory")]
    DirectoryLink,
    /// A symbolic link's target that is empty or longer than 4095 bytes.
    #[error("a symbolic link's target of no possible length")]
    Target,
    /// A device's numbers.
    #[error("device numbers that 32 bits cannot hold")]
    Device,
    /// A file's bytes begin within a block, or end too far away (1 TiB).
    #[error("bytes at a place that an index cannot name")]
    Place,
    /// Extended attributes.
    #[error("extended attributes that do not fit")]
    Attributes,
    /// More than four billion blocks or inodes.
    #[error("too much for one image")]
    Size,
}

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file whose bytes lie in the device.
    File {
        /// Where they begin, a multiple of [`BLOCK_BYTES`].
        offset: u64,
        /// How many they are.
        size: u64,
    },
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// A character device; 0:0 is overlay's whiteout.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// What every inode has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits with set-user-ID, set-group-ID and sticky (0o7777).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last modification, whole seconds since 1970, rounded down.
    pub mtime_seconds: i64,
    /// The rest of it, 0 to 999,999,999.
    pub mtime_nanoseconds: u32,
    /// Extended attributes, whole name and value; names that [`crate::is_known`] knows.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(crate) struct Node {
    pub kind: Kind,
    pub attributes: Attributes,
    /// What a directory has, sorted as the kernel wants it.
    pub children: BTreeMap<Vec<u8>, NodeId>,
    pub parent: NodeId,
    pub links: u32,
}

/// A tree of inodes with one root directory.
pub struct Tree {
    pub(crate) nodes: Vec<Node>,
}

impl Tree {
    /// An empty root directory.
    pub fn new(root: Attributes) -> Self {
        let root = Node {
            kind: Kind::Directory,
            attributes: root,
            children: BTreeMap::new(),
            parent: ROOT,
            links: 2,
        };
        Self { nodes: vec![root] }
    }

    /// Makes something new.
    pub fn make(
        &mut self,
        parent: NodeId,
        name: &[u8],
        kind: Kind,
        attributes: Attributes,
    ) -> Result<NodeId, Error> {
        check(&kind)?;
        crate::xattrs::size(&attributes.xattrs)?;
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| Error::Size)?);
        self.enter(parent, name, id)?;
        let is_directory = kind == Kind::Directory;
        if is_directory {
            self.node_mut(parent).links += 1;
        }
        self.nodes.push(Node {
            kind,
            attributes,
            children: BTreeMap::new(),
            parent,
            links: if is_directory { 2 } else { 1 },
        });
        Ok(id)
    }

    /// Gives something that is no directory one more name.
    pub fn link(&mut self, parent: NodeId, name: &[u8], node: NodeId) -> Result<(), Error> {
        if self.is_directory(node) {
            return Err(Error::DirectoryLink);
        }
        self.enter(parent, name, node)?;
        self.node_mut(node).links += 1;
        Ok(())
    }

    /// Takes a name away. What has no other name stays out of the image.
    pub fn unlink(&mut self, parent: NodeId, name: &[u8]) {
        let Some(node) = self.node_mut(parent).children.remove(name) else {
            return;
        };
        match self.is_directory(node) {
            true => self.node_mut(parent).links -= 1,
            false => self.node_mut(node).links -= 1,
        }
    }

    /// What a directory has under a name.
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        self.node(directory).children.get(name).copied()
    }

    /// Every name in a directory, sorted.
    pub fn children(&self, directory: NodeId) -> impl Iterator<Item = (&[u8], NodeId)> {
        let children = &self.node(directory).children;
        children.iter().map(|(name, id)| (&name[..], *id))
    }

    /// What it is.
    pub fn kind(&self, node: NodeId) -> &Kind {
        &self.node(node).kind
    }

    /// Whether it is a directory.
    pub fn is_directory(&self, node: NodeId) -> bool {
        self.node(node).kind == Kind::Directory
    }

    /// Replaces what is known of an inode.
    pub fn set_attributes(&mut self, node: NodeId, attributes: Attributes) -> Result<(), Error> {
        crate::xattrs::size(&attributes.xattrs)?;
        self.node_mut(node).attributes = attributes;
        Ok(())
    }

    /// Adds an extended attribute to an inode.
    pub fn add_xattr(&mut self, node: NodeId, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let xattrs = &mut self.node_mut(node).attributes.xattrs;
        xattrs.push((name.to_vec(), value.to_vec()));
        crate::xattrs::size(xattrs).map(drop)
    }

    /// How many inodes were made.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is a root.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    fn enter(&mut self, parent: NodeId, name: &[u8], id: NodeId) -> Result<(), Error> {
        if matches!(name, b"" | b"." | b"..")
            || name.len() > NAME_BYTES_MAX
            || name.iter().any(|byte| matches!(byte, b'/' | 0))
        {
            return Err(Error::Name);
        }
        if !self.is_directory(parent) {
            return Err(Error::NotDirectory);
        }
        match self.node_mut(parent).children.entry(name.to_vec()) {
            std::collections::btree_map::Entry::Occupied(_) => Err(Error::Exists),
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(id);
                Ok(())
            }
        }
    }
}

fn check(kind: &Kind) -> Result<(), Error> {
    match kind {
        Kind::File { offset, size } => {
            let block = BLOCK_BYTES as u64;
            let last = offset
                .checked_add(*size)
                .ok_or(Error::Place)?
                .div_ceil(block);
            match offset % block == 0 && last <= DEVICE_BLOCKS_MAX {
                true => Ok(()),
                false => Err(Error::Place),
            }
        }
        Kind::Symlink(target) if target.is_empty() || target.len() > TARGET_BYTES_MAX => {
            Err(Error::Target)
        }
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor }
            if *major > MAJOR_MAX || *minor > MINOR_MAX =>
        {
            Err(Error::Device)
        }
        _ => Ok(()),
    }
}
