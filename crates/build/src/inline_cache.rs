//! Caches inside of images: their configuration says which step each layer is. A build
//! somewhere else takes the layers of steps with the same keys.
//!
//! The form is that of BuildKit's inline cache (`cache/remotecache/v1`), the keys are ours:
//! caches of either are of no use to the other, and harm neither.

use crate::{
    Error, Result,
    build::Inner,
    cache::CacheEntry,
    cache_manifest::{self, CachedStep, Stack},
    context::told,
    graph::{Graph, Known, Node},
    key::Key,
    progress::ProgressSender,
    request::{BuildRequest, CacheSource},
    session::Session,
    solve::{Files, Output, Solver},
    vertex::Op,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_base::{Kind, KindOf, Timestamp};
use corten_images::{RemoteCache, RemoteImage};
use corten_oci::{Digest, ImageConfig, Platform, Reference};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The member of the configuration.
const MEMBER: &str = "moby.buildkit.cache.v0";
/// Steps that one image may tell of.
const RECORDS_MAX: usize = 10_000;

#[derive(Serialize, Deserialize, Default)]
struct Document {
    #[serde(default)]
    layers: Vec<Layer>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Serialize, Deserialize)]
struct Layer {
    blob: String,
    #[serde(default)]
    parent: i64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    digest: String,
    #[serde(default)]
    layers: Vec<Place>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    layer: usize,
    #[serde(rename = "createdAt", default)]
    created: Option<Timestamp>,
}

/// Puts a document into a configuration.
pub(crate) fn tell(config: &mut ImageConfig, document: String) {
    config.other.insert(MEMBER.into(), document.into());
}

/// Takes it out again; false where there was none.
pub(crate) fn forget(config: &mut ImageConfig) -> bool {
    config.other.remove(MEMBER).is_some()
}

/// What the configuration carries for those steps whose layers are the lowest of `layers`.
pub(crate) fn document(layers: &[Digest], steps: &[CachedStep]) -> String {
    let mut document = Document::default();
    for (index, layer) in layers.iter().enumerate() {
        document.layers.push(Layer {
            blob: layer.to_string(),
            parent: index as i64 - 1,
        });
    }
    for step in steps {
        let place = step.layers.len();
        if place == 0 || !layers.starts_with(&step.layers) {
            continue;
        }
        for key in &step.keys {
            document.records.push(Record {
                digest: key.to_string(),
                layers: vec![Place {
                    layer: place - 1,
                    created: Some(step.made),
                }],
            });
        }
    }
    document.records.sort_by(|a, b| a.digest.cmp(&b.digest));
    let text = serde_json::to_vec(&document).expect("these documents are always JSON");
    STANDARD.encode(text)
}

/// The steps that a configuration tells of: how many of its layers each stands for.
fn records(config: &ImageConfig) -> HashMap<Digest, (usize, Timestamp)> {
    let bytes = config.other.get(MEMBER).and_then(|it| it.as_str());
    let bytes = bytes.and_then(|text| STANDARD.decode(text).ok());
    let document: Document = bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let known = config.diff_ids().len();
    let records = document.records.into_iter().take(RECORDS_MAX);
    records
        .filter_map(|record| {
            let place = record.layers.first()?;
            let created = place.created.unwrap_or_else(Timestamp::now);
            let count = place.layer.checked_add(1).filter(|it| *it <= known)?;
            Some((record.digest.parse().ok()?, (count, created)))
        })
        .collect()
}

/// An image or a cache that a build may take layers of.
pub(crate) struct Import {
    records: HashMap<Digest, (Stack, Timestamp)>,
    place: Source,
}

/// Where its layers are.
enum Source {
    Here,
    Image(Box<RemoteImage>),
    Cache(RemoteCache),
}

impl Import {
    fn of_image(config: &ImageConfig, place: Source) -> Self {
        let layers = config.diff_ids();
        let found = records(config)
            .into_iter()
            .filter_map(|(key, (count, made))| {
                let stack = layers.get(..count)?.iter();
                // An image's layers are known by their places.
                let stack = stack.map(|diff_id| (diff_id.clone(), diff_id.clone()));
                Some((key, (stack.collect(), made)))
            });
        Self {
            records: found.collect(),
            place,
        }
    }

    /// The step's own key: the other one that the same layers have, where there is one.
    fn own_key(&self, key: &Digest) -> Digest {
        let stack = self.records.get(key).map(|it| &it.0);
        let same = |it: &(&Digest, &(Stack, Timestamp))| it.0 != key && Some(&it.1.0) == stack;
        let mut others = self.records.iter().filter(same).map(|it| it.0);
        match (others.next(), others.next()) {
            (Some(own), None) => own.clone(),
            _ => key.clone(),
        }
    }

