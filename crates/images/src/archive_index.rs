//! What an archive of images says it holds: the `manifest.json` of `docker save`, or the
//! `index.json` of an OCI layout. The latter goes before where it has images for several
//! platforms: `manifest.json` lists each of them under the same name.

use crate::{Error, Result, artifact::REFERENCE_TYPE};
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
    pub layer_sources: Option<BTreeMap<Digest, LayerSource>>,
}

/// A layer's descriptor, its members in dockerd's order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayerSource {
    pub media_type: String,
    pub size: u64,
    pub digest: Digest,
}

impl From<Descriptor> for LayerSource {
    fn from(layer: Descriptor) -> Self {
        Self {
            media_type: layer.media_type,
            size: layer.size,
            digest: layer.digest,
        }
    }
}

/// An image of an archive: members and names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub config: String,
    pub layers: Vec<String>,
    pub names: Vec<Reference>,
    pub parent: Option<Digest>,
    /// The index that the names stand for.
    pub index: Option<Descriptor>,
}

/// Which images of an archive are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub platform: &'a Platform,
    /// Where an index has nothing for the platform, its first image will do.
    pub any: bool,
}

/// The images of an archive, from its small members.
pub(crate) fn images(
    documents: &HashMap<String, Vec<u8>>,
    wanted: Wanted<'_>,
) -> Result<Vec<Listed>> {
    let listed = documents.get(DOCKER_INDEX);
    if let Some(bytes) = listed.filter(|_| !has_index(documents)) {
        let list: Vec<DockerImage> = parse(DOCKER_INDEX, bytes)?;
        return list.into_iter().map(docker_image).collect();
    }
    let bytes = documents.get(OCI_INDEX).ok_or_else(|| {
        let sentence = "invalid archive: it has neither a manifest.json nor an index.json";
        Error::Invalid(sentence.into())
    })?;
    let mut found = Vec::new();
    let top = Place {
        documents,
        wanted,
        names: &[],
        index: None,
        depth: INDEX_DEPTH_MAX,
    };
    oci_images(top, bytes, &mut found)?;
    Ok(found)
}

/// Whether the OCI layout lists an index.
fn has_index(documents: &HashMap<String, Vec<u8>>) -> bool {
    let top = documents.get(OCI_INDEX).map(|bytes| parse_document(bytes));
    let Some(Ok(ManifestOrIndex::Index(top))) = top else {
        return false;
    };
    let is_index = |entry: &Descriptor| {
        let bytes = documents.get(&blob_path(&entry.digest));
        let document = bytes.map(|bytes| parse_document(bytes));
        matches!(document, Some(Ok(ManifestOrIndex::Index(_))))
    };
    top.manifests.iter().any(is_index)
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
        index: None,
    })
}

/// Where in a layout a list of manifests stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    documents: &'a HashMap<String, Vec<u8>>,
    wanted: Wanted<'a>,
    /// Names of what the list is of.
    names: &'a [Reference],
    /// The index that these names stand for.
    index: Option<&'a Descriptor>,
    /// Lists may be nested so much deeper.
    depth: usize,
}

fn oci_images(from: Place<'_>, bytes: &[u8], found: &mut Vec<Listed>) -> Result<()> {
    let ManifestOrIndex::Index(index) = parse_document(bytes)? else {
        return Err(Error::Invalid(
            "invalid index.json: it is a manifest".into(),
        ));
    };
    let top = from.depth == INDEX_DEPTH_MAX;
    let mut entries: Vec<&Descriptor> = index.manifests.iter().collect();
    if !top {
        entries = best(from, &entries).into_iter().collect();
    }
    for entry in entries {
        let names = [named(entry), from.names.to_vec()].concat();
        let member = blob_path(&entry.digest);
        let Some(bytes) = from.documents.get(&member) else {
            return Err(Error::Invalid(format!(
                "invalid archive: {member} is missing"
            )));
        };
        if !entry.digest.matches(bytes) {
            return Err(Error::Invalid(format!(
                "invalid archive: {member} has another digest"
            )));
        }
        match parse_document(bytes)? {
            ManifestOrIndex::Index(_) if from.depth > 0 => {
                let below = Place {
                    names: &names,
                    index: from.index.or(Some(entry)),
                    depth: from.depth - 1,
                    ..from
                };
                oci_images(below, bytes, found)?;
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
                    index: from.index.cloned(),
                },
            ),
        }
    }
    Ok(())
}

/// The entry of an image for several platforms that is wanted. An archive may have some of
/// them only.
fn best<'a>(from: Place<'_>, entries: &[&'a Descriptor]) -> Option<&'a Descriptor> {
    let is_here = |it: &&&Descriptor| from.documents.contains_key(&blob_path(&it.digest));
    let fits = |entry: &Descriptor| match entry.platform.as_ref() {
        Some(platform) => from.wanted.platform.preference(platform),
        None => Some(usize::MAX),
    };
    let here = entries.iter().filter(is_here).copied();
    let fitting = here.clone().filter(|it| fits(it).is_some());
    let is_image = |it: &&Descriptor| {
        let annotations = it.annotations.as_ref();
        !annotations.is_some_and(|it| it.contains_key(REFERENCE_TYPE))
    };
    let first = || here.filter(is_image).find(|_| from.wanted.any);
    fitting.min_by_key(|it| fits(it)).or_else(first)
}

/// One image may be listed once for each of its names.
fn add(found: &mut Vec<Listed>, new: Listed) {
    match found.iter_mut().find(|known| {
        let same = known.config == new.config && known.layers == new.layers;
        same && known.index.as_ref().map(|it| &it.digest) == new.index.as_ref().map(|it| &it.digest)
    }) {
        Some(known) => known.names.extend(new.names),
        None => found.push(new),
    }
}

pub(crate) fn parse_document(bytes: &[u8]) -> Result<ManifestOrIndex> {
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
