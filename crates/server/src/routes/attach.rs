//! `POST /containers/{id}/attach`.

use crate::http::{Call, Reply, bytes, hijack};
use corten_engine::AttachOptions;

pub(super) async fn attach(call: Call) -> Reply {
    let options = AttachOptions {
        logs: call.query.flag("logs"),
        stream: call.query.flag("stream"),
        stdin: call.query.flag("stdin"),
        stdout: call.query.flag("stdout"),
        stderr: call.query.flag("stderr"),
        detach_keys: call.query.text("detachKeys").to_owned(),
    };
    match call.engine.container_attach(&call.name, options).await {
        Ok(streams) => Ok(hijack(call, streams)),
        Err(error) => {
            // dockerd has taken the connection over by now and answers with plain text.
            let error = crate::error::ApiError::from(error);
            let text = error.message + "\r\n";
            Ok(bytes(
                error.status,
                "application/vnd.docker.raw-stream",
                text.into_bytes(),
            ))
        }
    }
}
