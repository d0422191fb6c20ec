//! Caches at registries: a document that says which step each of its layers is, in the form
//! of BuildKit's cache manifests (`cache/remotecache/v1`), and the layers' blobs.
//!
//! The form is BuildKit's, the keys are ours: each can read the other's documents, and finds
//! none of its steps there.

use crate::{
    BuildResult, Builder, Error, Result, context::told, key::Key, progress::ProgressSender,
    session::Session, solve::Output,
};
use corten_base::Timestamp;
use corten_images::{CacheBlobs, LayerCompression};
use corten_oci::{Descriptor, Digest, Reference};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Records and layers that one document may have.
const ENTRIES_MAX: usize = 100_000;
/// Layers below each other.
const DEPTH_MAX: usize = 512;

/// Where a cache lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// Under a name at a registry.
    Registry(String),
    /// In a store of the client's, by its ID in the session.
    Client(String),
}

/// Where a build's cache goes.
#[derive(Debug, Clone)]
pub struct CacheTarget {
    /// The place.
    pub place: CachePlace,
    /// All steps of the build (`mode=max`), else those that the result stands on.
    pub all: bool,
    /// As an index, in which older versions of BuildKit wrote it.
    pub as_index: bool,
    /// How its layers are compressed; without one as they are here, new ones by zstd.
    pub compression: Option<LayerCompression>,
    /// A failure is told and does not fail the build.
    pub ignore_error: bool,
}

/// A step of a finished build.
#[derive(Debug, Clone)]
pub(crate) struct CachedStep {
    /// Every key that leads to it.
    pub keys: Vec<Digest>,
    /// Diff IDs, bottom first.
    pub layers: Vec<Digest>,
    pub made: Timestamp,
}

impl CachedStep {
    /// The step behind an output, if it has made a layer.
    pub fn of(output: &Output, further: Vec<Digest>) -> Option<Self> {
        let mut keys = vec![output.key.clone()];
        keys.extend(further);
        Some(Self {
            keys,
            made: output.made.filter(|_| !output.layers.is_empty())?,
            layers: output.layers.clone(),
        })
    }
}

#[derive(Serialize, Deserialize, Default)]
struct Document {
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Layer {
    blob: Digest,
    /// The layer below, -1 for none.
    #[serde(default)]
    parent: i64,
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Serialize, Deserialize)]
struct Annotations {
    #[serde(rename = "mediaType", default)]
    media_type: String,
    #[serde(rename = "diffID")]
    diff_id: Digest,
    #[serde(default)]
    size: u64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    digest: Digest,
    #[serde(default)]
    layers: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    layer: usize,
    #[serde(rename = "createdAt", default)]
    created: Option<Timestamp>,
}

/// What a document tells of a step: diff IDs with their blobs, bottom first.
pub(crate) type Stack = Vec<(Digest, Digest)>;

/// The steps of a document, by their keys.
pub(crate) fn records(bytes: &[u8]) -> Result<HashMap<Digest, (Stack, Timestamp)>> {
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|error| Error::Invalid(format!("invalid cache config: {error}")))?;
    if document.layers.len() > ENTRIES_MAX || document.records.len() > ENTRIES_MAX {
        return Err(Error::Invalid("the cache has too many records".into()));
    }
    let stack = |top: usize| {
        let mut stack = Stack::new();
        let mut next = i64::try_from(top).ok()?;
        while let Ok(index) = usize::try_from(next) {
            let layer = document.layers.get(index)?;
            let diff_id = layer.annotations.as_ref()?.diff_id.clone();
            stack.push((diff_id, layer.blob.clone()));
            // Whoever made a circle has no stack.
            if stack.len() > DEPTH_MAX {
                return None;
            }
            next = layer.parent;
        }
        stack.reverse();
        Some(stack)
    };
    let found = document.records.iter().filter_map(|record| {
        let place = record.layers.first()?;
        let created = place.created.unwrap_or_else(Timestamp::now);
        Some((record.digest.clone(), (stack(place.layer)?, created)))
    });
    Ok(found.collect())
}

/// The document of these steps, and the layers in its order.
fn document<'a>(
    steps: &[CachedStep],
    blob: impl Fn(&Digest) -> Option<&'a Descriptor>,
) -> Result<(Vec<u8>, Vec<Digest>)> {
    let mut document = Document::default();
    let mut places: BTreeMap<Vec<Digest>, usize> = BTreeMap::new();
    let mut order: Vec<Digest> = Vec::new();
    for step in steps {
        let mut parent = -1;
        for end in 1..=step.layers.len() {
            let stack = &step.layers[..end];
            let place = match places.get(stack) {
                Some(place) => *place,
                None => {
                    let diff_id = &stack[end - 1];
                    let missing = || Error::NotFound(format!("layer {diff_id} has no blob"));
                    let blob = blob(diff_id).ok_or_else(missing)?;
                    document.layers.push(Layer {
                        blob: blob.digest.clone(),
                        parent,
                        annotations: Some(Annotations {
                            media_type: blob.media_type.clone(),
                            diff_id: diff_id.clone(),
                            size: blob.size,
                        }),
                    });
                    if !order.contains(diff_id) {
                        order.push(diff_id.clone());
                    }
                    places.insert(stack.to_vec(), document.layers.len() - 1);
                    document.layers.len() - 1
                }
            };
            parent = place as i64;
        }
        let Ok(layer) = usize::try_from(parent) else {
            continue;
        };
        for key in &step.keys {
            document.records.push(Record {
                digest: key.clone(),
                layers: vec![Place {
                    layer,
                    created: Some(step.made),
                }],
            });
        }
    }
    document.records.sort_by(|a, b| a.digest.cmp(&b.digest));
    let bytes = serde_json::to_vec(&document).expect("these documents are always JSON");
    Ok((bytes, order))
}

