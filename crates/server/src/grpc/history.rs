//! The build cache and the builds of the past, for `buildx du`, `prune` and `history`.

use super::{
    BuildKit,
    records::{COMPLETE, STARTED},
    status::Status,
    watch::time,
};
use corten_base::Timestamp;
use corten_build::{CacheEntry, PruneOptions};
use corten_buildkit::control::{
    BuildHistoryEvent, BuildHistoryRequest, DiskUsageRequest, DiskUsageResponse, PruneRequest,
    UpdateBuildHistoryRequest, UpdateBuildHistoryResponse, UsageRecord,
};
use corten_oci::Digest;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

fn record(key: &Digest, entry: &CacheEntry) -> UsageRecord {
    UsageRecord {
        id: key.hex()[..25].to_owned(),
        mutable: false,
        in_use: false,
        size: entry.size_bytes as i64,
        created_at: Some(time(entry.created)),
        last_used_at: Some(time(entry.last_used)),
        usage_count: entry.uses as i64,
        description: entry.description.clone(),
        record_type: "regular".into(),
        shared: false,
        parents: entry
            .parents
            .iter()
            .map(|it| it.hex()[..25].to_owned())
            .collect(),
    }
}

pub(super) async fn disk_usage(
    kit: &BuildKit,
    request: DiskUsageRequest,
) -> Result<DiskUsageResponse, Status> {
    if request.filter.iter().any(|it| !it.is_empty()) {
        return Err(Status::unimplemented(
            "filters of the build cache are not supported by Corten",
        ));
    }
    let entries = kit.engine.builder().cache().list();
    let own = entries
        .iter()
        .filter(|(_, entry)| entry.content_key.is_none());
    Ok(DiskUsageResponse {
        record: own.map(|(key, entry)| record(key, entry)).collect(),
    })
}

pub(super) async fn prune(
    kit: &BuildKit,
    request: PruneRequest,
) -> Result<Vec<UsageRecord>, Status> {
    let filtered = request.filter.iter().any(|it| !it.is_empty());
    if filtered || request.max_used_space != 0 || request.min_free_space != 0 {
        return Err(Status::unimplemented(
            "pruning by filters, used or free space is not supported by Corten",
        ));
    }
    let until = (request.keep_duration > 0).then(|| {
        let nanoseconds = Timestamp::now().unix_nanoseconds() - request.keep_duration;
        Timestamp::from_unix(
            nanoseconds.div_euclid(1_000_000_000),
            nanoseconds.rem_euclid(1_000_000_000) as u32,
        )
    });
    let options = PruneOptions {
        keep_bytes: request.reserved_space.max(0) as u64,
        until,
        ..PruneOptions::default()
    };
    let pruned = kit.engine.build_prune_entries(options, request.all).await;
    let pruned = pruned.map_err(|error| Status::of(&error))?;
    Ok(pruned
        .entries
        .iter()
        .map(|(key, entry)| record(key, entry))
        .collect())
}

/// Builds that go on and those of the past, then what happens to them while the client
/// listens.
pub(super) fn builds(
    kit: &BuildKit,
    request: BuildHistoryRequest,
) -> Result<impl Stream<Item = BuildHistoryEvent> + Send + 'static, Status> {
    if request.filter.iter().any(|it| !it.is_empty()) {
        return Err(Status::unimplemented(
            "filters of the build history are not supported by Corten",
        ));
    }
    let events = kit.records.follow();
    let wanted = request.reference.clone();
    let wanted = move |reference: &str| wanted.is_empty() || wanted == reference;
    let event = |kind, record| BuildHistoryEvent {
        kind,
        record: Some(record),
    };
    let running = kit.jobs.running().into_iter();
    let mut list: Vec<_> = running.map(|it| event(STARTED, it)).collect();
    if !request.active_only {
        let past = kit.records.list().into_iter();
        list.extend(past.map(|it| event(COMPLETE, it)));
    }
    let fits = move |event: &BuildHistoryEvent| {
        event
            .record
            .as_ref()
            .is_some_and(|it| wanted(&it.reference))
    };
    list.retain(&fits);
    if request.limit > 0 {
        // The newest of them.
        list.sort_by_key(|it| {
            let at = it.record.as_ref().and_then(|it| it.created_at.clone());
            std::cmp::Reverse(at.map(|at| (at.seconds, at.nanos)))
        });
        list.truncate(request.limit as usize);
    }
    let listening = stream::unfold(events, |mut events| async move {
        loop {
            match events.recv().await {
                Ok(event) => return Some((event, events)),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    let listening = listening.filter(move |event| std::future::ready(fits(event)));
    let list = stream::iter(list);
    Ok(match request.early_exit {
        true => list.boxed(),
        false => list.chain(listening).boxed(),
    })
}

/// Pins a build's record, or forgets it.
pub(super) async fn update(
    kit: &BuildKit,
    request: UpdateBuildHistoryRequest,
) -> Result<UpdateBuildHistoryResponse, Status> {
    let records = std::sync::Arc::clone(&kit.records);
    let work = move || match request.delete {
        true => records.forget(&request.reference),
        // Traces are not taken, so there is nothing to finish.
        false if request.finalize => Ok(()),
        false => records.pin(&request.reference, request.pinned),
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::cancelled())??;
    Ok(UpdateBuildHistoryResponse {})
}
