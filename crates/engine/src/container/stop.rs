//! `POST /containers/{id}/stop`, `/kill`, `/restart`.

use crate::{
    Engine, EngineError, Result, StartOptions, StopOptions, handle::Handle, messages, signal,
};
use corten_base::{Kind, KindOf};
use corten_model::{Change, Container, Status};
use corten_shim_proto::{FailureStage, client::ShimError};
use std::{sync::Arc, time::Duration};

/// After SIGKILL the kernel needs a moment; a process in an uninterruptible wait may need
/// for ever.
pub(crate) const KILL_PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// `POST /containers/{id}/stop`; [`Kind::NotModified`] when it does not run.
    pub async fn container_stop(self: &Arc<Self>, name: &str, options: StopOptions) -> Result<()> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        if !record.state.is_running() {
            return Err(EngineError::NotModified(messages::not_running(record.id)));
        }
        self.hand_over(&handle, self.stop_seconds(&record, &options))
            .await?;
        self.stop(&handle, &options).await?;
        until_on_record(&handle).await;
        corten_base::step("stop.done");
        self.container_event(&handle.record(), "stop", []);
        Ok(())
    }

    /// `POST /containers/{id}/restart`.
    pub async fn container_restart(
        self: &Arc<Self>,
        name: &str,
        options: StopOptions,
    ) -> Result<()> {
        let handle = self.table.find(name)?;
        handle.volatile().coming_back = handle.record().state.is_running();
        let restarted = self.restart(&handle, name, options).await;
        handle.volatile().coming_back = false;
        restarted?;
        self.container_event(&handle.record(), "restart", []);
        Ok(())
    }

    async fn restart(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        name: &str,
        options: StopOptions,
    ) -> Result<()> {
        if handle.record().state.is_running() {
            if let Some(text) = unknown_signal(&options) {
                let reason = wrong_signal(text);
                return Err(EngineError::Failed(messages::restart_failed(name, reason)));
            }
            handle.volatile().restarting_by_user = true;
            let stopped = self.stop(handle, &options).await;
            // The tear-down decides about the removal (`--rm`): wait for it.
            drop(handle.teardown.lock().await);
            handle.volatile().restarting_by_user = false;
            stopped?;
            self.container_event(&handle.record(), "stop", []);
        }
        let id = handle.id.to_string();
        match self.container_start(&id, StartOptions::default()).await {
            // Somebody else was quicker.
            Ok(()) | Err(EngineError::NotModified(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// `POST /containers/{id}/kill`; an empty signal is SIGKILL.
    pub async fn container_kill(self: &Arc<Self>, name: &str, signal: &str) -> Result<()> {
        let refused = |reason: &dyn std::fmt::Display| messages::kill_failed(name, reason);
        let number = match signal {
            "" => signal::KILL,
            text => signal::number(text)
                .ok_or_else(|| EngineError::Invalid(refused(&wrong_signal(text))))?,
        };
        let handle = self.table.find(name).map_err(|error| match error {
            EngineError::NoSuchContainer(_) => EngineError::NotFound(refused(&error)),
            other => other,
        })?;
        let record = handle.record();
        if !record.state.is_running() {
            let reason = messages::not_running(record.id);
            return Err(EngineError::Conflict(refused(&reason)));
        }
        if record.state.status == Status::Restarting {
            // Docker: nothing to signal, and no further start, whatever the signal.
            self.mark_stopped(&handle).await;
            return Ok(());
        }
        if number == signal::KILL || number == stop_signal(&record) {
            self.mark_stopped(&handle).await;
        }
        self.send(&handle, number).await?;
        if number == signal::KILL {
            // Docker answers when the container is gone.
            wait_for_exit(&handle, KILL_PATIENCE).await;
            until_on_record(&handle).await;
        }
        Ok(())
    }

    /// Signals, waits, kills. The lock is not held meanwhile.
    pub(crate) async fn stop(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        options: &StopOptions,
    ) -> Result<()> {
        let record = handle.record();
        let number = match options.signal.as_deref().filter(|it| !it.is_empty()) {
            None => stop_signal(&record),
            Some(text) => signal::number(text).ok_or_else(|| {
                let reason = wrong_signal(text);
                EngineError::Failed(messages::stop_failed(&record.name, reason))
            })?,
        };
        let seconds = self.stop_seconds(&record, options);
        self.mark_stopped(handle).await;
        if !handle.record().state.has_process() {
            return Ok(());
        }
        self.end(handle, number, seconds).await
    }

    /// How long a container gets to end by itself; negative: for ever.
    pub(super) fn stop_seconds(&self, record: &Container, options: &StopOptions) -> i64 {
        options
            .timeout_seconds
            .or(record.config.stop_timeout)
            .unwrap_or(self.config.stop_timeout_seconds)
    }

    /// A container whose health check fails is ended as by `stop`, and its policy
    /// (`on-unhealthy`) starts it again; any other policy leaves it as it is.
    pub(crate) fn restart_unhealthy(self: &Arc<Self>, handle: &Arc<Handle>) {
        let record = handle.record();
        let policy = &record.host_config.restart_policy;
        if !policy.wants_health(record.restart_count, record.stopped_by_user) {
            return;
        }
        handle.volatile().ending_unhealthy = true;
        let (engine, handle) = (self.clone(), handle.clone());
        tokio::spawn(async move {
            let seconds = record.config.stop_timeout;
            let seconds = seconds.unwrap_or(engine.config.stop_timeout_seconds);
            if let Err(error) = engine.end(&handle, stop_signal(&record), seconds).await {
                let error = corten_base::chain(&error);
                tracing::warn!(container = %handle.id, error, "an unhealthy container goes on");
            }
        });
    }

    /// The signal, so many seconds (for ever, if negative), SIGKILL.
    async fn end(self: &Arc<Self>, handle: &Arc<Handle>, number: i32, seconds: i64) -> Result<()> {
        corten_base::step("stop.signal");
        self.send_if_running(handle, number).await?;
        // Longer than this nobody waits (and the clock cannot count further).
        const FOR_EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);
        let patience = match u64::try_from(seconds) {
            Ok(seconds) => Duration::from_secs(seconds).min(FOR_EVER),
            Err(_) => FOR_EVER,
        };
        corten_base::step("stop.wait");
        if wait_for_exit(handle, patience).await {
            return Ok(());
        }
        corten_base::step("stop.kill");
        self.send_if_running(handle, signal::KILL).await?;
        if wait_for_exit(handle, KILL_PATIENCE).await {
            return Ok(());
        }
        Err(EngineError::Failed(messages::not_stopped_in_time(
            handle.id,
        )))
    }

    /// The restart policy leaves it alone from now on; a pending restart is called off.
    pub(crate) async fn mark_stopped(self: &Arc<Self>, handle: &Arc<Handle>) {
        let _owner = handle.lock.lock().await;
        handle.volatile().restart_timer = None;
        let record = handle.record();
        let mut next = Container {
            stopped_by_user: true,
            ..Container::clone(&record)
        };
        if let Ok(state) = record.state.after(Change::RestartCancelled) {
            next.state = state;
            handle.life.send_modify(|life| life.running = false);
        }
        // On record with the exit that follows; alone only where nothing follows.
        let follows = next.state.has_process();
        let next = handle.replace(next);
        if !follows && let Err(error) = self.save_later(next).await {
            let error = corten_base::chain(&error);
            tracing::error!(container = %handle.id, error, "a stop is not on record");
        }
    }

    /// As [`Engine::send`]; a process that has ended meanwhile is no failure.
    async fn send_if_running(self: &Arc<Self>, handle: &Arc<Handle>, number: i32) -> Result<()> {
        match self.send(handle, number).await {
            Err(error) if error.kind() == Kind::Conflict => Ok(()),
            result => result,
        }
    }

    /// Sends a signal to the first process; a conflict when there is none any more.
    async fn send(self: &Arc<Self>, handle: &Arc<Handle>, number: i32) -> Result<()> {
        let gone = || EngineError::Conflict(messages::not_running(handle.id));
        let shim = handle.shim().ok_or_else(gone)?;
        match shim.kill(None, number).await {
            Ok(()) => {}
            // It has told the exit, or its connection's end tells it.
            Err(ShimError::Gone { .. } | ShimError::Broken { .. }) => return Err(gone()),
            Err(ShimError::Failed(failure)) if failure.stage == FailureStage::State => {
                return Err(gone());
            }
            Err(error) => return Err(error.into()),
        }
        let record = handle.record();
        self.container_event(&record, "kill", [("signal", number.to_string())]);
        let ends = number == signal::KILL || number == stop_signal(&record);
        if ends && record.state.status == Status::Paused {
            // A frozen process cannot end before it is thawed (of cgroup v1 not even by
            // SIGKILL).
            self.thaw(handle).await?;
        }
        Ok(())
    }
}

/// A number is one that Linux does not have, a word one that nobody knows.
fn wrong_signal(text: &str) -> messages::Sentence {
    match text.parse::<i64>() {
        Ok(number) if number != 0 => messages::unsupported_signal(text),
        _ => messages::invalid_signal(text),
    }
}

/// The signal that is asked for, if there is no such signal.
fn unknown_signal(options: &StopOptions) -> Option<&str> {
    let asked = options.signal.as_deref().filter(|it| !it.is_empty());
    asked.filter(|text| signal::number(text).is_none())
}

fn stop_signal(record: &Container) -> i32 {
    let asked = record.config.stop_signal.as_deref();
    asked.and_then(signal::number).unwrap_or(signal::TERM)
}

/// Waiters know of an exit a moment before it is on record, with the user's wish that it
/// stays so. Whoever is told of the stop must find it after a crash of the daemon, too.
async fn until_on_record(handle: &Handle) {
    // Held from the exit to its record.
    drop(handle.lock.lock().await);
}

/// Whether the container ended in time.
pub(crate) async fn wait_for_exit(handle: &Handle, patience: Duration) -> bool {
    let mut life = handle.life.subscribe();
    let ended = life.wait_for(|life| !life.running || life.removed);
    tokio::time::timeout(patience, ended).await.is_ok()
}
