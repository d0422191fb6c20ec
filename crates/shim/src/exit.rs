//! The end of a process, and of the container.
//!
//! A process has ended when it is reaped; its end is told when its output has been read
//! to the end as well, so that whoever waits for the exit finds the log complete.

use crate::durable;
use crate::output::Read;
use crate::shim::{FIRST, Shim};
use corten_oci::runtime::{SPEC_VERSION, Status};
use corten_shim_proto::{Event, ExitRecord, Stream};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long output may come after the end of the process: only where a process outside
/// holds the stream, such as one that was handed it.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

impl Shim {
    pub(crate) fn drain_time_left(since: Instant) -> Duration {
        DRAIN_LIMIT.saturating_sub(since.elapsed())
    }

    /// The kernel says that a process has ended.
    pub(crate) fn reap(&mut self, number: u32) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        if !process.is_running() || !process.reap() {
            return;
        }
        process.input = None;
        if number == FIRST
            && let Some(container) = &self.container
            && !has_own_pids(&container.spec)
        {
            // Nobody else ends the others then. What survives, the removal of the
            // group reports.
            let _killed = container.cgroup.kill_all(Signal::KILL.as_raw()).is_ok();
        }
        // What it wrote is in the pipes: a megabyte each at most, whoever is full.
        for stream in [Stream::Stdout, Stream::Stderr] {
            while matches!(self.pump_once(number, stream), Read::Bytes(_)) {}
            self.pump(number, stream);
        }
    }

    /// Tells the ends whose output is complete, or has been waited for long enough.
    pub(crate) fn finish_exits(&mut self) {
        let finished: Vec<u32> = self
            .processes
            .iter()
            .filter(|(number, process)| match &process.exit {
                // The container's end is told when its execs' ends have been.
                _ if **number == FIRST && self.processes.len() > 1 => false,
                Some((_, since)) => {
                    process.outputs.is_empty() || Self::drain_time_left(*since).is_zero()
                }
                None => false,
            })
            .map(|(&number, _)| number)
            .collect();
        for number in finished {
            self.finish(number);
        }
        if self
            .container
            .as_ref()
            .is_some_and(|container| container.unrecorded)
        {
            self.record();
        }
    }

    fn finish(&mut self, number: u32) {
        let Some(process) = self.processes.remove(&number) else {
            return;
        };
        let Some((mut exit, _)) = process.exit else {
            return;
        };
        self.clients.retain(|_, client| {
            if client.process == number {
                client.end();
                client.typing = false;
                return client.flush() && client.listen(false);
            }
            true
        });
        if let Some(exec) = process.exec {
            self.tell(&Event::ExecExit { exec, exit });
            return;
        }
        let Some(container) = &mut self.container else {
            return;
        };
        for stream in [corten_logs::Stream::Stdout, corten_logs::Stream::Stderr] {
            container.log.end(stream);
        }
        container.log.flush();
        let kills = container.cgroup.oom_kills().unwrap_or(0);
        exit.oom_killed = container.oom_seen || kills > 0;
        container.oom_seen = exit.oom_killed;
        container.oom = None;
        container.paused = false;
        container.exit = Some(exit.clone());
        corten_base::step("shim.record");
        self.record();
        corten_base::step("shim.tell");
        self.tell(&Event::Exit { exit });
        corten_base::step("shim.tear_down");
        self.tear_down();
    }

    /// Makes the exit durable. A full disk keeps the shim alive, which goes on trying,
    /// but not its news from being told.
    fn record(&mut self) {
        let Some(container) = &mut self.container else {
            return;
        };
        let Some(exit) = container.exit.clone() else {
            return;
        };
        let record = ExitRecord {
            id: container.id,
            pid: container.pid,
            started_at: container.started_at,
            exit,
        };
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        let written = durable::write(&container.directory, ExitRecord::FILE_NAME, &bytes);
        // A directory that is gone needs no record: the container has been removed.
        container.unrecorded =
            written.is_err_and(|error| error.kind() != std::io::ErrorKind::NotFound);
        if !container.unrecorded {
            // Not before: who finds nobody listening goes by the record.
            self.listener = None;
        }
    }

    /// What nobody waits for.
    fn tear_down(&mut self) {
        let Some(container) = &mut self.container else {
            return;
        };
        container.mount_namespace = None;
        container.log.close();
        if let Some(external) = container.external.take() {
            external.delete();
        } else if let Some(hooks) = &container.spec.hooks {
            let state = corten_oci::runtime::State {
                oci_version: SPEC_VERSION.to_owned(),
                id: container.id.to_string(),
                status: Status::Stopped,
                pid: None,
                bundle: container.directory.clone(),
                annotations: container.spec.annotations.clone(),
            };
            // runtime-spec 1.2, runtime.md § Lifecycle: a failing poststop hook does not
            // stop the others.
            for hook in &hooks.poststop {
                let _ran = corten_runtime::run_hooks(std::slice::from_ref(hook), &state).is_ok();
            }
        }
        // The engine removes it too, when it cleans up after a shim that was killed.
        corten_base::step("shim.delete_group");
        let _removed = container.cgroup.delete().is_ok();
        container.turn = None;
        corten_base::step("shim.done");
    }
}

fn has_own_pids(spec: &corten_oci::runtime::Spec) -> bool {
    let mut namespaces = spec.linux.iter().flat_map(|linux| &linux.namespaces);
    namespaces.any(|namespace| namespace.kind == "pid" && namespace.path.is_none())
}
