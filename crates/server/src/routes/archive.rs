//! Files in containers: cp, export, diff.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, json, stream},
    messages,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_api::{container as wire, json as wire_json};
use corten_engine::{ArchivePutOptions, PathStat};
use http::{HeaderValue, Response};

const STAT_HEADER: &str = "X-Docker-Container-Path-Stat";

fn path(call: &Call) -> Result<&str, ApiError> {
    match call.query.text("path") {
        "" => Err(ApiError::invalid(messages::NO_PATH)),
        path => Ok(path),
    }
}

/// Puts `stat` into its header: base64 of JSON.
fn with_stat<B>(mut response: Response<B>, stat: PathStat) -> Response<B> {
    let PathStat {
        name,
        size,
        mode,
        modified,
        link_target,
    } = stat;
    let stat = wire::PathStat {
        name,
        size,
        mode,
        mtime: modified.to_string(),
        link_target,
    };
    let text = STANDARD.encode(wire_json::to_vec(&stat));
    let value = HeaderValue::try_from(text).expect("base64 is visible ASCII");
    response.headers_mut().insert(STAT_HEADER, value);
    response
}

pub(super) async fn stat(call: Call) -> Reply {
    let stat = call.engine.archive_stat(&call.name, path(&call)?).await?;
    Ok(with_stat(super::ok_empty()?, stat))
}

pub(super) async fn get(call: Call) -> Reply {
    let (stat, body) = call.engine.archive_get(&call.name, path(&call)?).await?;
    Ok(with_stat(stream("application/x-tar", body), stat))
}

pub(super) async fn put(mut call: Call) -> Reply {
    let options = ArchivePutOptions {
        path: path(&call)?.to_owned(),
        no_overwrite_directory_non_directory: call.query.flag("noOverwriteDirNonDir"),
        copy_uid_gid: call.query.flag("copyUIDGID"),
    };
    let body = crate::http::stream_of(call.body.take());
    call.engine.archive_put(&call.name, options, body).await?;
    super::ok_empty()
}

pub(super) async fn export(call: Call) -> Reply {
    let body = call.engine.container_export(&call.name).await?;
    Ok(stream("application/octet-stream", body))
}

pub(super) async fn changes(call: Call) -> Reply {
    let changes = call.engine.container_diff(&call.name).await?;
    let changes: Vec<_> = changes
        .into_iter()
        .map(convert::filesystem_change)
        .collect();
    // Go writes the empty list of this endpoint as null.
    if changes.is_empty() {
        json(&())
    } else {
        json(&changes)
    }
}
