//! Layers of base images in an artifact that is pushed. A registry has their blobs, and the
//! artifact should list these very ones; this machine may have only the files of them.
//!
//! ```text
//! blob on record ─┬─ here ─────────────────────────────────────> listed
//!                 ├─ at every target, or mounted there ────────> listed, never sent
//!                 ├─ at a registry that it is known to be at ──> fetched, listed
//!                 └─ nowhere ──────────────────────────────────> compressed anew
//! ```

use crate::{
    Error, Result,
    artifact::{self, Artifact, ArtifactRequest},
    layer_bytes::has_blob,
    layer_stack::Leases,
    push_layer::mount,
    record::LayerRecord,
    repair::fetch,
    rooms::{Inner, blocking},
};
use corten_distribution::{Access, Credentials, Repository};
use corten_oci::{Descriptor, Digest, Reference};
use futures_util::future::{join_all, try_join_all};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

/// An artifact that is to be pushed under its names.
#[derive(Debug, Default)]
pub struct PushedArtifact {
    /// What it is made of, and its names.
    pub request: ArtifactRequest,
    /// This machine keeps it, too: all its blobs have to be here.
    pub is_kept: bool,
    /// By domain, see [`crate::Images::push_domains`].
    pub credentials: BTreeMap<String, Credentials>,
}

/// A layer of a base image whose blob is not here.
struct Base {
    diff_id: Digest,
    record: LayerRecord,
}

/// The domains that are asked when the artifact is made and pushed.
pub(crate) fn domains(inner: &Inner, request: &ArtifactRequest) -> BTreeSet<String> {
    let mut domains: BTreeSet<String> = request
        .names
        .iter()
        .map(|name| name.domain().to_owned())
        .collect();
    for base in bases(inner, request) {
        let sources = base.record.sources.iter().filter(|it| !it.made);
        domains.extend(sources.map(|it| it.domain.clone()));
    }
    domains
}

/// Makes the artifact.
pub(crate) async fn make(inner: &Arc<Inner>, pushed: PushedArtifact) -> Result<Artifact> {
    let (rooms, own) = (Arc::clone(inner), pushed.request.clone());
    let bases = blocking(move || Ok(bases(&rooms, &own))).await?;
    // The blobs stay until the artifact itself holds them.
    let leases = Arc::new(Leases::new(&inner.rooms));
    let mut elsewhere = HashSet::new();
    if !bases.is_empty() {
        let targets = targets(inner, &pushed).await;
        let brought = bases.iter().map(|base| async {
            base.record.hold_blobs(&leases);
            let there = !pushed.is_kept && is_at_all(base, &targets).await;
            if !there {
                bring(inner, base, &pushed).await;
            }
            there.then(|| base.record.blob.digest.clone())
        });
        elsewhere.extend(join_all(brought).await.into_iter().flatten());
    }
    let (inner, request) = (Arc::clone(inner), pushed.request);
    let made = blocking(move || artifact::make(&inner, request, &elsewhere)).await;
    drop(leases);
    made
}

fn bases(inner: &Inner, request: &ArtifactRequest) -> Vec<Base> {
    let mut bases = Vec::new();
    if request.compression.force {
        return bases;
    }
    let state = inner.state();
    let images = request.images.iter();
    let diff_ids: BTreeSet<&Digest> = images.flat_map(|it| it.config.diff_ids()).collect();
    for diff_id in diff_ids {
        let known = state.layers.get(diff_id);
        let Some(record) = known.filter(|it| it.is_of_a_registry()) else {
            continue;
        };
        if !has_blob(&inner.rooms.content, &record.blob) {
            bases.push(Base {
                diff_id: diff_id.clone(),
                record: record.clone(),
            });
        }
    }
    bases
}

/// Where the artifact goes.
async fn targets(inner: &Arc<Inner>, pushed: &PushedArtifact) -> Vec<(Reference, Repository)> {
    let open = |name: &Reference| {
        let (name, inner) = (name.clone(), Arc::clone(inner));
        let credentials = pushed.credentials.get(name.domain()).cloned();
        async move {
            let registries = inner.registries();
            let repository = registries.repository(&name, credentials, Access::Push);
            let repository = repository.await;
            (name, repository)
        }
    };
    join_all(pushed.request.names.iter().map(open)).await
}

/// Whether all targets have the layer's blob, or have taken it from a repository beside.
async fn is_at_all(base: &Base, targets: &[(Reference, Repository)]) -> bool {
    let is_there = async |(name, repository): &(Reference, Repository)| -> Result<()> {
        let digest = &base.record.blob.digest;
        if repository.blob_size(digest).await?.is_some() {
            return Ok(());
        }
        let mounted = mount(repository, name, &base.record, digest).await;
        mounted
            .map(drop)
            .ok_or_else(|| Error::NoBytes(base.diff_id.clone()))
    };
    // What else goes wrong at a target is told by the push.
    try_join_all(targets.iter().map(is_there)).await.is_ok()
}

/// Fetches the blob from where it is known to be. Without it the layer is compressed anew.
async fn bring(inner: &Arc<Inner>, base: &Base, pushed: &PushedArtifact) {
    let sources = base.record.sources.iter().rev().filter(|it| !it.made);
    for source in sources.take(SOURCES_ASKED) {
        let credentials = pushed.credentials.get(&source.domain).cloned();
        match from(inner, source.to_string(), credentials, &base.record.blob).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(%source, %error, "a base's blob is not to be had"),
        }
    }
}

/// Registries that are asked for one blob: each may take long to be found gone.
const SOURCES_ASKED: usize = 2;

async fn from(
    inner: &Arc<Inner>,
    name: String,
    credentials: Option<Credentials>,
    blob: &Descriptor,
) -> Result<()> {
    let name: Reference = name.parse()?;
    let registries = inner.registries();
    let repository = registries.repository(&name, credentials, Access::Pull);
    fetch(inner, Arc::new(repository.await), blob).await
}
