//! The layers of one pull: all at once, each told to the user as it goes on.

use crate::{
    Action, Error, ProgressSender, Result,
    download::{Download, DownloadRequest, Stage},
    layer_stack::{Blobs, Committed, LayerFacts, Leases, commit_stack},
    rooms::{Inner, blocking},
};
use bytes::Bytes;
use corten_distribution::Repository;
use corten_oci::{Descriptor, Digest};
use futures_util::future::try_join_all;
use std::sync::Arc;

/// How often the layers are fetched anew because another pull that was to commit some of
/// them failed.
const ROUNDS_MAX: usize = 3;

/// Where an image's layers come from.
pub(crate) struct Source<'a> {
    /// None: the content store has all of them.
    pub repository: Option<&'a Arc<Repository>>,
    pub leases: &'a Arc<Leases>,
    /// The lowest first.
    pub blobs: &'a [Descriptor],
    /// As many.
    pub diff_ids: &'a [Digest],
    /// Made durable together with the layers.
    pub documents: [Bytes; 2],
    pub kept: Blobs,
}

/// Fetches, unpacks and commits the layers that are not here.
pub(crate) async fn fetch_layers(
    inner: &Arc<Inner>,
    source: Source<'_>,
    progress: &ProgressSender,
) -> Result<Vec<LayerFacts>> {
    for _ in 0..ROUNDS_MAX {
        let here = present(inner, source.blobs, source.diff_ids).await?;
        let mut downloads: Vec<Option<Arc<Download>>> = Vec::new();
        for (blob, here) in source.blobs.iter().zip(&here) {
            if *here {
                progress.layer(blob.digest.short(), "Already exists").await;
                downloads.push(None);
                continue;
            }
            progress
                .layer(blob.digest.short(), "Pulling fs layer")
                .await;
            downloads.push(Some(inner.downloads.start(DownloadRequest {
                rooms: inner.rooms.clone(),
                repository: source.repository.cloned(),
                blob: blob.clone(),
                attempts: inner.config.max_download_attempts,
            })));
        }
        if inner.downloads.are_full() {
            for (blob, _) in source.blobs.iter().zip(&here).filter(|(_, here)| !**here) {
                progress.layer(blob.digest.short(), "Waiting").await;
            }
        }
        let follows = source.blobs.iter().zip(&downloads);
        try_join_all(follows.map(|(blob, download)| follow(blob, download.as_deref(), progress)))
            .await
            .map_err(Error::unshared)?;
        let turn = inner.committing.lock().await;
        let (rooms, diff_ids) = (inner.rooms.clone(), source.diff_ids.to_vec());
        let (taken, documents) = (downloads.clone(), source.documents.clone());
        let (leases, blobs) = (Arc::clone(source.leases), source.kept);
        let committed = blocking(move || {
            let take = |index: usize| taken[index].as_ref().and_then(|download| download.take());
            commit_stack(
                &rooms,
                &leases,
                &diff_ids,
                take,
                &documents.each_ref().map(|d| &d[..]),
                blobs,
            )
        })
        .await?;
        drop(turn);
        if let Committed::Layers(facts) = committed {
            for (blob, _) in source
                .blobs
                .iter()
                .zip(&downloads)
                .filter(|(_, d)| d.is_some())
            {
                progress.layer(blob.digest.short(), "Pull complete").await;
            }
            return Ok(facts);
        }
    }
    Err(Error::Interrupted)
}

/// Which layers need nothing: unpacked on the same lower layers, and their bytes to be had.
pub(crate) async fn present(
    inner: &Arc<Inner>,
    blobs: &[Descriptor],
    diff_ids: &[Digest],
) -> Result<Vec<bool>> {
    let known: Vec<(Descriptor, bool)> = {
        let state = inner.state();
        let kept = |(diff_id, blob): (&Digest, &Descriptor)| {
            let record = state.layers.get(diff_id);
            record.map_or_else(|| (blob.clone(), false), |it| (it.blob.clone(), true))
        };
        diff_ids.iter().zip(blobs).map(kept).collect()
    };
    let (rooms, diff_ids) = (inner.rooms.clone(), diff_ids.to_vec());
    blocking(move || {
        let mut here = Vec::new();
        for (index, (blob, recorded)) in known.iter().enumerate() {
            let unpacked = rooms.layers.find(&diff_ids[..=index])?;
            let kept = rooms.content.size(&blob.digest).ok();
            // One that was cut off is as good as none. Sizes that only a manifest tells are
            // no reason to throw anything away.
            if *recorded && kept.is_some_and(|size| size != blob.size) {
                rooms.content.delete(&blob.digest)?;
            }
            let whole = kept == Some(blob.size);
            here.push(unpacked.is_some_and(|layer| whole || layer.has_tar()));
        }
        Ok(here)
    })
    .await
}

/// Tells a layer's way in Docker's words until it is unpacked.
async fn follow(
    blob: &Descriptor,
    download: Option<&Download>,
    progress: &ProgressSender,
) -> Result<()> {
    let Some(download) = download else {
        return Ok(());
    };
    let (id, size) = (blob.digest.short(), blob.size);
    let mut stages = download.watch();
    // Stages between two looks are told as well: the words, not the figures.
    let mut told = 0;
    loop {
        let stage = stages.borrow_and_update().clone();
        let reached = match &stage {
            Stage::Waiting | Stage::Downloading(_) => 0,
            Stage::Verifying => 1,
            Stage::Downloaded | Stage::Extracting(_) | Stage::Done => 2,
            Stage::Failed(error) => return Err(Error::Shared(Arc::clone(error))),
        };
        if told < 1 && reached >= 1 {
            progress.layer(id, "Verifying Checksum").await;
        }
        if told < 2 && reached >= 2 {
            progress.layer(id, "Download complete").await;
        }
        told = told.max(reached);
        match stage {
            Stage::Downloading(now) => progress.figure(id, Action::Downloading, now, Some(size)),
            Stage::Extracting(now) => progress.figure(id, Action::Extracting, now, Some(size)),
            Stage::Done => {
                progress.figure(id, Action::Extracting, size, Some(size));
                return Ok(());
            }
            _ => {}
        }
        if stages.changed().await.is_err() {
            return download.finished().await;
        }
    }
}
