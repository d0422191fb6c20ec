//! Image manifests and indexes, and the check that bytes are one and not the other.

use crate::{Descriptor, media_type};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Most bytes a manifest, an index or an image configuration may have.
pub const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// Most layers an image may have (Docker's own limit is 127).
pub const LAYERS_MAX: usize = 500;

/// The manifest of one image for one platform (OCI image manifest, Docker schema 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The manifest's own media type; OCI allows its absence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// The type of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Free annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A list of manifests for several platforms (OCI index, Docker manifest list).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The index's own media type; OCI allows its absence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The entries, in the publisher's order of preference.
    pub manifests: Vec<Descriptor>,
    /// Free annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A manifest or an index, told apart by media type and content together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestOrIndex {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several images.
    Index(Index),
}

/// Bytes that are neither a manifest nor an index that can be used.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// Longer than [`MANIFEST_BYTES_MAX`].
    #[error("manifest of {0} bytes is larger than the limit of {MANIFEST_BYTES_MAX} bytes")]
    TooLarge(u64),
    /// Not JSON of the right shape.
    #[error("invalid manifest: {0}")]
    Json(#[source] serde_json::Error),
    /// A media type nothing here understands.
    #[error("unsupported manifest media type and no default available: {0}")]
    MediaType(String),
    /// Docker's first schema, which Docker 28 refuses too.
    #[error(
        "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support has been \
         removed. Suggest the author upgrade the image to the OCI Format or Docker Image manifest \
         v2, schema 2"
    )]
    Schema1,
    /// The header says one type, the document another, or it has members of both.
    // CVE-2021-41190: the digest must bind the type.
    #[error("ambiguous manifest: {0}")]
    Ambiguous(&'static str),
    /// More than [`LAYERS_MAX`] layers.
    #[error("manifest has {0} layers, more than the limit of {LAYERS_MAX}")]
    TooManyLayers(usize),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Probe {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
}

impl ManifestOrIndex {
    /// Parses `bytes`, which came with `content_type` (without parameters; none when it
    /// is not known, as in an OCI layout).
    pub fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge(bytes.len() as u64));
        }
        let probe: Probe = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
        if probe.schema_version == Some(1) || probe.fs_layers.is_some() {
            return Err(ManifestError::Schema1);
        }
        let has_manifest = probe.layers.is_some() || probe.config.is_some();
        if has_manifest && probe.manifests.is_some() {
            return Err(ManifestError::Ambiguous("it has both layers and manifests"));
        }
        // A registry that does not know the type says application/json or nothing useful.
        let header = content_type.filter(|t| {
            media_type::is_manifest(t)
                || media_type::is_index(t)
                || t.starts_with("application/vnd.")
        });
        if let (Some(header), Some(own)) = (header, probe.media_type.as_deref())
            && !own.is_empty()
            && header != own
        {
            return Err(ManifestError::Ambiguous(
                "its mediaType differs from its Content-Type",
            ));
        }
        let own = probe.media_type.as_deref().filter(|own| !own.is_empty());
        match header.or(own) {
            Some(t) if media_type::is_manifest(t) && probe.manifests.is_none() => manifest(bytes),
            Some(t) if media_type::is_index(t) && !has_manifest => index(bytes),
            Some(t) if media_type::is_manifest(t) || media_type::is_index(t) => Err(
                ManifestError::Ambiguous("its members do not fit its media type"),
            ),
            Some(media_type::DOCKER_SCHEMA1 | media_type::DOCKER_SCHEMA1_SIGNED) => {
                Err(ManifestError::Schema1)
            }
            Some(other) => Err(ManifestError::MediaType(other.to_owned())),
            None if probe.manifests.is_some() => index(bytes),
            None => manifest(bytes),
        }
    }
}

fn manifest(bytes: &[u8]) -> Result<ManifestOrIndex, ManifestError> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(ManifestError::Json)?;
    if manifest.layers.len() > LAYERS_MAX {
        return Err(ManifestError::TooManyLayers(manifest.layers.len()));
    }
    Ok(ManifestOrIndex::Manifest(Box::new(manifest)))
}

fn index(bytes: &[u8]) -> Result<ManifestOrIndex, ManifestError> {
    serde_json::from_slice(bytes)
        .map(ManifestOrIndex::Index)
        .map_err(ManifestError::Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn descriptor() -> String {
        format!(r#"{{"mediaType":"x","digest":"{DIGEST}","size":0}}"#)
    }

    #[test]
    fn bytes_that_could_be_read_two_ways_are_refused() {
        let d = descriptor();
        let image = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d}]}}"#);
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{d}]}}"#);
        let both = format!(r#"{{"schemaVersion":2,"config":{d},"layers":[],"manifests":[{d}]}}"#);
        let typed = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{d},"layers":[]}}"#,
            media_type::OCI_MANIFEST
        );
        let parse = |t, b: &str| ManifestOrIndex::parse(t, b.as_bytes());
        assert!(matches!(
            parse(None, &image),
            Ok(ManifestOrIndex::Manifest(_))
        ));
        assert!(matches!(
            parse(Some(media_type::OCI_INDEX), &index),
            Ok(ManifestOrIndex::Index(_))
        ));
        assert!(matches!(
            parse(Some("application/json"), &index),
            Ok(ManifestOrIndex::Index(_))
        ));
        assert!(matches!(
            parse(Some(media_type::OCI_INDEX), &image),
            Err(ManifestError::Ambiguous(_))
        ));
        assert!(matches!(
            parse(None, &both),
            Err(ManifestError::Ambiguous(_))
        ));
        assert!(matches!(
            parse(Some(media_type::DOCKER_MANIFEST), &typed),
            Err(ManifestError::Ambiguous(_))
        ));
    }

    // A reader that takes the last of two, or folds case as Go does, would see another image.
    #[test]
    fn a_member_that_stands_twice_is_refused_and_one_in_capitals_is_none() {
        let d = descriptor();
        for text in [
            format!(r#"{{"schemaVersion":2,"config":{d},"layers":[{d}],"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{d},"config":{d},"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{d},"Layers":[{d}]}}"#),
            format!(r#"{{"schemaVersion":2,"manifests":[],"manifests":[{d}]}}"#),
            format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{DIGEST}","size":0,"size":1}},"layers":[]}}"#
            ),
        ] {
            assert!(
                ManifestOrIndex::parse(None, text.as_bytes()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn hostile_documents_give_errors() {
        let deep = "[".repeat(100_000);
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"schemaVersion":2}"#,
            r#"{"manifests":null}"#,
            &deep,
        ] {
            assert!(
                ManifestOrIndex::parse(None, text.as_bytes()).is_err(),
                "{text:.20}"
            );
        }
        assert!(matches!(
            ManifestOrIndex::parse(None, br#"{"schemaVersion":1,"fsLayers":[]}"#),
            Err(ManifestError::Schema1)
        ));
        let large = vec![b' '; MANIFEST_BYTES_MAX as usize + 1];
        assert!(matches!(
            ManifestOrIndex::parse(None, &large),
            Err(ManifestError::TooLarge(_))
        ));
    }
}