    async fn fetch(&self, stack: &Stack) -> Result<()> {
        match &self.place {
            Source::Here => {}
            Source::Image(image) => Box::pin(image.fetch(stack.len())).await?,
            Source::Cache(cache) => Box::pin(cache.fetch(stack)).await?,
        }
        Ok(())
    }
}

impl Inner {
    /// Reads what the request names. What cannot be read is told, and no failure.
    pub(crate) async fn imports(
        &self,
        request: &BuildRequest,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Vec<Import> {
        let mut imports = Vec::new();
        for source in &request.cache_from {
            let name = match source {
                CacheSource::Local(name)
                | CacheSource::Registry(name)
                | CacheSource::Unknown(name) => name,
                CacheSource::Client { store, .. } => store,
            };
            let mut key = Key::new("import");
            key.text(name);
            let title = format!("importing cache manifest from {name}");
            let work = Box::pin(self.import(source, request, session));
            if let Ok(import) = told(progress, &title, &key.finish(), work).await {
                imports.push(import);
            }
        }
        imports
    }

    async fn import(
        &self,
        source: &CacheSource,
        request: &BuildRequest,
        session: &dyn Session,
    ) -> Result<Import> {
        match source {
            CacheSource::Local(name) => {
                let image = self.images.resolve(name)?;
                Ok(Import::of_image(&image.config, Source::Here))
            }
            CacheSource::Registry(name) => {
                let invalid =
                    |error| Error::Invalid(format!("invalid reference {name:?}: {error}"));
                let reference = name.parse::<Reference>().map_err(invalid)?.or_latest();
                // As with dockerd: what this machine has of the name goes first.
                if let Ok(image) = self.images.resolve(name) {
                    return Ok(Import::of_image(&image.config, Source::Here));
                }
                let platform = request.platform.clone().unwrap_or_else(Platform::host);
                let credentials = session.credentials(reference.domain()).await?;
                let unread = |error: corten_images::Error| {
                    let why = match error.kind() {
                        Kind::NotFound => format!("{reference}: not found"),
                        _ => corten_base::chain(&error),
                    };
                    Error::NotFound(format!(
                        "failed to configure registry cache importer: {why}"
                    ))
                };
                let cache = self.images.remote_cache(&reference, credentials.clone());
                if let Some(cache) = Box::pin(cache).await.map_err(unread)? {
                    return Ok(Import {
                        records: cache_manifest::records(cache.config())?,
                        place: Source::Cache(cache),
                    });
                }
                let opening = self.images.remote(&reference, &platform, credentials);
                let remote = Box::pin(opening).await.map_err(unread)?;
                let config = remote.config().clone();
                Ok(Import::of_image(&config, Source::Image(Box::new(remote))))
            }
            CacheSource::Client { store, digest } => {
                let invalid = |_| Error::Invalid(format!("invalid digest {digest:?}"));
                let digest = digest.parse::<Digest>().map_err(invalid)?;
                let store = session.store(store)?;
                let cache = Box::pin(self.images.client_cache(store, &digest)).await?;
                Ok(Import {
                    records: cache_manifest::records(cache.config())?,
                    place: Source::Cache(cache),
                })
            }
            CacheSource::Unknown(kind) => Err(Error::Unsupported(format!(
                "a cache of type {kind} cannot be imported by Corten"
            ))),
        }
    }
}

impl Solver<'_> {
    /// A result that one of the imported images has, fetched if it has to be.
    pub(crate) async fn imported(&self, keys: &[Digest], parents: &[Digest]) -> Option<Output> {
        for import in &self.imports {
            for key in keys {
                let Some((stack, created)) = import.records.get(key) else {
                    continue;
                };
                let layers: Vec<Digest> =
                    stack.iter().map(|(diff_id, _)| diff_id.clone()).collect();
                // An image that somebody made up: the layers below are this build's own.
                if layers.len() != parents.len() + 1 || !layers.starts_with(parents) {
                    continue;
                }
                layers.iter().for_each(|layer| self.lease.hold(layer));
                if let Err(error) = import.fetch(stack).await {
                    let error = corten_base::chain(&error);
                    tracing::debug!(error, "a layer of an imported cache cannot be fetched");
                    continue;
                }
                if self.inner.snapshots.layers().stack(&layers).is_err() {
                    continue;
                }
                return Some(Output {
                    key: keys[0].clone(),
                    layers,
                    files: Files::Layers,
                    made: Some(*created),
                    anew: false,
                });
            }
        }
        None
    }

