//! A layer kept as the tar it is, beside an index that makes it mountable.
//!
//! Only what a layer means by itself goes into an index. Whatever depends on the layers
//! below, or on the order in which a name was made twice, makes the layer [`Unfit`]: it
//! is unpacked then. So the rules of [`crate::apply()`] are written down once.

mod layer;
mod tee;

use crate::{
    Applied, ApplyOptions, Error, Limits, Result, Unsettled,
    apply::{self, apply},
    pipeline::{self, Pieces},
    tar::Reader,
};
use corten_oci::Digest;
use layer::Layer;
use std::{
    fs::File,
    io::{Read, Seek},
    os::fd::BorrowedFd,
};
use tee::Tee;

/// Why a layer cannot be mounted as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A directory without an entry, or a hard link to a file of a lower layer.
    #[error("it depends on the layers below")]
    Below,
    /// A name that comes twice, or a whiteout beside what it hides.
    #[error("it has one name twice")]
    Twice,
    /// A name or an entry that unpacking judges.
    #[error("it has an entry of an unusual kind")]
    Unusual,
    /// A file with holes.
    #[error("it has a sparse file")]
    Sparse,
    /// More entries than an index is made for in memory.
    #[error("it has too many entries")]
    Entries,
    /// What the image cannot hold.
    #[error(transparent)]
    Image(#[from] corten_erofs::Error),
}

/// What became of a layer that was to be indexed.
#[derive(Debug)]
pub enum Indexed {
    /// The layer, and the image that makes its tar mountable; [`Applied::unsettled`] is
    /// empty.
    Image(Box<Applied>, Vec<u8>),
    /// It was unpacked; its tar is of no use.
    Unpacked(Box<Applied>, Unfit),
}

/// Most entries of a layer that is indexed; each takes some 300 bytes of memory.
const ENTRIES_MAX: u64 = 1_000_000;

/// Reads a layer (gzip, zstd or plain, recognised by its first bytes) to its end, writes
/// its uncompressed bytes to `tar`, an empty file, and makes an index of them: an EROFS
/// image in overlay's form, whose device is `tar`. What cannot be indexed is unpacked into
/// `root`, as [`crate::apply()`] does. Decompression and hashing run on a thread of their
/// own, once in either case.
///
/// Nothing is flushed to disk; after a failure `tar` and `root` hold parts of the layer.
pub fn index<R: Read + Send>(
    reader: R,
    tar: &File,
    root: BorrowedFd<'_>,
    options: &ApplyOptions,
) -> Result<Indexed> {
    let limits = &options.limits;
    let (made, passed) = pipeline::run(reader, |pieces| make(pieces, tar, root, limits))?;
    let (layer, entries) = match made {
        Made::Layer(layer, entries) => (layer, entries),
        Made::Unpacked(unpacked, unfit) => {
            return Ok(Indexed::Unpacked(Box::new(unpacked.applied(passed)), unfit));
        }
    };
    let applied = Applied {
        size_bytes: layer.size_bytes,
        entries,
        compression: passed.compression,
        has_root: layer.has_root,
        root_opaque: layer.root_opaque,
        unsettled: Unsettled::default(),
        recorded: false,
        skipped_xattrs: layer.skipped_xattrs,
        uncompressed_bytes: passed.bytes,
        diff_id: passed.diff_id,
    };
    match layer.image(applied.uncompressed_bytes, uuid(&applied.diff_id)) {
        Ok(image) => Ok(Indexed::Image(Box::new(applied), image)),
        Err(unfit) => {
            let mut whole = tar;
            whole.rewind().map_err(Error::Read)?;
            let applied = apply(whole, root, options)?;
            Ok(Indexed::Unpacked(Box::new(applied), unfit))
        }
    }
}

/// What a stream of entries became.
enum Made<'a> {
    Layer(Layer, u64),
    Unpacked(Box<apply::Made<'a>>, Unfit),
}

fn make<'a>(pieces: Pieces, tar: &File, root: BorrowedFd<'a>, limits: &Limits) -> Result<Made<'a>> {
    let mut reader = Reader::new(Tee::new(pieces, tar, limits), limits.clone());
    let mut layer = Layer::new();
    while let Some(entry) = reader.next_entry()? {
        let added = match reader.entries() > ENTRIES_MAX {
            true => Err(Unfit::Entries),
            false => layer.add(&entry, reader.offset(), limits),
        };
        if let Err(unfit) = added {
            let stream = reader.into_inner().again()?;
            let unpacked = apply::stream(stream, root, limits, None, None)?;
            return Ok(Made::Unpacked(Box::new(unpacked), unfit));
        }
    }
    reader.drain()?;
    Ok(Made::Layer(layer, reader.entries()))
}

/// The beginning of a diff ID: overlay tells lower file systems apart by it.
fn uuid(diff_id: &Digest) -> [u8; 16] {
    let mut uuid = [0; 16];
    for (byte, digits) in uuid.iter_mut().zip(diff_id.hex().as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    uuid
}
