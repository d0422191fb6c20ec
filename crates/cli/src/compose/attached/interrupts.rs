//! What ends a command in the foreground.

use crate::error::CliError;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT and SIGTERM.
pub(super) struct Interrupts([Signal; 2]);

impl Interrupts {
    pub(super) fn new() -> Result<Self, CliError> {
        let watch = |kind| {
            signal(kind).map_err(|error| CliError::Text(format!("watching signals: {error}")))
        };
        let int = watch(SignalKind::interrupt())?;
        Ok(Self([int, watch(SignalKind::terminate())?]))
    }

    pub(super) async fn next(&mut self) {
        let [int, term] = &mut self.0;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
    }
}
