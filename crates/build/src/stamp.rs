//! Times of a result: none later than one that the user gives, so that the same inputs give
//! the same image (reproducible-builds.org, `SOURCE_DATE_EPOCH`).

use crate::{
    BuildResult, Builder, Error, Result, build::Inner, commit::Hashing, context::told, key::Key,
    progress::ProgressSender,
};
use corten_archive::{ApplyOptions, DiffOptions, Times, apply, diff};
use corten_base::Timestamp;
use corten_oci::{Digest, Hasher};
use corten_snapshot::{LayerLease, NewLayer};
use std::{os::fd::AsFd, sync::Arc};

/// Which times of a result are brought back.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Seconds since 1970 that nothing is later than.
    pub epoch: i64,
    /// Those of files in the build's own layers, too; an image that it stands on keeps its
    /// layers.
    pub layers: bool,
}

impl Builder {
    /// The result with no time later than asked. Layers whose times change are new ones.
    ///
    /// # Errors
    /// The file system's.
    pub async fn stamped(
        &self,
        result: &Arc<BuildResult>,
        stamp: Stamp,
        progress: &ProgressSender,
    ) -> Result<Arc<BuildResult>> {
        let at = Timestamp::from_unix(stamp.epoch, 0);
        let mut config = result.config.clone();
        let later = |time: Option<Timestamp>| time.is_none_or(|time| time > at);
        for line in config.history.iter_mut().skip(result.base_history) {
            if later(line.created) {
                line.created = Some(at);
            }
        }
        if later(config.created) {
            config.created = Some(at);
        }
        let mut layers = result.layers.clone();
        if stamp.layers {
            let mut key = Key::new("stamp");
            key.texts(layers.iter().map(Digest::hex));
            let epoch = stamp.epoch;
            let title = format!("rewriting layers with source-date-epoch {epoch} ({at})");
            let (inner, own) = (self.0.clone(), result.clone());
            layers = told(progress, &title, &key.finish(), async move {
                let ours = inner.clone();
                inner.blocking(move || rewritten(&ours, &own, epoch)).await
            })
            .await?;
        }
        config.rootfs.diff_ids.clone_from(&layers);
        Ok(Arc::new(BuildResult {
            config,
            layers,
            platform: result.platform.clone(),
            base_layers: result.base_layers,
            base_history: result.base_history,
            source_date_epoch: Some(stamp.epoch),
            warnings: result.warnings.clone(),
            source: result.source.clone(),
            materials: result.materials.clone(),
            steps: result.steps.clone(),
            _lease: result._lease.clone(),
        }))
    }
}

/// The result's layers, the build's own with their times brought back. Blocking.
fn rewritten(inner: &Inner, result: &BuildResult, epoch: i64) -> Result<Vec<Digest>> {
    let mut layers = result.layers[..result.base_layers].to_vec();
    for end in result.base_layers..result.layers.len() {
        let chain = &result.layers[..=end];
        let new = rewrite(inner, &result._lease, chain, &layers, epoch)?;
        layers.push(new);
    }
    Ok(layers)
}

/// The top layer of `chain` to stand on `below`, with its times brought back.
fn rewrite(
    inner: &Inner,
    lease: &LayerLease,
    chain: &[Digest],
    below: &[Digest],
    epoch: i64,
) -> Result<Digest> {
    let store = inner.snapshots.layers();
    let diff_id = &chain[chain.len() - 1];
    let missing = || Error::NotFound(format!("layer {diff_id} is not on this machine"));
    let found = store.find(chain)?.ok_or_else(missing)?;
    let directory = found.open()?;
    let options = DiffOptions {
        times: Times::AtMost(epoch),
        ..DiffOptions::default()
    };
    // Most layers of a second build are here already: the cheaper pass first.
    let hashed = diff(directory.as_fd(), Hashing(Hasher::sha256()), &options)?;
    let new = hashed.0.finish();
    lease.hold(&new);
    let mut own = below.to_vec();
    own.push(new.clone());
    if store.find(&own)?.is_some() {
        return Ok(new);
    }
    let pending = store.begin()?;
    let target = pending.open()?;
    let piping = |error| Error::path("reading", pending.path(), error);
    let (reader, writer) = std::io::pipe().map_err(piping)?;
    let (written, applied) = std::thread::scope(|scope| {
        let writing = scope.spawn(|| diff(directory.as_fd(), writer, &options).map(drop));
        let applied = apply(reader, target.as_fd(), &ApplyOptions::default());
        let written = writing.join();
        (
            written.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            applied,
        )
    });
    let applied = applied?;
    written?;
    if applied.diff_id != new || !applied.unsettled.is_empty() {
        return Err(Error::Checksum {
            actual: applied.diff_id,
            expected: new,
        });
    }
    let layer = NewLayer {
        diff_id: new.clone(),
        settled_on: None,
        size_bytes: applied.size_bytes,
        has_root: applied.has_root,
        root_opaque: applied.root_opaque,
    };
    store.commit(vec![(pending, layer)])?;
    Ok(new)
}
