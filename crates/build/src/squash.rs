//! A result with one layer on top of its base: what the build's own layers show together.

use crate::{
    BuildResult, Builder, Error, Result, build::Inner, commit::Hashing, context::told,
    inline_cache, key::Key, progress::ProgressSender,
};
use corten_archive::{DiffOptions, LowerView, diff, merge};
use corten_oci::{Digest, Hasher, History};
use corten_snapshot::NewLayer;
use std::{os::fd::AsFd, sync::Arc};

impl Builder {
    /// The result with all the build's own layers made one; those of the image that it
    /// stands on stay. The history tells the steps as ones without a layer, and the merge
    /// last, as `docker build --squash` of dockerd's classic builder does.
    ///
    /// # Errors
    /// The file system's.
    pub async fn squashed(
        &self,
        result: &Arc<BuildResult>,
        progress: &ProgressSender,
    ) -> Result<Arc<BuildResult>> {
        let own = result.layers.len() - result.base_layers;
        if own < 2 {
            return Ok(result.clone());
        }
        let mut config = result.config.clone();
        if inline_cache::forget(&mut config) {
            let text = "an image that is squashed has no layers that an inline cache could tell of";
            progress.warn(text).await;
        }
        let mut key = Key::new("squash");
        key.number(result.base_layers as u64);
        key.texts(result.layers.iter().map(Digest::hex));
        let title = format!("squashing {own} layers");
        let (inner, ours) = (self.0.clone(), result.clone());
        let work = async move {
            let room = inner.clone();
            inner.blocking(move || squash(&room, &ours)).await
        };
        let layers = told(progress, &title, &key.finish(), work).await?;
        // Nothing of the base is left where the build has hidden all of it.
        let kept = match layers.len() > 1 {
            true => result.base_history,
            false => 0,
        };
        for line in config.history.iter_mut().skip(kept) {
            line.empty_layer = Some(true);
        }
        config.history.push(History {
            created: config.created,
            comment: Some(format!("merge of {own} layers")),
            ..History::default()
        });
        config.rootfs.diff_ids.clone_from(&layers);
        Ok(Arc::new(BuildResult {
            config,
            base_layers: layers.len() - 1,
            base_history: kept,
            layers,
            platform: result.platform.clone(),
            source_date_epoch: result.source_date_epoch,
            warnings: result.warnings.clone(),
            source: result.source.clone(),
            materials: result.materials.clone(),
            steps: result.steps.clone(),
            _lease: result._lease.clone(),
        }))
    }
}

/// The layers of the base and one more. Blocking.
fn squash(inner: &Inner, result: &BuildResult) -> Result<Vec<Digest>> {
    let store = inner.snapshots.layers();
    let mut kept = result.base_layers;
    let mut own = Vec::new();
    for end in (result.base_layers..result.layers.len()).rev() {
        let layer = store.find(&result.layers[..=end])?.ok_or_else(|| {
            let diff_id = &result.layers[end];
            Error::NotFound(format!("layer {diff_id} is not on this machine"))
        })?;
        own.push(layer.open()?);
        if layer.root_opaque {
            kept = 0;
            break;
        }
    }
    let mut layers = result.layers[..kept].to_vec();
    let below = LowerView::open(&store.directories(&layers)?)?;
    corten_base::step("build.squash");
    let pending = store.begin()?;
    let directory = pending.open()?;
    let size_bytes = merge(directory.as_fd(), &LowerView::of(own), &below)?;
    let hashing = Hashing(Hasher::sha256());
    let hashed = diff(directory.as_fd(), hashing, &DiffOptions::default())?;
    let diff_id = hashed.0.finish();
    result._lease.hold(&diff_id);
    layers.push(diff_id.clone());
    if store.find(&layers)?.is_none() {
        let layer = NewLayer {
            diff_id,
            settled_on: None,
            size_bytes,
            has_root: false,
            root_opaque: false,
        };
        corten_base::step("build.squashed");
        store.commit(vec![(pending, layer)])?;
    }
    Ok(layers)
}
