//! Exec: more processes in a running container.

use super::container::terminal_size;
use crate::{
    convert,
    error::ApiError,
    http::{
        Call, Reply, StreamKind, created, hijack, hijack_with_message, json, read_json,
        read_json_or_default,
    },
};
use corten_api::exec as wire;
use corten_base::{Kind, KindOf};
use corten_engine::{EngineError, ExecStartOptions, ExecStarted};

pub(super) async fn create(mut call: Call) -> Reply {
    let request: wire::CreateRequest = read_json(&mut call).await?;
    let config = convert::exec_config(request, call.version)?;
    let id = call.engine.exec_create(&call.name, config).await?;
    created(&wire::CreateResponse { id: id.to_string() })
}

pub(super) async fn inspect(call: Call) -> Reply {
    let exec = call.engine.exec_inspect(&call.name).await?;
    json(&convert::exec_inspect(exec))
}

pub(super) async fn start(mut call: Call) -> Reply {
    let wire::StartRequest {
        detach,
        tty,
        console_size,
    } = read_json_or_default(&mut call).await?;
    // The size came with 1.42 and needs a terminal.
    let console_size = console_size.filter(|_| tty && call.since(42));
    let console_size = console_size.map(convert::terminal_size).transpose()?;
    let options = ExecStartOptions {
        detach,
        tty,
        console_size,
    };
    let started = call.engine.exec_start(&call.name, options).await;
    match started {
        Ok(ExecStarted::Detached) => super::ok_empty(),
        Ok(ExecStarted::Attached(streams)) => Ok(hijack(call, streams)),
        Err(error) => match error.kind() {
            // Seen by dockerd after it has taken the connection over.
            Kind::Conflict if !detach && matches!(error, EngineError::ExecAgain(_)) => {
                let message = ApiError::from(error).message + "\r\n";
                Ok(hijack_with_message(call, StreamKind::of_tty(tty), message))
            }
            // Seen before the process is tried.
            Kind::NotFound | Kind::Conflict => Err(error.into()),
            _ if detach => Err(error.into()),
            // dockerd has taken the connection over and says it there.
            _ => {
                let message = ApiError::from(error).message + "\r\n";
                Ok(hijack_with_message(call, StreamKind::of_tty(tty), message))
            }
        },
    }
}

pub(super) async fn resize(call: Call) -> Reply {
    call.engine
        .exec_resize(&call.name, terminal_size(&call)?)
        .await?;
    super::ok_empty()
}
