//! The bytes of a layer that is here: its tar, and a blob of it.
//!
//! ```text
//! blob on record, in the content store ──────────┐
//! files and the record of their tar (tar-split) ─┼──> tar ──compress──> another blob
//! tar of an indexed layer ───────────────────────┘
//! ```
//! A layer whose files give its tar has no blob: that would be the same bytes once more.

use crate::{
    Error, Result,
    layer_stack::Leases,
    record::LayerRecord,
    rooms::{Inner, Rooms},
    state::Change,
    take_in::new_blob,
};
use corten_archive::{Compression, Compressor, Decoder, Reassembled};
use corten_content::ContentStore;
use corten_oci::{Descriptor, Digest, media_type};
use corten_snapshot::Tar;
use std::{
    collections::HashSet,
    io::{self, BufReader, Read},
};

/// Bytes read from a tar at a time.
const BUFFER_BYTES: usize = 256 << 10;

/// The uncompressed tar of a layer, from its blob or from its files. The reader has to
/// compare the digest. Blocking.
pub(crate) fn open_tar(
    rooms: &Rooms,
    diff_id: &Digest,
    blob: &Digest,
) -> Result<Box<dyn Read + Send>> {
    match rooms.content.open_blob(blob) {
        Ok(file) => return Ok(Box::new(Decoder::new(file)?)),
        Err(corten_content::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let layer = rooms.layers.with_tar(diff_id)?;
    let tar = layer.map(|layer| layer.tar()).transpose()?.flatten();
    Ok(match tar {
        None => return Err(Error::NoBytes(diff_id.clone())),
        Some(Tar::Whole(file)) => Box::new(file),
        Some(Tar::Split(record, files)) => {
            let tar = Reassembled::open(record, files)?;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, tar))
        }
    })
}

/// Whether the content store has all bytes of a blob.
pub(crate) fn has_blob(content: &ContentStore, blob: &Descriptor) -> bool {
    content
        .size(&blob.digest)
        .is_ok_and(|size| size == blob.size)
}

/// Whether the layer's tar can be had.
pub(crate) fn has_tar(rooms: &Rooms, diff_id: &Digest, blob: &Descriptor) -> Result<bool> {
    Ok(has_blob(&rooms.content, blob) || rooms.layers.with_tar(diff_id)?.is_some())
}

/// Those of `blobs` that are neither here nor those of a layer that can do without.
/// Blocking.
pub(crate) fn missing(inner: &Inner, blobs: &[Descriptor]) -> Result<Vec<Descriptor>> {
    let wanted: HashSet<&Digest> = blobs.iter().map(|blob| &blob.digest).collect();
    let known: Vec<(Digest, Digest)> = {
        let state = inner.state();
        let layers = state.layers.iter();
        let layers = layers.filter(|(_, record)| wanted.contains(&record.blob.digest));
        layers
            .map(|(diff_id, record)| (diff_id.clone(), record.blob.digest.clone()))
            .collect()
    };
    let mut useless = HashSet::new();
    for (diff_id, blob) in known {
        if inner.rooms.layers.with_tar(&diff_id)?.is_some() {
            useless.insert(blob);
        }
    }
    let is_missing = |blob: &&Descriptor| {
        !useless.contains(&blob.digest) && inner.rooms.content.size(&blob.digest).is_err()
    };
    Ok(blobs.iter().filter(is_missing).cloned().collect())
}

/// Compresses a layer's tar; the blob is in the content store, held by `leases`. Where the
/// blob on record is gone and no level is wished for, this one is remembered beside it.
/// Blocking.
pub(crate) fn compress(
    inner: &Inner,
    leases: &Leases,
    diff_id: &Digest,
    record: &LayerRecord,
    (format, level): (Compression, Option<i32>),
) -> Result<Descriptor> {
    let rooms = &inner.rooms;
    let mut tar = open_tar(rooms, diff_id, &record.blob.digest)?;
    let mut packed = Compressor::new(new_blob(rooms)?, format, level)?;
    io::copy(&mut tar, &mut packed).map_err(|source| Error::Stream {
        operation: "compressing a layer",
        source,
    })?;
    let (ingest, written) = packed.finish()?;
    if written.diff_id != *diff_id {
        return Err(Error::LayerVerification(diff_id.clone()));
    }
    let finished = ingest.finish()?;
    leases.blobs.hold(&finished.blob().digest);
    rooms.content.commit(vec![finished])?;
    let kind = match format {
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
        Compression::None => media_type::OCI_LAYER,
        _ => media_type::OCI_LAYER_GZIP,
    };
    let made = Descriptor::new(kind, written.digest, written.size);
    if level.is_none() && !has_blob(&rooms.content, &record.blob) {
        remember(inner, diff_id, &made)?;
    }
    Ok(made)
}

fn remember(inner: &Inner, diff_id: &Digest, made: &Descriptor) -> Result<()> {
    inner.change(|state| {
        let mut change = Change::default();
        if let Some(mut record) = state.layers.get(diff_id).cloned() {
            record.made = Some(made.clone());
            record.sources.retain(|source| !source.made);
            change.layers.push((diff_id.clone(), Some(record)));
        }
        Ok((change, ()))
    })
}

/// The compression that a layer's media type names.
pub(crate) fn compression_of(kind: &str) -> Compression {
    match kind {
        media_type::OCI_LAYER_ZSTD | media_type::DOCKER_LAYER_ZSTD => Compression::Zstd,
        media_type::OCI_LAYER | media_type::DOCKER_LAYER => Compression::None,
        _ => Compression::Gzip,
    }
}

impl LayerRecord {
    /// Whether this is one of its blobs.
    pub fn has(&self, blob: &Digest) -> bool {
        let made = self.made.as_ref();
        self.blob.digest == *blob || made.is_some_and(|made| made.digest == *blob)
    }

    /// Keeps the blobs that are here.
    pub fn hold_blobs(&self, leases: &Leases) {
        let known = [Some(&self.blob), self.made.as_ref()];
        let known = known.into_iter().flatten();
        known.for_each(|blob| leases.blobs.hold(&blob.digest));
    }

    /// A blob of the layer that the content store has, in one of these forms; the one on
    /// record before one that was made here.
    pub fn blob_here(
        &self,
        content: &ContentStore,
        fits: impl Fn(Compression) -> bool,
    ) -> Option<Descriptor> {
        let known = [Some(&self.blob), self.made.as_ref()];
        let here =
            |blob: &&Descriptor| fits(compression_of(&blob.media_type)) && has_blob(content, blob);
        known.into_iter().flatten().find(here).cloned()
    }

    /// Bytes of the blobs that the content store has of the layer.
    pub fn kept_bytes(&self, content: &ContentStore) -> u64 {
        let known = [Some(&self.blob), self.made.as_ref()];
        let known = known.into_iter().flatten();
        known.filter_map(|it| content.size(&it.digest).ok()).sum()
    }
}
