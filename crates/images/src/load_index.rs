//! An index in an archive that is loaded: its name keeps it, with all of it that the archive
//! has. Blobs get the very bytes that they have there, so that the digests stay true.

use crate::{
    Error, Result,
    archive_index::{blob_path, parse_document},
    artifact::REFERENCE_TYPE,
    kept_index::{KeptImage, KeptIndex, KeptManifest},
    layer_bytes::open_tar,
    layer_stack::Leases,
    layer_stream::BLOB_BYTES_MAX,
    load_members::{Layer, Members},
    rooms::{Inner, parse_config},
};
use corten_content::{Begun, IngestRequest};
use corten_oci::{Descriptor, Digest, Manifest, ManifestOrIndex};
use std::io;

/// The index of this descriptor; none, where the archive has one image of it and nothing is
/// said about that. Call it when the image that runs here has its layers. Blocking.
pub(crate) fn take_in(
    inner: &Inner,
    leases: &Leases,
    members: &mut Members,
    root: &Descriptor,
) -> Result<Option<KeptIndex>> {
    let bytes = members.document(&blob_path(&root.digest))?.to_vec();
    let ManifestOrIndex::Index(index) = parse_document(&bytes)? else {
        return Ok(None);
    };
    let mut taking = Taking {
        inner,
        leases,
        members,
        kept: KeptIndex {
            root: Descriptor {
                annotations: None,
                ..root.clone()
            },
            manifests: Vec::new(),
            documents: Vec::new(),
            layers: Vec::new(),
            images: Vec::new(),
        },
    };
    for descriptor in &index.manifests {
        taking.manifest(descriptor)?;
    }
    let is_plain =
        taking.kept.images.len() < 2 && !taking.kept.manifests.iter().any(|it| it.is_attestation);
    if taking.kept.images.is_empty() || is_plain {
        return Ok(None);
    }
    taking.put(&bytes)?;
    let root = taking.kept.root.clone();
    taking.kept.manifests.push(KeptManifest {
        descriptor: root,
        is_attestation: false,
    });
    Ok(Some(taking.kept))
}

struct Taking<'a> {
    inner: &'a Inner,
    leases: &'a Leases,
    members: &'a mut Members,
    kept: KeptIndex,
}

