//! Removal of what nobody uses.

use crate::{
    convert,
    http::{Call, Reply, json},
};
use corten_api::{container, image, network, volume};
use corten_engine::CleanupReason;

pub(super) async fn containers(call: Call) -> Reply {
    let report = call.engine.container_prune(call.query.filters()?).await?;
    let deleted = (!report.deleted.is_empty()).then_some(report.deleted);
    json(&container::PruneReport {
        containers_deleted: deleted,
        space_reclaimed: report.space_reclaimed,
    })
}

pub(super) async fn images(call: Call) -> Reply {
    let report = call.engine.image_prune(call.query.filters()?).await?;
    let deleted: Vec<_> = report
        .deleted
        .into_iter()
        .map(convert::delete_item)
        .collect();
    json(&image::PruneReport {
        images_deleted: (!deleted.is_empty()).then_some(deleted),
        space_reclaimed: report.space_reclaimed,
    })
}

pub(super) async fn networks(call: Call) -> Reply {
    let report = call.engine.network_prune(call.query.filters()?).await?;
    let deleted = (!report.deleted.is_empty()).then_some(report.deleted);
    json(&network::PruneReport {
        networks_deleted: deleted,
    })
}

pub(super) async fn volumes(call: Call) -> Reply {
    let mut filters = call.query.filters()?;
    // Before 1.42 named volumes were pruned too.
    if !call.since(42) {
        filters.add("all", "true");
    }
    let report = call.engine.volume_prune(filters).await?;
    json(&volume::PruneReport {
        volumes_deleted: Some(report.deleted),
        space_reclaimed: report.space_reclaimed,
    })
}

pub(super) async fn cleanup(call: Call) -> Reply {
    let report = call
        .engine
        .image_cleanup(call.query.flag("dry-run"))
        .await?;
    let images = report.images.into_iter().map(|one| image::CleanupItem {
        id: one.id.to_string(),
        names: one.names,
        last_used: one.last_used.to_string(),
        size: one.bytes,
        reason: match one.reason {
            CleanupReason::Age => "age",
            CleanupReason::Size => "size",
            CleanupReason::Disk => "disk",
        }
        .to_owned(),
    });
    json(&image::CleanupReport {
        images: images.collect(),
        space_reclaimed: report.space_reclaimed,
    })
}
