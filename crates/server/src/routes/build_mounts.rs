//! The builder's cache mounts, beyond Docker.

use crate::http::{Call, Reply, json, no_content, stream, stream_of};
use corten_api::system::CacheMount;
use corten_build::KeptKind;

pub(super) fn list(call: &Call) -> Reply {
    let mounts = call.engine.builder().cache_mounts().list().into_iter();
    let mut list: Vec<CacheMount> = mounts
        .filter(|(_, mount, _)| mount.kind == KeptKind::CacheMount)
        .map(|(_, mount, in_use)| CacheMount {
            id: mount.id,
            description: mount.description,
            size: mount.size_bytes as i64,
            created_at: mount.created.to_string(),
            last_used_at: mount.last_used.to_string(),
            usage_count: mount.uses as i64,
            in_use,
        })
        .collect();
    list.sort_by(|a, b| a.id.cmp(&b.id));
    json(&list)
}

pub(super) async fn export(call: Call) -> Reply {
    let body = call.engine.cache_mount_export(call.query.text("id"));
    Ok(stream("application/x-tar", body.await?))
}

pub(super) async fn import(mut call: Call) -> Reply {
    let body = stream_of(call.body.take());
    let imported = call.engine.cache_mount_import(call.query.text("id"), body);
    imported.await?;
    no_content()
}