    /// The same, before anything below the step is done: where the image tells of all steps
    /// that it stands on, down to layers that are this build's own. Without `fetch` only
    /// where those are here, which the step's own is then, too, or small.
    pub(crate) async fn imported_whole(
        &self,
        graph: &Graph,
        node: &Node,
        known: &Known,
        fetch: bool,
    ) -> Option<Output> {
        let definition = &known.definition;
        for import in &self.imports {
            let Some((stack, _)) = import.records.get(definition) else {
                continue;
            };
            let layers: Vec<&Digest> = stack.iter().map(|(diff_id, _)| diff_id).collect();
            let Some((_, parents)) = layers.split_last() else {
                continue;
            };
            if !self.stands_on(import, graph, node, parents) {
                continue;
            }
            let parents: Vec<Digest> = parents.iter().copied().cloned().collect();
            if !fetch && self.inner.snapshots.layers().stack(&parents).is_err() {
                continue;
            }
            let keys = std::slice::from_ref(definition);
            if let Some(found) = self.imported(keys, &parents).await {
                let base = node.inputs.first().map(|it| &graph.nodes[*it]);
                let base = base.and_then(|it| it.known.get());
                let base = base.map(|it| import.own_key(&it.definition));
                let found = Output {
                    key: import.own_key(definition),
                    ..found
                };
                return self.take_in(node, definition, base, found).await;
            }
        }
        None
    }

    /// Puts an imported step on record.
    async fn take_in(
        &self,
        node: &Node,
        definition: &Digest,
        base: Option<Digest>,
        found: Output,
    ) -> Option<Output> {
        let entry = CacheEntry {
            layers: found.layers.clone(),
            size_bytes: 0,
            created: found.made.unwrap_or_else(Timestamp::now),
            last_used: Timestamp::now(),
            uses: 0,
            description: node.vertex.name.clone(),
            parents: base.into_iter().collect(),
            content_key: None,
            shape: Some(node.shape.clone()),
        };
        let mut entries = vec![(found.key.clone(), entry.clone())];
        if found.key != *definition {
            let content_key = Some(found.key.clone());
            let leading = CacheEntry {
                content_key,
                ..entry
            };
            entries.push((definition.clone(), leading));
        }
        let inner = self.inner.clone();
        let adding = self.inner.blocking(move || inner.cache.add(entries));
        match adding.await {
            Ok(()) => Some(found),
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::debug!(error, "a step of an imported cache is not put on record");
                None
            }
        }
    }

    /// Whether `layers` are what is below a step, as the import and the build have it.
    fn stands_on(&self, import: &Import, graph: &Graph, node: &Node, layers: &[&Digest]) -> bool {
        let (mut node, mut layers) = (node, layers);
        while let Some(base) = node.inputs.first() {
            node = &graph.nodes[*base];
            match &node.vertex.op {
                Op::Scratch => return layers.is_empty(),
                Op::Image { layers: own, .. } => return own.iter().eq(layers.iter().copied()),
                _ => {}
            }
            let record = node.known.get();
            let record = record.and_then(|it| import.records.get(&it.definition));
            let same = |stack: &Stack| stack.iter().map(|it| &it.0).eq(layers.iter().copied());
            match (record, layers.split_last()) {
                (Some((stack, _)), Some((_, below))) if same(stack) => layers = below,
                _ => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    #[test]
    fn a_configuration_tells_which_steps_its_layers_are() {
        let layers = [digest("base"), digest("one"), digest("two")];
        let step = |keys: &[&str], count: usize| CachedStep {
            keys: keys.iter().map(|key| digest(key)).collect(),
            layers: layers[..count].to_vec(),
            made: Timestamp::from_unix(7, 0),
        };
        let elsewhere = CachedStep {
            layers: vec![digest("other")],
            ..step(&["x"], 1)
        };
        let steps = [step(&["a"], 2), step(&["b", "also b"], 3), elsewhere];
        let mut config = ImageConfig {
            ..ImageConfig::default()
        };
        tell(&mut config, document(&layers, &steps));
        config.rootfs.diff_ids = layers.to_vec();
        let found = records(&config);
        assert_eq!(found.len(), 3);
        assert_eq!(found[&digest("a")].0, 2);
        for key in ["b", "also b"] {
            assert_eq!(found[&digest(key)], (3, Timestamp::from_unix(7, 0)));
        }
        config.rootfs.diff_ids.truncate(2);
        assert_eq!(records(&config).len(), 1);
        tell(&mut config, "nonsense".into());
        assert!(records(&config).is_empty());
    }
}
