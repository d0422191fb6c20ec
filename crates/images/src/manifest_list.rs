//! The manifests of an index that a name keeps, as lists show them (`manifests=1`).

use crate::{
    Result,
    artifact::{REFERENCE_DIGEST, REFERENCE_TYPE},
    kept_image::config,
    kept_index::KeptIndex,
    rooms::Rooms,
};
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Platform, manifest::MANIFEST_BYTES_MAX};

/// One manifest of an index.
#[derive(Debug, Clone)]
pub struct ManifestSummary {
    /// As the index lists it.
    pub descriptor: Descriptor,
    /// Whether it is here with all that it lists.
    pub available: bool,
    /// Bytes of it and of what it lists, as far as they are here.
    pub content_bytes: u64,
    /// What it is of.
    pub kind: ManifestKind,
}

/// What a manifest is of.
#[derive(Debug, Clone)]
pub enum ManifestKind {
    /// An image.
    Image {
        /// What it is made for.
        platform: Platform,
        /// Its ID, where it is here.
        image: Option<Digest>,
        /// Bytes of its files; 0 when they are not unpacked.
        unpacked_bytes: u64,
    },
    /// What is said about another manifest of the index.
    Attestation {
        /// That manifest.
        about: Digest,
    },
    /// Something else.
    Unknown,
}

impl ManifestSummary {
    /// The ID of an image that is here.
    pub fn image(&self) -> Option<&Digest> {
        match &self.kind {
            ManifestKind::Image { image, .. } => image.as_ref(),
            _ => None,
        }
    }

    /// Bytes on this machine.
    pub fn total_bytes(&self) -> u64 {
        match self.kind {
            ManifestKind::Image { unpacked_bytes, .. } => self.content_bytes + unpacked_bytes,
            _ => self.content_bytes,
        }
    }
}

/// All manifests of the index in its order, those that are not here included. Blocking.
pub(crate) fn summaries(rooms: &Rooms, kept: &KeptIndex) -> Result<Vec<ManifestSummary>> {
    let bytes = rooms.content.read(&kept.root.digest, MANIFEST_BYTES_MAX)?;
    let Ok(ManifestOrIndex::Index(index)) = ManifestOrIndex::parse(None, &bytes) else {
        return Ok(Vec::new());
    };
    let one = |descriptor| summary(rooms, kept, descriptor);
    index.manifests.into_iter().map(one).collect()
}

fn summary(rooms: &Rooms, kept: &KeptIndex, descriptor: Descriptor) -> Result<ManifestSummary> {
    let mut manifests = kept.manifests.iter();
    let available = manifests.any(|it| it.descriptor.digest == descriptor.digest);
    let content_bytes = match available {
        true => content_bytes(rooms, &descriptor)?,
        false => 0,
    };
    Ok(ManifestSummary {
        kind: kind(rooms, kept, &descriptor)?,
        descriptor,
        available,
        content_bytes,
    })
}

fn content_bytes(rooms: &Rooms, descriptor: &Descriptor) -> Result<u64> {
    let bytes = rooms.content.read(&descriptor.digest, MANIFEST_BYTES_MAX)?;
    let Ok(ManifestOrIndex::Manifest(manifest)) = ManifestOrIndex::parse(None, &bytes) else {
        return Ok(descriptor.size);
    };
    let layers = manifest.layers.iter().map(|it| it.size);
    Ok(descriptor.size + manifest.config.size + layers.sum::<u64>())
}

fn kind(rooms: &Rooms, kept: &KeptIndex, descriptor: &Descriptor) -> Result<ManifestKind> {
    let said = |key: &str| descriptor.annotations.as_ref()?.get(key);
    if said(REFERENCE_TYPE).is_some() {
        let about = said(REFERENCE_DIGEST).and_then(|it| it.parse().ok());
        return Ok(
            about.map_or(ManifestKind::Unknown, |about| ManifestKind::Attestation {
                about,
            }),
        );
    }
    let platform = descriptor.platform.clone().unwrap_or_default();
    let mut images = kept.images.iter();
    let image = images.find(|it| it.manifest.digest == descriptor.digest);
    let unpacked_bytes = match image {
        Some(image) => unpacked_bytes(rooms, config(rooms, image)?.diff_ids())?,
        None => 0,
    };
    Ok(ManifestKind::Image {
        platform,
        image: image.map(|it| it.config.digest.clone()),
        unpacked_bytes,
    })
}

/// Bytes of the layers' files, if all of them are there.
fn unpacked_bytes(rooms: &Rooms, diff_ids: &[Digest]) -> Result<u64> {
    let mut sum = 0;
    for end in 1..=diff_ids.len() {
        match rooms.layers.find(&diff_ids[..end])? {
            Some(layer) => sum += layer.size_bytes,
            None => return Ok(0),
        }
    }
    Ok(sum)
}
