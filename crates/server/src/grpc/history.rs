//! The build cache and the builds of the past, for `buildx du`, `prune` and `history`.

use super::{BuildKit, status::Status, watch::time};
use corten_base::Timestamp;
use corten_build::{CacheEntry, PruneOptions};
use corten_buildkit::control::{
    BuildHistoryEvent, BuildHistoryRequest, DiskUsageRequest, DiskUsageResponse, PruneRequest,
    UsageRecord,
};
use corten_oci::Digest;

/// [`BuildHistoryEvent::kind`]: a build that is over.
const COMPLETE: i32 = 1;

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

pub(super) fn builds(kit: &BuildKit, request: BuildHistoryRequest) -> Vec<BuildHistoryEvent> {
    let wanted = |reference: &str| request.reference.is_empty() || request.reference == reference;
    if request.active_only {
        return Vec::new();
    }
    let list = kit
        .jobs
        .history()
        .into_iter()
        .filter(|it| wanted(&it.reference));
    list.map(|record| BuildHistoryEvent {
        kind: COMPLETE,
        record: Some(record),
    })
    .collect()
}