impl Taking<'_> {
    /// Takes in what the archive has of a manifest; one that it has in part is left out.
    fn manifest(&mut self, descriptor: &Descriptor) -> Result<()> {
        let Some(bytes) = self.document(descriptor)? else {
            return Ok(());
        };
        // An index in the index: nothing that an image could be chosen from.
        let ManifestOrIndex::Manifest(manifest) = parse_document(&bytes)? else {
            return Ok(());
        };
        let Some(config) = self.document(&manifest.config)? else {
            return Ok(());
        };
        let annotations = descriptor.annotations.as_ref();
        let is_attestation = annotations.is_some_and(|it| it.contains_key(REFERENCE_TYPE));
        let whole = match is_attestation {
            true => self.statements(&manifest)?,
            false => self.image(descriptor, &manifest, &config)?,
        };
        if !whole {
            return Ok(());
        }
        self.put(&config)?;
        self.put(&bytes)?;
        self.kept.documents.push(manifest.config.clone());
        self.kept.manifests.push(KeptManifest {
            descriptor: descriptor.clone(),
            is_attestation,
        });
        Ok(())
    }

    fn image(
        &mut self,
        descriptor: &Descriptor,
        manifest: &Manifest,
        config: &[u8],
    ) -> Result<bool> {
        let config = parse_config(config)?;
        let diff_ids = config.diff_ids();
        if diff_ids.len() != manifest.layers.len() {
            return Ok(false);
        }
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest.layers.iter().zip(diff_ids) {
            if !self.layer(layer, diff_id)? {
                return Ok(false);
            }
            layers.push((layer.clone(), diff_id.clone()));
        }
        for (layer, diff_id) in layers {
            let known = self.kept.layers.iter();
            let mut known = known.map(|(layer, _)| &layer.digest);
            if !known.any(|it| *it == layer.digest) {
                self.kept.layers.push((layer, diff_id));
            }
        }
        let platform = descriptor.platform.clone();
        self.kept.images.push(KeptImage {
            platform: platform.unwrap_or_else(|| config.platform()),
            manifest: descriptor.clone(),
            config: manifest.config.clone(),
            layers: manifest.layers.clone(),
        });
        Ok(true)
    }

    fn statements(&mut self, manifest: &Manifest) -> Result<bool> {
        let mut list = Vec::new();
        for layer in &manifest.layers {
            let Some(bytes) = self.document(layer)? else {
                return Ok(false);
            };
            list.push((layer.clone(), bytes));
        }
        for (layer, bytes) in list {
            self.put(&bytes)?;
            self.kept.documents.push(layer);
        }
        Ok(true)
    }

    /// A small blob of the archive.
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>> {
        let member = blob_path(&descriptor.digest);
        let Ok(bytes) = self.members.document(&member) else {
            return Ok(None);
        };
        if !descriptor.digest.matches(bytes) {
            let sentence = format!("invalid archive: {member} has another digest");
            return Err(Error::Invalid(sentence));
        }
        Ok(Some(bytes.to_vec()))
    }

    fn put(&self, bytes: &[u8]) -> Result<()> {
        self.leases.blobs.hold(&Digest::of(bytes));
        self.inner.rooms.content.put(bytes)?;
        Ok(())
    }

    /// Makes a layer's bytes durable as the archive has them; says whether it has them.
    fn layer(&mut self, layer: &Descriptor, diff_id: &Digest) -> Result<bool> {
        let member = blob_path(&layer.digest);
        let member = self.members.follow(&member).to_owned();
        self.leases.blobs.hold(&layer.digest);
        let (blob, found) = match self.members.layers.remove(&member) {
            None => return Ok(false),
            Some(Layer::Not(error)) => {
                self.members.layers.insert(member, Layer::Not(error));
                return Ok(false);
            }
            Some(Layer::Used(blob, found)) => (*blob, found),
            Some(Layer::Here(diff_id)) => {
                let record = self.inner.state().layers.get(&diff_id).cloned();
                let Some(record) = record else {
                    return Ok(false);
                };
                (record.blob, diff_id)
            }
            Some(Layer::Taken(taken)) => {
                self.leases.blobs.hold(&taken.blob.digest);
                let finished = taken.unpacked.finished.into_iter().collect();
                self.inner.rooms.content.commit(finished)?;
                (taken.blob, taken.unpacked.applied.diff_id)
            }
        };
        if found != *diff_id {
            let sentence = format!("invalid diffID: expected {diff_id:?}, got {found:?}");
            return Err(Error::Invalid(sentence));
        }
        let used = Layer::Used(Box::new(blob.clone()), found);
        self.members.layers.insert(member, used);
        if blob.digest != layer.digest {
            self.uncompressed(diff_id, &blob.digest, layer)?;
        }
        Ok(true)
    }

    /// A layer that the archive has uncompressed is kept compressed by its image, or as its
    /// files: an index lists the bytes of the archive.
    fn uncompressed(&self, diff_id: &Digest, from: &Digest, layer: &Descriptor) -> Result<()> {
        let content = &self.inner.rooms.content;
        let request = IngestRequest {
            expected: Some(layer.digest.clone()),
            size: Some(layer.size),
            limit: BLOB_BYTES_MAX,
        };
        let Begun::Write(mut ingest) = content.ingest(&request)? else {
            return Ok(());
        };
        ingest.restart()?;
        let mut tar = open_tar(&self.inner.rooms, diff_id, from)?;
        io::copy(&mut tar, &mut ingest).map_err(|source| Error::Stream {
            operation: "reading a layer",
            source,
        })?;
        content.commit(vec![ingest.finish()?])?;
        Ok(())
    }
}
