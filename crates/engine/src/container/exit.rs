//! What the shim tells while a container runs, and what follows its end.
//!
//! ```text
//! shim: exit.json durable ─▶ Event::Exit
//!   ─▶ waiters are told ─▶ events (network disconnect, die) ─▶ record
//!   ─▶ tear-down in the background ─▶ restart by the policy, or removal (`--rm`)
//! ```

use super::network::cleared;
use crate::{Engine, handle::Handle, signal, spec::cgroup_path};
use corten_base::Timestamp;
use corten_model::{Change, Container, ContainerId, MountKind, Status};
use corten_shim_proto::{
    Event, Exit, ExitRecord,
    client::{Events, ShimClient, ShimError},
};
use std::{path::Path, sync::Arc, time::Duration};

/// A run of this length makes the next restart quick again.
const STABLE_RUN_SECONDS: i64 = 10;

/// The first delay of a restart; doubled each time.
const BACKOFF_FIRST_MILLISECONDS: u64 = 100;

/// The longest delay.
const BACKOFF_LAST_MILLISECONDS: u64 = 60_000;

/// The status of a container whose shim vanished without a word: it is killed then. So say
/// dockerd and containerd, too, also of one that had ended by itself a moment before; who
/// knew that status is gone.
const LOST: u8 = 128 + signal::KILL as u8;

impl Engine {
    /// Follows the shim's events in a task of its own, until the container's end.
    /// `events`: those of a container that was just started; else the shim is asked.
    pub(crate) fn supervise(self: &Arc<Self>, handle: Arc<Handle>, events: Option<Events>) {
        let engine = self.clone();
        tokio::spawn(async move {
            let ending = async {
                match (events, handle.shim()) {
                    (Some(events), _) => Some(engine.follow_events(&handle, events).await),
                    (None, Some(shim)) => Some(engine.follow(&handle, &shim).await),
                    (None, None) => None,
                }
            };
            // The next daemon hears of it.
            let exit = tokio::select! {
                exit = ending => exit,
                () = engine.closed() => None,
            };
            if let Some(exit) = exit {
                engine.finish(&handle, exit).await;
            }
        });
    }

    /// Until the exit is known.
    async fn follow(&self, handle: &Arc<Handle>, shim: &ShimClient) -> Exit {
        match shim.subscribe().await {
            Ok((state, events)) => {
                handle.volatile().oom_killed |= state.oom;
                match state.exit {
                    Some(exit) => exit,
                    None => self.follow_events(handle, events).await,
                }
            }
            Err(error) => {
                if !matches!(error, ShimError::Gone { .. }) {
                    let error = corten_base::chain(&error);
                    tracing::warn!(container = %handle.id, error, "a shim cannot be followed");
                }
                self.exit_on_record(handle).await
            }
        }
    }

    async fn follow_events(&self, handle: &Arc<Handle>, mut events: Events) -> Exit {
        loop {
            match events.next().await {
                Ok(Some(Event::Exit { exit })) => return exit,
                Ok(Some(Event::ExecExit { exec, exit })) => {
                    self.exec_ended(handle, exec.into(), exit.code.into());
                }
                Ok(Some(Event::Oom { .. })) => {
                    handle.volatile().oom_killed = true;
                    self.container_event(&handle.record(), "oom", []);
                }
                Ok(Some(Event::Detached { exec: Some(exec) })) => {
                    self.exec_detached(handle, exec.into());
                }
                Ok(Some(Event::Detached { exec: None })) => {
                    self.container_event(&handle.record(), "detach", []);
                }
                Ok(None) => return self.exit_on_record(handle).await,
                Err(error) => {
                    let error = corten_base::chain(&error);
                    tracing::warn!(container = %handle.id, error, "a shim's events broke off");
                    return self.exit_on_record(handle).await;
                }
            }
        }
    }

    /// What `exit.json` says of the present run.
    async fn exit_on_record(&self, handle: &Handle) -> Exit {
        let started_at = handle.record().state.started_at;
        let found = exit_of_run(&self.container_directory(handle.id), handle.id, started_at);
        if let Some(exit) = found {
            return exit;
        }
        self.end_abandoned(handle).await;
        Exit {
            code: LOST,
            oom_killed: false,
            at: Timestamp::now(),
        }
    }

