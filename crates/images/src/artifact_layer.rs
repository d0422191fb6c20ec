//! The blob of a built image's layer in the form that an exporter asks for.

use crate::{
    Error, Result,
    artifact::LayerCompression,
    layer_bytes::{compress, compression_of},
    layer_stack::Leases,
    rooms::Inner,
    take_in::new_blob,
};
use corten_archive::{Compression, Compressor, DiffOptions, diff};
use corten_oci::{Descriptor, Digest, media_type};
use std::{collections::HashSet, os::fd::AsFd};

/// In which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub compression: LayerCompression,
    pub docker_types: bool,
    /// Blobs that need not be here.
    pub elsewhere: &'a HashSet<Digest>,
}

/// The top layer of `chain`: the blob that is here, or a new one. Blocking.
pub(crate) fn layer(
    inner: &Inner,
    leases: &Leases,
    chain: &[Digest],
    wanted: Wanted<'_>,
) -> Result<Descriptor> {
    let diff_id = &chain[chain.len() - 1];
    let record = inner.state().layers.get(diff_id).cloned();
    let LayerCompression {
        format,
        level,
        force,
    } = wanted.compression;
    let target = format.unwrap_or(Compression::Gzip);
    let content = &inner.rooms.content;
    if let Some(record) = record {
        record.hold_blobs(leases);
        let own = compression_of(&record.blob.media_type);
        // A layer of a base image keeps the form its registry has.
        let keeps = record.is_of_a_registry() && !force;
        let here = record.blob_here(content, |it| match keeps {
            true => it == own,
            false => it == target && level.is_none(),
        });
        let made = match (here, keeps) {
            (Some(blob), _) => blob,
            (None, true) if wanted.elsewhere.contains(&record.blob.digest) => record.blob,
            (None, true) => compress(inner, leases, diff_id, &record, (own, None))?,
            (None, false) => compress(inner, leases, diff_id, &record, (target, level))?,
        };
        let kind = media_type(compression_of(&made.media_type), wanted.docker_types);
        return Ok(Descriptor::new(kind, made.digest, made.size));
    }
    let missing = || Error::NotFound(format!("layer {diff_id} is not on this machine"));
    let found = inner.rooms.layers.find(chain)?.ok_or_else(missing)?;
    let directory = found.open()?;
    let out = Compressor::new(new_blob(&inner.rooms)?, target, level)?;
    let out = diff(directory.as_fd(), out, &DiffOptions::default())?;
    let (ingest, written) = out.finish()?;
    if written.diff_id != *diff_id {
        return Err(Error::LayerVerification(diff_id.clone()));
    }
    leases.blobs.hold(&written.digest);
    content.commit(vec![ingest.finish()?])?;
    let kind = media_type(target, wanted.docker_types);
    Ok(Descriptor::new(kind, written.digest, written.size))
}

fn media_type(compression: Compression, docker: bool) -> &'static str {
    match (compression, docker) {
        (Compression::Zstd, false) => media_type::OCI_LAYER_ZSTD,
        (Compression::Zstd, true) => media_type::DOCKER_LAYER_ZSTD,
        (Compression::None, false) => media_type::OCI_LAYER,
        (Compression::None, true) => media_type::DOCKER_LAYER,
        (_, false) => media_type::OCI_LAYER_GZIP,
        (_, true) => media_type::DOCKER_LAYER_GZIP,
    }
}
