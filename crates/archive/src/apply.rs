//! A layer unpacked into a directory of its own, in overlay's form.

use crate::{
    Compression, Limits, Result, pipeline,
    tar::Reader,
    unpack::{Rules, Unpacker},
};
use corten_oci::Digest;
use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
    os::fd::BorrowedFd,
    path::PathBuf,
};

/// How a layer is unpacked.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// Budgets.
    pub limits: Limits,
}

/// What was unpacked.
#[derive(Debug, Clone)]
pub struct Applied {
    /// SHA-256 of the whole uncompressed stream, padding after the end mark included.
    pub diff_id: Digest,
    /// Length of that stream.
    pub uncompressed_bytes: u64,
    /// Bytes of all regular files and symbolic links, hard links not counted twice: Docker's
    /// layer size.
    pub size_bytes: u64,
    /// Members read.
    pub entries: u64,
    /// What stood around the tar.
    pub compression: Compression,
    /// The layer says what the root directory itself is like. Otherwise the root's mode,
    /// owner and times come from the layers below.
    pub has_root: bool,
    /// The layer hides everything below it (`.wh..wh..opq` in its root). overlay does not
    /// look for that in a layer's root: who stacks the layers leaves the lower ones out.
    pub root_opaque: bool,
    /// What depends on the layers below.
    pub unsettled: Unsettled,
    /// Extended attributes that the file system did not take.
    pub skipped_xattrs: u64,
}

/// What an unpacked layer leaves open until the layers below are known. Paths are
/// relative to the root, without `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Directories that the layer has no entry for, in which it has one: they keep the
    /// lower layer's mode and owner, or are a symbolic link there.
    pub parents: Vec<PathBuf>,
    /// Hard links to files that only a lower layer has.
    pub links: Vec<UnsettledLink>,
    /// Nothing of the layers below shows.
    pub(crate) root_opaque: bool,
    /// Directories that got an entry only after something in them was made, with that
    /// entry's number.
    pub(crate) late: BTreeMap<PathBuf, u64>,
    /// The number of each entry, by a key of its path; empty where it is not needed.
    pub(crate) order: HashMap<u64, u64>,
}

/// A hard link to a file that only a lower layer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsettledLink {
    /// The link.
    pub path: PathBuf,
    /// The file linked to.
    pub target: PathBuf,
    /// Entries up to the link, itself included.
    pub(crate) number: u64,
}

impl Unsettled {
    /// The layer is complete by itself and may stand on any other.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty() && self.late.is_empty() && self.links.is_empty()
    }
}

/// Unpacks a layer (gzip, zstd or plain, recognised by its first bytes) into `root`, an
/// empty directory: whiteouts become character devices 0:0, opaque marks
/// `trusted.overlay.opaque=y`. Reads `reader` to its end. Decompression and hashing run
/// on a thread of their own.
///
/// Nothing is flushed to disk; who commits the layer does that. After a failure `root`
/// holds a part of the layer. Needs root rights.
pub fn apply<R: Read + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    options: &ApplyOptions,
) -> Result<Applied> {
    let limits = &options.limits;
    let rules = Rules {
        layer: true,
        ..Rules::default()
    };
    let ((unpacker, entries), passed) = pipeline::run(reader, |pieces| {
        let mut reader = Reader::new(pieces, limits.clone());
        let mut unpacker = Unpacker::new(root, limits, rules);
        unpacker.unpack(&mut reader)?;
        Ok((unpacker, reader.entries()))
    })?;
    Ok(Applied {
        diff_id: passed.diff_id,
        uncompressed_bytes: passed.bytes,
        size_bytes: unpacker.size_bytes,
        entries,
        compression: passed.compression,
        has_root: unpacker.notes.has_root,
        root_opaque: unpacker.notes.root_opaque,
        skipped_xattrs: unpacker.skipped_xattrs,
        unsettled: unpacker.notes.unsettled(),
    })
}
