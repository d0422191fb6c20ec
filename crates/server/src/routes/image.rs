//! Images: list, inspect, history, tag, remove, save, commit.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, created, empty, json, read_json_or_default, stream},
};
use corten_api::{container, image as wire};
use corten_engine::{CommitRequest, ImageListOptions, ImageRemoveOptions};
use http::StatusCode;

pub(super) async fn list(call: Call) -> Reply {
    let mut filters = call.query.filters()?;
    if !call.since(41) && !call.query.text("filter").is_empty() {
        filters.add("reference", call.query.text("filter"));
    }
    let options = ImageListOptions {
        all: call.query.flag("all"),
        // The parameter came with 1.42; before, nobody asked.
        shared_size: call.since(42) && call.query.flag("shared-size"),
        filters,
    };
    let images = call.engine.image_list(options).await?;
    let version = call.version;
    let images: Vec<wire::Summary> = images
        .into_iter()
        .map(|image| convert::image_summary(image, version))
        .collect();
    json(&images)
}

pub(super) async fn inspect(call: Call) -> Reply {
    refuse_platform(&call, "inspecting an image", 49)?;
    let image = call.engine.image_inspect(&call.name).await?;
    json(&convert::image_inspect(image, call.version))
}

pub(super) async fn history(call: Call) -> Reply {
    refuse_platform(&call, "the history of an image", 48)?;
    let steps = call.engine.image_history(&call.name).await?;
    let steps: Vec<wire::HistoryItem> = steps.into_iter().map(convert::history_item).collect();
    json(&steps)
}

/// One platform a name is what the image store keeps: asking for another is refused.
pub(super) fn refuse_platform(call: &Call, what: &str, since: u32) -> Result<(), ApiError> {
    let asked = call.since(since) && !call.query.text("platform").is_empty();
    if asked {
        Err(ApiError::unsupported(format!(
            "choosing a platform for {what}"
        )))
    } else {
        Ok(())
    }
}

pub(super) async fn tag(call: Call) -> Reply {
    let (repository, tag) = (call.query.text("repo"), call.query.text("tag"));
    call.engine.image_tag(&call.name, repository, tag).await?;
    Ok(empty(StatusCode::CREATED))
}

pub(super) async fn remove(call: Call) -> Reply {
    if call.since(50) && call.query.find("platforms").is_some() {
        return Err(ApiError::unsupported(
            "removing single platforms of an image",
        ));
    }
    let options = ImageRemoveOptions {
        force: call.query.flag("force"),
        no_prune: call.query.flag("noprune"),
    };
    let items = call.engine.image_remove(&call.name, options).await?;
    let items: Vec<wire::DeleteItem> = items.into_iter().map(convert::delete_item).collect();
    json(&items)
}

pub(super) async fn save(call: Call) -> Reply {
    refuse_platform(&call, "saving an image", 48)?;
    let names = vec![call.name.clone()];
    Ok(stream(
        "application/x-tar",
        call.engine.image_save(names).await?,
    ))
}

pub(super) async fn save_many(call: Call) -> Reply {
    refuse_platform(&call, "saving images", 48)?;
    let names = call.query.all("names");
    Ok(stream(
        "application/x-tar",
        call.engine.image_save(names).await?,
    ))
}

pub(super) async fn commit(mut call: Call) -> Reply {
    let config: Option<container::Config> = read_json_or_default(&mut call).await?;
    let query = &call.query;
    let request = CommitRequest {
        container: query.text("container").to_owned(),
        repository: query.text("repo").to_owned(),
        tag: query.text("tag").to_owned(),
        comment: query.text("comment").to_owned(),
        author: query.text("author").to_owned(),
        pause: query.flag_or("pause", true),
        changes: query.all("changes"),
        config: config.map(convert::container_config).transpose()?,
    };
    let id = call.engine.container_commit(request).await?;
    created(&wire::CommitResponse { id: id.to_string() })
}
