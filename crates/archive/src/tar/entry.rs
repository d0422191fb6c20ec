//! One member of an archive, whatever dialect described it.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

/// Seconds and nanoseconds since 1970; negative seconds lie before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A file with [`Entry::size`] bytes.
    Regular,
    /// Another name for the member called [`Entry::link`].
    HardLink,
    /// A symbolic link to [`Entry::link`].
    Symlink,
    /// A character device.
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
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// One member of an archive. Names are bytes as the archive has them: unchecked, maybe
/// absolute, maybe with `..`; free of NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Target of a hard or symbolic link, else empty.
    pub link: Vec<u8>,
    /// Permission bits with set-user-ID, set-group-ID and sticky (0o7777).
    pub mode: u32,
    /// Owner by number; names are not looked at.
    pub uid: u32,
    /// Group by number.
    pub gid: u32,
    /// Apparent size of a regular file in bytes, else 0.
    pub size: u64,
    /// Last modification.
    pub mtime: Time,
    /// Last access, where the archive has it.
    pub atime: Option<Time>,
    /// Extended attributes, name and value, in the archive's order.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Offset and length of each part that has data, for a sparse file; all lengths but
    /// the last are multiples of 512.
    pub sparse: Option<Vec<(u64, u64)>>,
}

impl Entry {
    /// A member without data, mode 0, owned by root, of 1970.
    pub fn new(path: impl Into<Vec<u8>>, kind: EntryKind) -> Self {
        Self {
            path: path.into(),
            kind,
            link: Vec::new(),
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Time::default(),
            atime: None,
            xattrs: Vec::new(),
            sparse: None,
        }
    }

    /// A regular file of `size` bytes with mode 0644.
    pub fn file(path: impl Into<Vec<u8>>, size: u64) -> Self {
        Self {
            mode: 0o644,
            size,
            ..Self::new(path, EntryKind::Regular)
        }
    }

    /// A directory with mode 0755.
    pub fn directory(path: impl Into<Vec<u8>>) -> Self {
        Self {
            mode: 0o755,
            ..Self::new(path, EntryKind::Directory)
        }
    }

    /// The name as a path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.path))
    }

    /// The target of a link as a path.
    pub fn link(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.link))
    }

    /// The bytes that follow the header in the archive, less padding: [`Entry::size`], or
    /// the data of a sparse file's parts.
    pub fn stored_bytes(&self) -> u64 {
        match (&self.kind, &self.sparse) {
            (EntryKind::Regular, Some(parts)) => parts.iter().map(|part| part.1).sum(),
            (EntryKind::Regular, None) => self.size,
            _ => 0,
        }
    }
}
