//! Volumes.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, created, json, no_content, read_json, stream, stream_of},
    messages,
};
use corten_api::volume as wire;
use corten_base::Kind;
use corten_engine::VolumeCopy;

pub(super) async fn list(call: Call) -> Reply {
    let volumes = call.engine.volume_list(call.query.filters()?).await?;
    let volumes = volumes.into_iter().map(convert::volume).collect();
    json(&wire::ListResponse {
        volumes: Some(volumes),
        warnings: None,
    })
}

pub(super) async fn inspect(call: Call) -> Reply {
    json(&convert::volume(
        call.engine.volume_inspect(&call.name).await?,
    ))
}

pub(super) async fn create(mut call: Call) -> Reply {
    let request: wire::CreateRequest = read_json(&mut call).await?;
    let request = convert::volume_create_request(request)?;
    created(&convert::volume(call.engine.volume_create(request).await?))
}

pub(super) fn update() -> Reply {
    Err(ApiError::new(Kind::Unavailable, messages::NO_VOLUME_UPDATE))
}

pub(super) async fn remove(call: Call) -> Reply {
    call.engine
        .volume_remove(&call.name, call.query.flag("force"))
        .await?;
    no_content()
}

pub(super) async fn export(call: Call) -> Reply {
    let body = call.engine.volume_export(&call.name).await?;
    Ok(stream("application/x-tar", body))
}

pub(super) async fn import(mut call: Call) -> Reply {
    let body = stream_of(call.body.take());
    let volume = call.engine.volume_import(&call.name, body).await?;
    json(&convert::volume(volume))
}

pub(super) async fn copy(call: Call, kind: VolumeCopy) -> Reply {
    let pause = call.query.text("pause").is_empty() || call.query.flag("pause");
    let volume = call
        .engine
        .volume_copy(&call.name, call.query.text("name"), kind, pause)
        .await?;
    created(&convert::volume(volume))
}

pub(super) async fn rename(call: Call) -> Reply {
    let new = call.query.text("name");
    call.engine.volume_rename(&call.name, new).await?;
    no_content()
}
