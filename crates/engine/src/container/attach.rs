//! `POST /containers/{id}/attach`.

use crate::{
    AttachOptions, AttachStream, Engine, EngineError, LogsOptions, Result, detach_keys, messages,
    streams::{Deferred, Duplex, Empty, Framed, PendingAttach},
};
use corten_model::Status;
use std::sync::Arc;

impl Engine {
    /// `POST /containers/{id}/attach`. To a container that does not run yet the stream comes
    /// with its start.
    pub async fn container_attach(
        self: &Arc<Self>,
        name: &str,
        options: AttachOptions,
    ) -> Result<AttachStream> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        match record.state.status {
            Status::Paused => {
                return Err(EngineError::Conflict(messages::attach_paused(name)));
            }
            Status::Restarting => {
                return Err(EngineError::Conflict(messages::attach_restarting(name)));
            }
            _ => {}
        }
        let configured = match options.detach_keys.as_str() {
            "" => handle.volatile().detach_keys.clone(),
            keys => keys.to_owned(),
        };
        let wanted = corten_shim_proto::AttachOptions {
            stdin: options.stdin && record.config.open_stdin,
            stdout: options.stdout,
            stderr: options.stderr,
            detach_keys: detach_keys::parse(&configured)?,
        };
        let before = if options.logs {
            let past = LogsOptions {
                stdout: options.stdout,
                stderr: options.stderr,
                ..LogsOptions::default()
            };
            Some(self.read_logs(&handle, past)?.body)
        } else {
            None
        };
        // Nothing to carry either way: dockerd ends at once.
        let streams = options.stream && (wanted.stdin || wanted.stdout || wanted.stderr);
        let io: Box<dyn Duplex> = if !streams {
            Box::new(Framed::new(Empty, before, None))
        } else {
            let _owner = handle.lock.lock().await;
            match handle.shim() {
                Some(shim) => Box::new(Framed::new(
                    shim.attach(wanted)
                        .await
                        .map_err(|error| EngineError::from_shim(record.id, error))?,
                    before,
                    None,
                )),
                None => {
                    let (stream, deferred) = Deferred::new();
                    handle.add_pending(PendingAttach {
                        options: wanted,
                        stream,
                    });
                    Box::new(Framed::new(deferred, before, None))
                }
            }
        };
        self.container_event(&record, "attach", []);
        Ok(AttachStream {
            io,
            tty: record.config.tty,
        })
    }
}
