//! Logs and statistics: streams that end when the client leaves.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, StreamKind, json_lines, stream},
    messages,
};
use corten_engine::{LogsOptions, StatsOptions};
use futures_util::StreamExt;

pub(super) async fn logs(call: Call) -> Reply {
    let query = &call.query;
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr"));
    if !stdout && !stderr {
        return Err(ApiError::invalid(messages::NO_STREAM));
    }
    let options = LogsOptions {
        follow: query.flag("follow"),
        stdout,
        stderr,
        since: convert::instant(query.text("since"))?,
        until: convert::instant(query.text("until"))?,
        timestamps: query.flag("timestamps"),
        // What is no number means all, as in dockerd.
        tail: query.text("tail").parse().ok(),
        details: query.flag("details"),
    };
    let logs = call.engine.container_logs(&call.name, options).await?;
    let content_type = StreamKind::of_tty(logs.tty).content_type(&call);
    Ok(stream(content_type, logs.body))
}

pub(super) async fn stats(call: Call) -> Reply {
    let options = StatsOptions {
        stream: call.query.flag_or("stream", true),
        one_shot: call.since(41) && call.query.flag("one-shot"),
    };
    if options.one_shot && options.stream {
        return Err(ApiError::invalid(
            "cannot have stream=true and one-shot=true",
        ));
    }
    let samples = call.engine.container_stats(&call.name, options).await?;
    Ok(json_lines(samples.map(convert::stats)))
}
