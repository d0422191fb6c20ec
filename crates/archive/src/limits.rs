//! What a foreign archive may cost at most.

/// Budgets of one archive. The defaults fit any image that Docker can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the uncompressed stream, and of one file's apparent size.
    pub total_bytes: u64,
    /// Entries, whiteouts included.
    pub entries: u64,
    /// Components of a path after resolution; each open directory costs a descriptor.
    pub path_depth: usize,
    /// Bytes of a path or of a link's target.
    pub path_bytes: usize,
    /// Bytes of one extended (pax) header or GNU long name.
    pub header_bytes: usize,
    /// Bytes of all extended attributes of one entry.
    pub xattr_bytes: usize,
    /// Parts of one sparse file.
    pub sparse_parts: usize,
    /// Bytes that stay free on the file system unpacked to; checked now and then.
    pub free_floor_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Docker has no limit; this is above any image seen and below 2^40 mistakes.
            total_bytes: 1 << 40,
            entries: 10_000_000,
            path_depth: 512,
            path_bytes: 4096,
            header_bytes: 1 << 20,
            // XATTR_SIZE_MAX is 64 KiB for one value, XATTR_LIST_MAX 64 KiB for the names.
            xattr_bytes: 256 << 10,
            sparse_parts: 1 << 20,
            free_floor_bytes: 64 << 20,
        }
    }
}

/// The budget that an archive went over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::total_bytes`].
    TotalBytes,
    /// [`Limits::entries`].
    Entries,
    /// [`Limits::path_depth`].
    PathDepth,
    /// [`Limits::path_bytes`].
    PathBytes,
    /// [`Limits::header_bytes`].
    HeaderBytes,
    /// [`Limits::xattr_bytes`].
    XattrBytes,
    /// [`Limits::sparse_parts`].
    SparseParts,
    /// [`Limits::free_floor_bytes`].
    FreeSpace,
    /// Symbolic links followed on one path (40, as the kernel's MAXSYMLINKS).
    SymlinksFollowed,
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TotalBytes => "uncompressed bytes",
            Self::Entries => "entries",
            Self::PathDepth => "directories in a path",
            Self::PathBytes => "bytes in a path",
            Self::HeaderBytes => "bytes in an extended header",
            Self::XattrBytes => "bytes of extended attributes",
            Self::SparseParts => "parts of a sparse file",
            Self::FreeSpace => "free space left on the file system",
            Self::SymlinksFollowed => "symbolic links followed",
        })
    }
}

impl Limits {
    /// The value of one budget.
    pub(crate) fn of(&self, limit: Limit) -> u64 {
        match limit {
            Limit::TotalBytes => self.total_bytes,
            Limit::Entries => self.entries,
            Limit::PathDepth => self.path_depth as u64,
            Limit::PathBytes => self.path_bytes as u64,
            Limit::HeaderBytes => self.header_bytes as u64,
            Limit::XattrBytes => self.xattr_bytes as u64,
            Limit::SparseParts => self.sparse_parts as u64,
            Limit::FreeSpace => self.free_floor_bytes,
            Limit::SymlinksFollowed => crate::limits::MAX_SYMLINKS as u64,
        }
    }
}

/// Symbolic links followed on one path, as the kernel's MAXSYMLINKS.
pub(crate) const MAX_SYMLINKS: usize = 40;
