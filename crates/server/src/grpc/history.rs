//! The build cache and the builds of the past, for `buildx du`, `prune` and `history`.

use super::{
    BuildKit,
    record_filter::RecordFilter,
    records::{COMPLETE, STARTED},
    status::Status,
    watch::time,
};
use corten_base::Timestamp;
use corten_build::{CacheEntry, CacheMount, Filter, Keep, PruneOptions, Subject};
use corten_buildkit::control::{
    BuildHistoryEvent, BuildHistoryRequest, DiskUsageRequest, DiskUsageResponse, PruneRequest,
    UpdateBuildHistoryRequest, UpdateBuildHistoryResponse, UsageRecord,
};
use corten_buildkit::history::{ImportRequest, ImportResponse};
use corten_engine::Engine;
use corten_oci::Digest;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

fn record(key: &Digest, entry: &CacheEntry, shared: bool) -> UsageRecord {
    UsageRecord {
        id: key.hex()[..25].to_owned(),
        mutable: false,
        in_use: false,
        size: entry.size_bytes as i64,
        created_at: Some(time(entry.created)),
        last_used_at: Some(time(entry.last_used)),
        // Making it was the first use.
        usage_count: entry.uses as i64 + 1,
        description: entry.description.clone(),
        record_type: "regular".into(),
        shared,
        parents: entry
            .parents
            .iter()
            .map(|it| it.hex()[..25].to_owned())
            .collect(),
    }
}

fn mount(key: &Digest, mount: &CacheMount, in_use: bool) -> UsageRecord {
    UsageRecord {
        id: key.hex()[..25].to_owned(),
        mutable: true,
        in_use,
        size: mount.size_bytes as i64,
        created_at: Some(time(mount.created)),
        last_used_at: Some(time(mount.last_used)),
        usage_count: mount.uses as i64,
        description: mount.description.clone(),
        record_type: mount.kind.record_type().into(),
        shared: false,
        parents: Vec::new(),
    }
}

fn filters(texts: &[String]) -> Result<Vec<Filter>, Status> {
    let given = texts.iter().filter(|text| !text.is_empty());
    let parsed = given
        .map(|text| Filter::parse(text))
        .collect::<Result<_, _>>();
    parsed.map_err(|error| Status::of(&error))
}

pub(super) async fn disk_usage(
    kit: &BuildKit,
    request: DiskUsageRequest,
) -> Result<DiskUsageResponse, Status> {
    Ok(DiskUsageResponse {
        record: records(&kit.engine, &filters(&request.filter)?)?,
    })
}

/// What the cache holds, as far as one of the filters fits.
pub(crate) fn records(engine: &Engine, filters: &[Filter]) -> Result<Vec<UsageRecord>, Status> {
    let of_images = engine.layers_of_images();
    let of_images = of_images.map_err(|error| Status::of(&error))?;
    let fits = |subject: &Subject| filters.is_empty() || filters.iter().any(|it| it.fits(subject));
    let builder = engine.builder();
    let mut records = Vec::new();
    for (key, entry) in &builder.cache().list() {
        if entry.content_key.is_none() && fits(&Subject::of_entry(key, entry)) {
            let own = entry.layers.last();
            let shared = own.is_some_and(|layer| of_images.contains(layer));
            records.push(record(key, entry, shared));
        }
    }
    for (key, one, in_use) in &builder.cache_mounts().list() {
        if fits(&Subject::of_mount(key, one, *in_use)) {
            records.push(mount(key, one, *in_use));
        }
    }
    Ok(records)
}

pub(super) async fn prune(
    kit: &BuildKit,
    request: PruneRequest,
) -> Result<Vec<UsageRecord>, Status> {
    let until = (request.keep_duration > 0).then(|| {
        let nanoseconds = Timestamp::now().unix_nanoseconds() - request.keep_duration;
        Timestamp::from_unix(
            nanoseconds.div_euclid(1_000_000_000),
            nanoseconds.rem_euclid(1_000_000_000) as u32,
        )
    });
    let options = PruneOptions {
        keep: Keep {
            reserved_bytes: request.reserved_space.max(0) as u64,
            max_used_bytes: request.max_used_space.max(0) as u64,
            min_free_bytes: request.min_free_space.max(0) as u64,
        },
        until,
        filters: filters(&request.filter)?,
        ..PruneOptions::default()
    };
    let pruned = kit.engine.build_prune_entries(options, request.all).await;
    let (pruned, _) = pruned.map_err(|error| Status::of(&error))?;
    let entries = pruned.entries.iter();
    let mounts = pruned.mounts.iter();
    Ok(entries
        .map(|(key, entry)| record(key, entry, false))
        .chain(mounts.map(|(key, one)| mount(key, one, false)))
        .collect())
}

/// Builds that go on and those of the past, then what happens to them while the client
/// listens.
pub(super) fn builds(
    kit: &BuildKit,
    request: BuildHistoryRequest,
) -> Result<impl Stream<Item = BuildHistoryEvent> + Send + 'static, Status> {
    let filter = RecordFilter::read(&request.filter, Timestamp::now())?;
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
            .is_some_and(|it| wanted(&it.reference) && filter.fits(it))
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
        // A trace is finished with its build.
        false if request.finalize => Ok(()),
        false => records.pin(&request.reference, request.pinned),
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::cancelled())??;
    Ok(UpdateBuildHistoryResponse {})
}

/// Remembers a build of another engine.
pub(super) async fn import(
    kit: &BuildKit,
    request: ImportRequest,
) -> Result<ImportResponse, Status> {
    let record = request.record;
    let record = record.ok_or_else(|| Status::invalid("an import without a build record"))?;
    let records = std::sync::Arc::clone(&kit.records);
    let work = move || records.import(record, request.blobs);
    let done = tokio::task::spawn_blocking(work).await;
    let known = done.map_err(|_| Status::cancelled())??;
    Ok(ImportResponse { known })
}
