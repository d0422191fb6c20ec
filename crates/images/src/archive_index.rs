//! What an archive of images says it holds: the `manifest.json` of `docker save`, or the
//! `index.json` of an OCI layout.

use crate::{Error, Result};
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Platform, Reference};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The member of a `docker save` archive that lists its images.
pub(crate) const DOCKER_INDEX: &str = "manifest.json";
/// The member of an OCI layout that does.
pub(crate) const OCI_INDEX: &str = "index.json";
/// Where containerd and Docker write an image's whole name into an OCI layout.
pub(crate) const NAME_ANNOTATION: &str = "io.containerd.image.name";
/// The OCI annotation: a tag, or with some tools a whole name.
pub(crate) const REF_ANNOTATION: &str = "org.opencontainers.image.ref.name";
/// Indexes within indexes.
const INDEX_DEPTH_MAX: usize = 3;

/// One image of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    /// The configuration's member.
    pub config: String,
    /// Names.
    #[serde(default)]
    pub repo_tags: Option<Vec<String>>,
    /// The layers' members, the lowest first.
    #[serde(default)]
    pub layers: Option<Vec<String>>,
    /// The image it was built from, an ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Descriptors of the layers by diff ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer_sources: Option<BTreeMap<Digest, Descriptor>>,
}

/// An image of an archive: members and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub config: String,
    pub layers: Vec<String>,
    pub names: Vec<Reference>,
    pub parent: Option<Digest>,
}

/// The images of an archive, from its small members.
pub(crate) fn images(
    documents: &HashMap<String, Vec<u8>>,
    platform: &Platform,
) -> Result<Vec<Listed>> {
    if let Some(bytes) = documents.get(DOCKER_INDEX) {
        let list: Vec<DockerImage> = parse(DOCKER_INDEX, bytes)?;
        return list.into_iter().map(docker_image).collect();
    }
    let bytes = documents.get(OCI_INDEX).ok_or_else(|| {
        let sentence = "invalid archive: it has neither a manifest.json nor an index.json";
        Error::Invalid(sentence.into())
    })?;
    let mut found = Vec::new();
    oci_images(documents, bytes, platform, &[], INDEX_DEPTH_MAX, &mut found)?;
    Ok(found)
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::Invalid(format!("invalid {name}: {e}")))
}

fn docker_image(image: DockerImage) -> Result<Listed> {
    let names = image.repo_tags.unwrap_or_default();
    let names = names.iter().map(|name| {
        let reference: Reference = name.parse()?;
        match reference.tag() {
            Some(_) => Ok(reference),
            None => Err(Error::Invalid(format!("invalid tag {name:?}"))),
        }
    });
    let parent = image.parent.filter(|parent| !parent.is_empty());
    let parent = parent.map(|parent| {
        parent
            .parse()
            .map_err(|e| Error::Invalid(format!("invalid parent {parent:?}: {e}")))
    });
    Ok(Listed {
        config: image.config,
        layers: image.layers.unwrap_or_default(),
        names: names.collect::<Result<_>>()?,
        parent: parent.transpose()?,
    })
}

fn oci_images(
    documents: &HashMap<String, Vec<u8>>,
    bytes: &[u8],
    platform: &Platform,
    inherited: &[Reference],
    depth: usize,
    found: &mut Vec<Listed>,
) -> Result<()> {
    let ManifestOrIndex::Index(index) = document(bytes)? else {
        return Err(Error::Invalid(
            "invalid index.json: it is a manifest".into(),
        ));
    };
    let top = depth == INDEX_DEPTH_MAX;
    let mut entries: Vec<&Descriptor> = index.manifests.iter().collect();
    if !top {
        // An image for several platforms: the best one.
        let fits = |entry: &&Descriptor| {
            entry
                .platform
                .as_ref()
                .map_or(Some(usize::MAX), |p| platform.preference(p))
        };
        entries.retain(|entry| fits(entry).is_some());
        entries = entries.into_iter().min_by_key(fits).into_iter().collect();
    }
    for entry in entries {
        let names = [named(entry), inherited.to_vec()].concat();
        let member = blob_path(&entry.digest);
        let Some(bytes) = documents.get(&member) else {
            return Err(Error::Invalid(format!(
                "invalid archive: {member} is missing"
            )));
        };
        if !entry.digest.matches(bytes) {
            return Err(Error::Invalid(format!(
                "invalid archive: {member} has another digest"
            )));
        }
        match document(bytes)? {
            ManifestOrIndex::Index(_) if depth > 0 => {
                oci_images(documents, bytes, platform, &names, depth - 1, found)?;
            }
            ManifestOrIndex::Index(_) => {
                return Err(Error::Invalid(
                    "the image index is nested too deeply".into(),
                ));
            }
            ManifestOrIndex::Manifest(manifest) => add(
                found,
                Listed {
                    config: blob_path(&manifest.config.digest),
                    layers: manifest
                        .layers
                        .iter()
                        .map(|l| blob_path(&l.digest))
                        .collect(),
                    names,
                    parent: None,
                },
            ),
        }
    }
    Ok(())
}

/// One image may be listed once for each of its names.
fn add(found: &mut Vec<Listed>, new: Listed) {
    match found
        .iter_mut()
        .find(|known| known.config == new.config && known.layers == new.layers)
    {
        Some(known) => known.names.extend(new.names),
        None => found.push(new),
    }
}

fn document(bytes: &[u8]) -> Result<ManifestOrIndex> {
    ManifestOrIndex::parse(None, bytes).map_err(|e| Error::Invalid(e.to_string()))
}

/// The name an entry of an OCI index gives, if it is a whole one.
fn named(entry: &Descriptor) -> Vec<Reference> {
    let annotation = |name: &str| entry.annotations.as_ref().and_then(|all| all.get(name));
    let whole = annotation(NAME_ANNOTATION).and_then(|name| name.parse::<Reference>().ok());
    let other = annotation(REF_ANNOTATION)
        .filter(|name| name.contains([':', '/']))
        .and_then(|name| name.parse::<Reference>().ok());
    let name = whole.or(other).filter(|name| name.digest().is_none());
    name.map(Reference::or_latest).into_iter().collect()
}

/// The member of a blob.
pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}
