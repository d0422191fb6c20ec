//! Images: list, inspect, history, tag, remove, save, commit.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, created, empty, json, read_json_or_default, stream},
    messages,
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
        manifests: call.since(47) && call.query.flag("manifests"),
        filters,
    };
    let mut images = call.engine.image_list(options).await?;
    let version = call.version;
    if !call.query.flag("identity") {
        images
            .iter_mut()
            .for_each(|it| it.identity = Default::default());
    }
    let images: Vec<wire::Summary> = images
        .into_iter()
        .map(|image| convert::image_summary(image, version))
        .collect();
    json(&images)
}

pub(super) async fn inspect(call: Call) -> Reply {
    let platform = platform(&call, 49)?;
    // The details of each manifest came with 1.48.
    let manifests = call.since(48) && call.query.flag("manifests");
    if manifests && platform.is_some() {
        return Err(ApiError::invalid(messages::MANIFESTS_AND_PLATFORM));
    }
    let inspecting = call.engine.image_inspect(&call.name, platform.as_deref());
    let mut image = inspecting.await?;
    if !manifests {
        image.manifests.clear();
    }
    // Of API 1.53: who asks for it by name gets it here.
    if !call.query.flag("identity") {
        image.identity = Default::default();
    }
    json(&convert::image_inspect(image, call.version))
}

pub(super) async fn history(call: Call) -> Reply {
    let platform = platform(&call, 48)?;
    let steps = call.engine.image_history(&call.name, platform.as_deref());
    let steps = steps.await?;
    let steps: Vec<wire::HistoryItem> = steps.into_iter().map(convert::history_item).collect();
    json(&steps)
}

/// The parameter `platform`, the JSON of an OCI platform, as `os/arch[/variant]`; older
/// versions of the API do not have it.
pub(super) fn platform(call: &Call, since: u32) -> Result<Option<String>, ApiError> {
    let text = call.query.text("platform");
    match call.since(since) && !text.is_empty() {
        true => convert::platform_text(text).map(Some),
        false => Ok(None),
    }
}

pub(super) async fn search(call: Call) -> Reply {
    let limit = match call.query.text("limit") {
        "" => None,
        text => Some(
            text.parse()
                .map_err(|_| ApiError::invalid(messages::not_a_number("Atoi", text)))?,
        ),
    };
    let filters = call.query.filters()?;
    let auth = convert::registry_auth(&call.headers)?;
    let term = call.query.text("term");
    let hits = call
        .engine
        .image_search(term, limit, &filters, auth)
        .await?;
    let hits: Vec<_> = hits.into_iter().map(convert::search_hit).collect();
    json(&hits)
}

pub(super) async fn distribution(call: Call) -> Reply {
    let auth = convert::registry_auth(&call.headers)?;
    let found = call.engine.distribution_inspect(&call.name, auth).await?;
    json(&convert::distribution(found))
}

pub(super) async fn tag(call: Call) -> Reply {
    let (repository, tag) = (call.query.text("repo"), call.query.text("tag"));
    call.engine.image_tag(&call.name, repository, tag).await?;
    Ok(empty(StatusCode::CREATED))
}

pub(super) async fn remove(call: Call) -> Reply {
    // Each the JSON of an OCI platform.
    let platforms = match call.since(50) {
        true => call.query.all("platforms"),
        false => Vec::new(),
    };
    let platforms = platforms.iter().map(|it| convert::platform_text(it));
    let options = ImageRemoveOptions {
        platforms: platforms.collect::<Result<_, _>>()?,
        force: call.query.flag("force"),
        no_prune: call.query.flag("noprune"),
    };
    let items = call.engine.image_remove(&call.name, options).await?;
    let items: Vec<wire::DeleteItem> = items.into_iter().map(convert::delete_item).collect();
    json(&items)
}

pub(super) async fn save(call: Call) -> Reply {
    let platform = platform(&call, 48)?;
    let names = vec![call.name.clone()];
    Ok(stream(
        "application/x-tar",
        call.engine.image_save(names, platform.as_deref()).await?,
    ))
}

pub(super) async fn save_many(call: Call) -> Reply {
    let platform = platform(&call, 48)?;
    let names = call.query.all("names");
    Ok(stream(
        "application/x-tar",
        call.engine.image_save(names, platform.as_deref()).await?,
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