    /// Without its shim a container would go on with nobody to hear it or to tell how it
    /// ends: it ends with the shim, through its control group.
    pub(crate) async fn end_abandoned(&self, handle: &Handle) {
        let path = cgroup_path(&handle.record(), &self.config);
        // Nobody listens there any more.
        let socket = self.shim_socket(handle.id);
        drop(std::fs::remove_file(&socket));
        // What an external runtime was given; the mounts in it went with the shim.
        drop(std::fs::remove_dir_all(socket.with_extension("runtime")));
        let ended = self.pool.run(move || {
            let group = corten_cgroup::Cgroup::open(Path::new(&path))?;
            group.kill_all(signal::KILL)?;
            Ok(group.delete()?)
        });
        if let Err(error) = ended.await {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %handle.id, error, "an abandoned container may go on");
        }
    }

    /// The container has ended.
    pub(crate) async fn finish(self: &Arc<Self>, handle: &Arc<Handle>, exit: Exit) {
        let owner = handle.lock.lock().await;
        let before = handle.record();
        let exit_code = i64::from(exit.code);
        let oom_told = handle.volatile().oom_killed;
        let oom_killed = exit.oom_killed || oom_told;
        let policy = &before.host_config.restart_policy;
        let (count, by_user) = (before.restart_count, before.stopped_by_user);
        let unhealthy = std::mem::take(&mut handle.volatile().ending_unhealthy);
        let restarting = !self.is_closing()
            && (policy.wants_restart(exit_code, count, by_user)
                || unhealthy && policy.wants_health(count, by_user));
        let change = Change::Exited {
            exit_code,
            oom_killed,
            at: exit.at,
            restarting,
        };
        let Ok(state) = before.state.after(change) else {
            return;
        };
        let ran_seconds = (exit.at.unix_seconds() - before.state.started_at.unix_seconds()).max(0);
        let next = Container {
            state,
            network_settings: cleared(&before.network_settings),
            ..Container::clone(&before)
        };
        corten_base::step("exit.known");
        let next = handle.replace(next);
        handle.set_shim(None);
        self.end_execs(handle);
        // Taken before waiters know: a start or a removal by one of them waits for it.
        let teardown = handle.teardown.clone().lock_owned().await;
        handle.life.send_modify(|life| {
            life.exits += 1;
            life.running = restarting;
            life.exit_code = exit_code;
        });
        for network in before.network_settings.networks.keys() {
            self.network_event(&before, network, "disconnect");
        }
        for point in before
            .mounts
            .iter()
            .filter(|it| it.kind == MountKind::Volume)
        {
            let attributes = [("container", before.id.to_string())];
            self.volume_event(&point.name, "unmount", &point.driver, attributes);
        }
        let attributes = [
            ("exitCode", exit_code.to_string()),
            ("execDuration", ran_seconds.to_string()),
        ];
        // The process may have been reaped before the kernel's notice was read.
        if oom_killed && !oom_told {
            self.container_event(&next, "oom", []);
        }
        self.container_event(&next, "die", attributes);
        corten_base::step("exit.record");
        if let Err(error) = self.save_later(next.clone()).await {
            let error = corten_base::chain(&error);
            tracing::error!(container = %handle.id, error, "an exit is not on record");
        }
        drop(owner);
        corten_base::step("exit.network");
        self.release_network(handle.id).await;
        if !restarting && !handle.volatile().restarting_by_user {
            self.leave_place(handle).await;
        }
        self.release_volumes(&before).await;
        corten_base::step("exit.done");
        // Asked before the tear-down is over: a restart by a user waits for that, and takes
        // the mark away.
        let starts_again = handle.volatile().restarting_by_user;
        drop(teardown);
        if restarting {
            self.restart_by_policy(handle, ran_seconds);
        } else if next.host_config.auto_remove && !starts_again {
            self.remove_by_itself(handle.clone()).await;
        }
    }

    /// Docker: 100 ms, doubled each time up to a minute, from the start again after a run of
    /// ten seconds.
    pub(crate) fn restart_by_policy(self: &Arc<Self>, handle: &Arc<Handle>, ran_seconds: i64) {
        let (cancel, cancelled) = tokio::sync::oneshot::channel();
        let delay = {
            let mut volatile = handle.volatile();
            let delay = match volatile.backoff_milliseconds {
                _ if ran_seconds >= STABLE_RUN_SECONDS => BACKOFF_FIRST_MILLISECONDS,
                0 => BACKOFF_FIRST_MILLISECONDS,
                last => (last * 2).min(BACKOFF_LAST_MILLISECONDS),
            };
            volatile.backoff_milliseconds = delay;
            volatile.restart_timer = Some(cancel);
            Duration::from_millis(delay)
        };
        let (engine, handle) = (self.clone(), handle.clone());
        tokio::spawn(async move {
            tokio::select! {
                _ = cancelled => return,
                () = engine.closed() => return,
                () = tokio::time::sleep(delay) => {}
            }
            engine.start_again(&handle).await;
        });
    }

    async fn start_again(self: &Arc<Self>, handle: &Arc<Handle>) {
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        if record.state.status != Status::Restarting {
            return;
        }
        let restart_count = record.restart_count + 1;
        handle.replace(Container {
            restart_count,
            ..Container::clone(&record)
        });
        if let Err(error) = self.start(handle, false).await {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %handle.id, error, "a restart by the policy failed");
        }
    }
}

/// The durable status, if it belongs to the run that began at `started_at`.
pub(crate) fn exit_of_run(
    directory: &Path,
    id: ContainerId,
    started_at: Timestamp,
) -> Option<Exit> {
    match ExitRecord::read(directory) {
        Ok(Some(record)) if record.id == id.id() && record.started_at == started_at => {
            Some(record.exit)
        }
        Ok(_) => None,
        Err(error) => {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %id, error, "an exit status cannot be read");
            None
        }
    }
}