fn reference(name: &str) -> Result<Reference> {
    let invalid = |error| Error::Invalid(format!("invalid reference {name:?}: {error}"));
    Ok(name.parse::<Reference>().map_err(invalid)?.or_latest())
}

impl Builder {
    /// Writes the steps of a finished build, for one or several platforms, to a registry or
    /// a store of the client's. Answers the manifest.
    ///
    /// # Errors
    /// The registry's or the store's, unless they are to be ignored.
    pub async fn export_cache(
        &self,
        results: &[Arc<BuildResult>],
        target: &CacheTarget,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Result<Option<Descriptor>> {
        let (name, title) = match &target.place {
            CachePlace::Registry(name) => (name, "exporting cache to registry"),
            CachePlace::Client(name) => (name, "exporting cache to client directory"),
        };
        let mut key = Key::new("cache export");
        key.text(name);
        let work = Box::pin(self.write_cache(results, target, session));
        match told(progress, title, &key.finish(), work).await {
            Err(_) if target.ignore_error => Ok(None),
            written => written.map(Some),
        }
    }

    async fn write_cache(
        &self,
        results: &[Arc<BuildResult>],
        target: &CacheTarget,
        session: &dyn Session,
    ) -> Result<Descriptor> {
        if let CachePlace::Registry(name) = &target.place {
            reference(name)?;
        }
        // All results of one build tell the same steps.
        let steps = results.first().map(|it| &*it.steps).unwrap_or_default();
        let stands_on = |step: &CachedStep| {
            let mut all = results.iter();
            all.any(|it| it.layers.starts_with(&step.layers))
        };
        let steps = steps.iter().filter(|it| target.all || stands_on(it));
        let steps: Vec<CachedStep> = steps.cloned().collect();
        let mut stacks: Vec<Vec<Digest>> = Vec::new();
        for step in &steps {
            for end in 1..=step.layers.len() {
                let stack = &step.layers[..end];
                if !stacks.iter().any(|known| known == stack) {
                    stacks.push(stack.to_vec());
                }
            }
        }
        let blobs: CacheBlobs = self
            .images()
            .cache_blobs(stacks, target.compression)
            .await?;
        let (config, order) = document(&steps, |diff_id| blobs.blob(diff_id))?;
        let as_index = target.as_index;
        Ok(match &target.place {
            CachePlace::Registry(name) => {
                let reference = reference(name)?;
                let credentials = session.credentials(reference.domain()).await?;
                blobs
                    .push(&reference, credentials, &order, config, as_index)
                    .await?
            }
            CachePlace::Client(id) => {
                let store = session.store(id)?;
                blobs.write(&*store, &order, config, as_index).await?
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    #[test]
    fn a_document_tells_the_stack_of_every_step() {
        let layers: Vec<Digest> = ["base", "a", "b", "c"].map(digest).to_vec();
        let step = |key: &str, layers: Vec<Digest>| CachedStep {
            keys: vec![digest(key), digest(&format!("{key} by definition"))],
            layers,
            made: Timestamp::from_unix(7, 0),
        };
        let other = vec![layers[0].clone(), layers[2].clone()];
        let steps = [
            step("one", layers[..2].to_vec()),
            step("two", layers.clone()),
            step("else", other.clone()),
        ];
        let blobs: HashMap<Digest, Descriptor> = layers
            .iter()
            .map(|diff_id| {
                let blob = Digest::of(diff_id.hex().as_bytes());
                (diff_id.clone(), Descriptor::new("zstd", blob, 5))
            })
            .collect();
        let (bytes, order) = document(&steps, |it| blobs.get(it)).unwrap();
        assert_eq!(order.len(), 4);
        let found = records(&bytes).unwrap();
        assert_eq!(found.len(), 6);
        for (key, wanted) in [
            ("one", &layers[..2]),
            ("two by definition", &layers[..]),
            ("else", &other[..]),
        ] {
            let (stack, made) = &found[&digest(key)];
            let diff_ids: Vec<&Digest> = stack.iter().map(|(diff_id, _)| diff_id).collect();
            assert_eq!(diff_ids, wanted.iter().collect::<Vec<_>>(), "{key}");
            assert!(
                stack
                    .iter()
                    .all(|(diff_id, blob)| blobs[diff_id].digest == *blob)
            );
            assert_eq!(*made, Timestamp::from_unix(7, 0));
        }
    }

    #[test]
    fn a_document_of_somebody_else_is_read_as_far_as_it_makes_sense() {
        let blob = digest("blob");
        let diff_id = digest("diff");
        let text = format!(
            r#"{{"layers":[
                {{"blob":"{blob}","parent":-1,"annotations":{{"mediaType":"x","diffID":"{diff_id}","size":3,"createdAt":"2026-01-02T03:04:05Z"}}}},
                {{"blob":"{blob}","parent":1,"annotations":{{"diffID":"{diff_id}"}}}},
                {{"blob":"{blob}","parent":0}}],
              "records":[
                {{"digest":"{blob}","layers":[{{"layer":0,"createdAt":"2026-01-02T03:04:05Z"}}],"inputs":[[{{"selector":"s","link":1}}]]}},
                {{"digest":"{diff_id}","layers":[{{"layer":1}}]}},
                {{"digest":"{}","layers":[{{"layer":2}}]}},
                {{"digest":"{}","layers":[{{"layer":9}}]}},
                {{"digest":"{}"}}]}}"#,
            digest("c"),
            digest("d"),
            digest("e")
        );
        let found = records(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 1, "circles and gaps are none");
        assert_eq!(found[&blob].0, [(diff_id, blob.clone())]);
        assert!(records(b"nonsense").is_err());
    }
}
