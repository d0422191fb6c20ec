//! Pull, push, load, import: 200 at once, then one JSON message a line; a failure is the
//! last message.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, pass_over, stream, stream_of},
};
use bytes::Bytes;
use corten_api::{json, progress::LINE_END};
use corten_engine::{ImageVerifyRequest, ImportRequest, PullRequest, PushRequest};
use corten_model::Progress;
use futures_util::{StreamExt, stream::BoxStream};

fn messages(progress: BoxStream<'static, Progress>) -> Reply {
    let lines = progress.map(|message| {
        let mut line = json::to_vec(&convert::progress(message));
        line.extend_from_slice(LINE_END);
        Ok(Bytes::from(line))
    });
    Ok(stream("application/json", lines))
}

fn platform(call: &Call) -> Option<String> {
    let platform = call.query.text("platform");
    // The parameter came with 1.32.
    (call.since(32) && !platform.is_empty()).then(|| platform.to_owned())
}

pub(super) async fn create(mut call: Call) -> Reply {
    let query = &call.query;
    let text = |name: &str| query.text(name).to_owned();
    let image = text("fromImage");
    if !image.is_empty() {
        let request = PullRequest {
            image,
            tag: text("tag"),
            platform: platform(&call),
            auth: convert::registry_auth(&call.headers)?,
        };
        return messages(call.engine.image_pull(request).await?);
    }
    let source = text("fromSrc");
    if source.is_empty() {
        return Err(ApiError::invalid("neither fromImage nor fromSrc is given"));
    }
    let request = ImportRequest {
        repository: text("repo"),
        tag: text("tag"),
        message: text("message"),
        changes: query.all("changes"),
        platform: platform(&call),
    };
    if source != "-" {
        pass_over(&mut call).await?;
        return messages(call.engine.image_import_url(request, &source).await?);
    }
    let body = stream_of(call.body.take());
    messages(call.engine.image_import(request, body).await?)
}

pub(super) async fn push(mut call: Call) -> Reply {
    // The stock client sends an empty object along.
    pass_over(&mut call).await?;
    let platform = call.query.text("platform");
    let request = PushRequest {
        image: call.name.clone(),
        tag: call.query.text("tag").to_owned(),
        // The parameter came with 1.46, as the JSON of an OCI platform.
        platform: if call.since(46) && !platform.is_empty() {
            Some(convert::platform_text(platform)?)
        } else {
            None
        },
        auth: convert::registry_auth(&call.headers)?,
    };
    messages(call.engine.image_push(request).await?)
}

pub(super) async fn verify(call: Call) -> Reply {
    let request = ImageVerifyRequest {
        names: call.query.all("names"),
        repair: call.query.flag("repair"),
        auths: convert::registry_config(&call.headers),
    };
    messages(call.engine.image_verify(request).await?)
}

pub(super) async fn load(mut call: Call) -> Reply {
    let platform = super::image::platform(&call, 48)?;
    let quiet = call.query.flag_or("quiet", true);
    let body = stream_of(call.body.take());
    messages(
        call.engine
            .image_load(body, quiet, platform.as_deref())
            .await?,
    )
}
