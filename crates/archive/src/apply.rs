//! A layer unpacked into a directory of its own, in overlay's form.

use crate::{
    Compression, Limits, LowerView, Result,
    pipeline::{self, Passed},
    split::Recorder,
    tar::Reader,
    unpack::{Rules, Unpacker},
};
use corten_oci::Digest;
use std::{
    fs::File,
    io::{BufRead, Read},
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
    /// layer size. Files of lower layers that the layer links to are copied, and count.
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
    /// What depends on the layers below. As long as there is something, only `diff_id`,
    /// `uncompressed_bytes` and `compression` are final.
    pub unsettled: Unsettled,
    /// Extended attributes that the file system did not take.
    pub skipped_xattrs: u64,
    /// The files and what [`apply_recording`] recorded give the tar again.
    pub recorded: bool,
}

/// What an unpacked layer leaves open until the layers below are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Directories that were made for what is in them, parents first.
    pub(crate) parents: Vec<Parent>,
    /// Unpacking stopped where the layer alone does not say how to go on.
    pub(crate) needs_lower: bool,
    /// Nothing of the layers below shows.
    pub(crate) root_opaque: bool,
}

/// A directory that had no entry when it was made: a lower layer may have a link there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Relative to the root, without `.`, `..` and links.
    pub path: PathBuf,
    /// It still has none, and takes mode, owner, times and attributes of a lower one.
    pub shows: bool,
}

impl Unsettled {
    /// The layer is complete by itself and may stand on any other.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty() && !self.needs_lower
    }
}

/// Unpacks a layer (gzip, zstd or plain, recognised by its first bytes) into `root`, an
/// empty directory: whiteouts become character devices 0:0, opaque marks
/// `trusted.overlay.opaque=y`. Reads `reader` to its end. Decompression and hashing run
/// on a thread of their own.
///
/// The layer is unpacked as if there was nothing below it. What that may get wrong is
/// noted ([`Applied::unsettled`]), and [`crate::settle()`] puts it right. Where unpacking
/// cannot even go on without knowing the layers below (a hard link to a file that this one
/// does not have, say), `root` holds only a part of the layer until then.
///
/// Nothing is flushed to disk; who commits the layer does that. After a failure `root`
/// holds a part of the layer. Needs root rights.
pub fn apply<R: Read + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    options: &ApplyOptions,
) -> Result<Applied> {
    unpack(reader, root, options, None)
}

/// As [`apply()`]; what the files will not tell of the tar goes to `record`, an empty file,
/// of which [`crate::Reassembled`] makes the tar again. A layer that has a name twice,
/// or no meaning without the layers below cannot be had again
/// ([`Applied::recorded`]); nor can one that [`crate::settle()`] unpacked anew.
pub fn apply_recording<R: Read + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    options: &ApplyOptions,
    record: File,
) -> Result<Applied> {
    let limits = &options.limits;
    let unpack = |pieces| {
        let recorder = Some(Recorder::new(record));
        stream(pieces, root, limits, None, recorder)
    };
    let (made, passed) = pipeline::run(reader, unpack)?;
    Ok(made.applied(passed))
}

/// As [`apply()`]; on top of `lower`, if it is known, as if all were one tree.
pub(crate) fn unpack<R: Read + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    options: &ApplyOptions,
    lower: Option<&LowerView>,
) -> Result<Applied> {
    let limits = &options.limits;
    let (made, passed) = pipeline::run(reader, |pieces| stream(pieces, root, limits, lower, None))?;
    Ok(made.applied(passed))
}

/// A layer's entries made into files.
pub(crate) struct Made<'a> {
    unpacker: Unpacker<'a>,
    entries: u64,
    recorded: bool,
}

/// Unpacks a plain stream.
pub(crate) fn stream<'a>(
    stream: impl BufRead,
    root: BorrowedFd<'a>,
    limits: &Limits,
    lower: Option<&LowerView>,
    recorder: Option<Recorder>,
) -> Result<Made<'a>> {
    let rules = Rules {
        layer: true,
        alone: lower.is_none(),
        ..Rules::default()
    };
    let mut reader = Reader::recorded(stream, limits.clone(), recorder);
    let mut unpacker = Unpacker::new(root, limits, rules);
    if let Some(lower) = lower {
        unpacker.stand_on(lower)?;
    }
    unpacker.unpack(&mut reader)?;
    if unpacker.replaced || unpacker.notes.needs_lower {
        reader.give_up_record();
    }
    let entries = reader.entries();
    let record = reader.into_record();
    let recorded = record.map(Recorder::finish).transpose()?;
    Ok(Made {
        unpacker,
        entries,
        recorded: recorded.unwrap_or_default(),
    })
}

impl Made<'_> {
    pub fn applied(self, passed: Passed) -> Applied {
        let Self {
            unpacker,
            entries,
            recorded,
        } = self;
        Applied {
            diff_id: passed.diff_id,
            uncompressed_bytes: passed.bytes,
            size_bytes: unpacker.size_bytes,
            entries,
            compression: passed.compression,
            has_root: unpacker.notes.has_root,
            root_opaque: unpacker.notes.root_opaque,
            skipped_xattrs: unpacker.skipped_xattrs,
            unsettled: unpacker.notes.unsettled(),
            recorded,
        }
    }
}
