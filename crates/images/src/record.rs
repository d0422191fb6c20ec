//! What is kept in the store about images.

use crate::{Origins, kept_index::KeptIndex};
use corten_base::Timestamp;
use corten_oci::{Descriptor, Digest};
use corten_store::Record;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An image; the key is its ID.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// The image it was committed from on this machine.
    #[serde(default)]
    pub parent: Option<Digest>,
    /// When it was last tagged here.
    #[serde(default)]
    pub last_tag_time: Timestamp,
    /// When it came, or a container was last made of it, as far as that is durable yet.
    #[serde(default)]
    pub last_used: Timestamp,
    /// The manifest it was pulled by, kept so that a push can send the same.
    #[serde(default)]
    pub manifest: Option<Digest>,
    /// Bytes of each layer's files, in the order of the diff IDs.
    pub layer_sizes: Vec<u64>,
    /// How it came here.
    #[serde(default, skip_serializing_if = "Origins::is_empty")]
    pub origins: Origins,
}

impl Record for ImageRecord {
    const KIND: &'static str = "image";
}

/// A name; the key is the canonical reference with a tag or a digest, never both.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NameRecord {
    /// The image.
    pub image: Digest,
    /// What a registry has under this digest (manifest or index), for names by digest.
    #[serde(default)]
    pub descriptor: Option<Descriptor>,
    /// Images for further platforms that a builder made under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Box<KeptIndex>>,
}

impl Record for NameRecord {
    const KIND: &'static str = "image-name";
}

/// The bytes of a layer; the key is its diff ID.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// The blob that gives the diff ID's bytes when decompressed. It is not kept where the
    /// layer's files give these bytes, too.
    pub blob: Descriptor,
    /// Another blob of the layer, which was made here since that one is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Descriptor>,
    /// Bytes of the uncompressed tar, once it has been read.
    #[serde(default)]
    pub tar_bytes: Option<u64>,
    /// Where registries have these blobs, the newest last, at most [`LayerRecord::SOURCES`].
    #[serde(default)]
    pub sources: Vec<LayerSource>,
}

/// A repository that has a blob of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerSource {
    /// Domain of the registry.
    pub domain: String,
    /// Repository in it.
    pub path: String,
    /// It has [`LayerRecord::made`], not [`LayerRecord::blob`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub made: bool,
}

impl LayerRecord {
    /// Whether a registry is known to have [`LayerRecord::blob`].
    pub fn is_of_a_registry(&self) -> bool {
        self.sources.iter().any(|it| !it.made)
    }

    /// Repositories remembered per layer.
    pub const SOURCES: usize = 16;

    /// Remembers one more repository that has `blob`, one of the two.
    pub fn add_source(&mut self, domain: &str, path: &str, blob: &Digest) {
        let source = LayerSource {
            domain: domain.to_owned(),
            path: path.to_owned(),
            made: *blob != self.blob.digest,
        };
        self.sources.retain(|known| *known != source);
        self.sources.push(source);
        let excess = self.sources.len().saturating_sub(Self::SOURCES);
        self.sources.drain(..excess);
    }
}

impl fmt::Display for LayerSource {
    /// The repository's name.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.domain, self.path)
    }
}

impl Record for LayerRecord {
    const KIND: &'static str = "layer";
}
