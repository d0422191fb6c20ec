//! `POST /containers/{id}/wait`: the headers go out at once, the body at the exit.

use crate::{
    error::ApiError,
    http::{Call, Reply, stream},
};
use bytes::Bytes;
use corten_api::{container as wire, json};
use corten_engine::WaitCondition;
use futures_util::{FutureExt, stream as streams};

pub(super) async fn wait(call: Call) -> Reply {
    let condition = match call.query.text("condition") {
        // The parameter came with 1.30.
        _ if !call.since(30) => WaitCondition::NotRunning,
        "" | "not-running" => WaitCondition::NotRunning,
        "next-exit" => WaitCondition::NextExit,
        "removed" => WaitCondition::Removed,
        other => return Err(ApiError::invalid(format!("invalid condition: {other:?}"))),
    };
    let exit = call.engine.container_wait(&call.name, condition).await?;
    let body = exit.map(|outcome| {
        let error = outcome.error.map(|message| wire::WaitError { message });
        let answer = wire::WaitResponse {
            error,
            status_code: outcome.exit_code,
        };
        Ok(Bytes::from(json::to_line(&answer)))
    });
    Ok(stream("application/json", streams::once(body)))
}
