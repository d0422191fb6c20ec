//! Containers: list, inspect and the verbs without a stream.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, json, no_content, read_json_or_default},
    messages,
};
use corten_api::container as wire;
use corten_engine::{ListOptions, RemoveOptions, StartOptions, StopOptions, TerminalSize};

pub(super) async fn list(call: Call) -> Reply {
    let options = ListOptions {
        all: call.query.flag("all"),
        size: call.query.flag("size"),
        limit: call.query.number("limit")?.unwrap_or(0),
        filters: call.query.filters()?,
    };
    let containers = call.engine.container_list(options).await?;
    let version = call.version;
    let summaries: Vec<wire::Summary> = containers
        .into_iter()
        .map(|one| convert::container_summary(one, version))
        .collect();
    json(&summaries)
}

pub(super) async fn inspect(call: Call) -> Reply {
    let size = call.query.flag("size");
    let container = call.engine.container_inspect(&call.name, size).await?;
    json(&convert::container_inspect(container, call.version))
}

pub(super) fn reach(call: Call) -> Reply {
    let ways = call.engine.container_reach(&call.name)?;
    let ways: Vec<wire::Reach> = ways.into_iter().map(convert::reach).collect();
    json(&ways)
}

pub(super) async fn top(call: Call) -> Reply {
    let output = call
        .engine
        .container_top(&call.name, call.query.text("ps_args"))
        .await?;
    json(&wire::Top {
        processes: output.processes,
        titles: output.titles,
    })
}

pub(super) async fn start(call: Call) -> Reply {
    // An empty object is what the oldest clients send.
    let length = call
        .body
        .as_ref()
        .map(|body| hyper::body::Body::size_hint(body).exact());
    if !matches!(length, None | Some(Some(0..=7))) {
        return Err(ApiError::invalid(messages::START_WITH_BODY));
    }
    let options = StartOptions {
        detach_keys: call.query.text("detachKeys").to_owned(),
        checkpoint: call.query.text("checkpoint").to_owned(),
        checkpoint_directory: call.query.text("checkpoint-dir").to_owned(),
    };
    call.engine.container_start(&call.name, options).await?;
    no_content()
}

pub(super) async fn stop(call: Call) -> Reply {
    call.engine
        .container_stop(&call.name, stop_options(&call)?)
        .await?;
    no_content()
}

pub(super) async fn hand_over(call: Call) -> Reply {
    call.engine
        .container_hand_over(&call.name, stop_options(&call)?)
        .await?;
    no_content()
}

pub(super) async fn restart(call: Call) -> Reply {
    call.engine
        .container_restart(&call.name, stop_options(&call)?)
        .await?;
    no_content()
}

/// The signal came with 1.42.
fn stop_options(call: &Call) -> Result<StopOptions, ApiError> {
    let signal = call.query.text("signal");
    Ok(StopOptions {
        signal: (call.since(42) && !signal.is_empty()).then(|| signal.to_owned()),
        timeout_seconds: call.query.number("t")?,
    })
}

pub(super) async fn kill(call: Call) -> Reply {
    call.engine
        .container_kill(&call.name, call.query.text("signal"))
        .await?;
    no_content()
}

pub(super) async fn pause(call: Call) -> Reply {
    call.engine.container_pause(&call.name).await?;
    no_content()
}

pub(super) async fn unpause(call: Call) -> Reply {
    call.engine.container_unpause(&call.name).await?;
    no_content()
}

pub(super) async fn resize(call: Call) -> Reply {
    call.engine
        .container_resize(&call.name, terminal_size(&call)?)
        .await?;
    crate::routes::ok_empty()
}

/// `h` and `w` of a resize request.
pub(super) fn terminal_size(call: &Call) -> Result<TerminalSize, ApiError> {
    let side = |name: &str, what: &str| {
        let text = call.query.text(name);
        let complaint = match text.parse::<u64>() {
            Ok(number) => match u16::try_from(number) {
                Ok(number) => return Ok(number),
                Err(_) => "value out of range",
            },
            Err(_) => "invalid syntax",
        };
        Err(ApiError::invalid(format!(
            "invalid resize {what} {text:?}: {complaint}"
        )))
    };
    Ok(TerminalSize {
        height: side("h", "height")?,
        width: side("w", "width")?,
    })
}

pub(super) async fn rename(call: Call) -> Reply {
    call.engine
        .container_rename(&call.name, call.query.text("name"))
        .await?;
    no_content()
}

pub(super) async fn update(mut call: Call) -> Reply {
    let request: wire::UpdateRequest = read_json_or_default(&mut call).await?;
    let request = convert::update_request(request)?;
    let warnings = call.engine.container_update(&call.name, request).await?;
    json(&wire::UpdateResponse {
        warnings: (!warnings.is_empty()).then_some(warnings),
    })
}

pub(super) async fn remove(call: Call) -> Reply {
    let options = RemoveOptions {
        force: call.query.flag("force"),
        volumes: call.query.flag("v"),
        link: call.query.flag("link"),
    };
    call.engine.container_remove(&call.name, options).await?;
    no_content()
}
