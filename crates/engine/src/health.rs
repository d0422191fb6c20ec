//! Health checks: a probe now and then, and what it says (moby: `daemon/health.go`).

use crate::{AttachStream, Engine, ExecStartOptions, ExecStarted, Result, handle::Handle, signal};
use corten_base::{Timestamp, text::go_duration};
use corten_model::{
    Container, ExecConfig, ExecId, Health, HealthConfig, HealthResult, HealthStatus, Status,
};
use std::{sync::Arc, time::Duration};
use tokio::io::AsyncReadExt;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_START_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_RETRIES: i64 = 3;

/// Docker keeps so much of a probe's output, and so many probes.
const OUTPUT_BYTES: usize = 4096;
const REMEMBERED: usize = 5;

/// The status of a probe that took too long.
const TIMED_OUT: i64 = -1;

/// How often, how long, what.
struct Plan {
    command: Vec<String>,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: i64,
}

impl Plan {
    fn of(record: &Container) -> Option<Self> {
        let health: &HealthConfig = record.config.healthcheck.as_ref()?;
        let (kind, rest) = health.test.split_first()?;
        let shell = || {
            record
                .config
                .shell
                .clone()
                .unwrap_or(vec!["/bin/sh".into(), "-c".into()])
        };
        let command = match kind.as_str() {
            "CMD" => rest.to_vec(),
            "CMD-SHELL" => shell().into_iter().chain(rest.iter().cloned()).collect(),
            _ => return None,
        };
        let or = |nanoseconds: i64, default| match u64::try_from(nanoseconds) {
            Ok(0) | Err(_) => default,
            Ok(nanoseconds) => Duration::from_nanos(nanoseconds),
        };
        Some(Self {
            command,
            interval: or(health.interval, DEFAULT_INTERVAL),
            timeout: or(health.timeout, DEFAULT_TIMEOUT),
            start_period: or(health.start_period, Duration::ZERO),
            start_interval: or(health.start_interval, DEFAULT_START_INTERVAL),
            retries: if health.retries > 0 {
                health.retries
            } else {
                DEFAULT_RETRIES
            },
        })
    }
}

/// The health of a container that has just begun to run, with the probes of its run
/// before; none where nothing checks it.
pub(crate) fn at_the_start(record: &Container) -> Option<Health> {
    let before = record.state.health.clone().unwrap_or_default();
    Plan::of(record).map(|_| Health {
        status: HealthStatus::Starting,
        failing_streak: 0,
        log: before.log,
    })
}

/// The health of a container whose probes wait: as in dockerd it is not known to be well
/// until the next one says so.
pub(crate) fn unwatched(health: Option<Health>) -> Option<Health> {
    health.map(|health| Health {
        status: HealthStatus::Unhealthy,
        ..health
    })
}

impl Engine {
    /// The container runs: its checks begin, where it has any.
    pub(crate) async fn begin_health_checks(self: &Arc<Self>, handle: &Arc<Handle>) {
        let record = handle.record();
        let Some(plan) = Plan::of(&record) else {
            return;
        };
        let mut next = Container::clone(&record);
        next.state.health = at_the_start(&record);
        handle.replace(next);
        let (engine, handle) = (self.clone(), handle.clone());
        tokio::spawn(async move { engine.check(handle, plan, record.state.started_at).await });
    }

    /// Until this run of the container ends.
    async fn check(self: Arc<Self>, handle: Arc<Handle>, plan: Plan, run: Timestamp) {
        let mut life = handle.life.subscribe();
        loop {
            let record = handle.record();
            let starting = record
                .state
                .health
                .as_ref()
                .is_some_and(|it| it.status == HealthStatus::Starting);
            let early = starting && age(run) < plan.start_period;
            let pause = if early {
                plan.start_interval
            } else {
                plan.interval
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = life.wait_for(|life| !life.running) => return,
                () = self.closed() => return,
            }
            let state = &handle.record().state;
            if state.started_at != run || !state.has_process() {
                return;
            }
            if state.status != Status::Running {
                continue;
            }
            let result = self.probe(&handle, &plan).await;
            self.judge(&handle, &plan, run, result).await;
        }
    }

    async fn probe(self: &Arc<Self>, handle: &Arc<Handle>, plan: &Plan) -> HealthResult {
        let start = Timestamp::now();
        let outcome = self.run_probe(handle, plan).await;
        let (exit_code, output) =
            outcome.unwrap_or_else(|error| (TIMED_OUT, corten_base::chain(&error)));
        HealthResult {
            start,
            end: Timestamp::now(),
            exit_code,
            output,
        }
    }

    async fn run_probe(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        plan: &Plan,
    ) -> Result<(i64, String)> {
        let config = ExecConfig {
            attach_stdout: true,
            attach_stderr: true,
            cmd: plan.command.clone(),
            ..ExecConfig::default()
        };
        let id = self.exec_create(&handle.id.to_string(), config).await?;
        let started = self
            .exec_start(&id.to_string(), ExecStartOptions::default())
            .await?;
        let mut output = Vec::new();
        let reading = async {
            if let ExecStarted::Attached(stream) = started {
                read_output(stream, &mut output).await;
            }
        };
        let in_time = tokio::time::timeout(plan.timeout, reading).await.is_ok();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !in_time {
            self.end_probe(handle, id).await;
            let limit = go_duration(plan.timeout.as_nanos() as i64);
            let message = format!("Health check exceeded timeout ({limit})");
            let output = match output.is_empty() {
                true => message,
                false => format!("{message}: {}", text(&output)),
            };
            return Ok((TIMED_OUT, output));
        }
        let exec = handle.execs().remove(&id);
        let exit_code = exec.and_then(|it| it.state.borrow().state.exit_code);
        Ok((exit_code.unwrap_or(TIMED_OUT), text(&output)))
    }

    async fn end_probe(&self, handle: &Handle, id: ExecId) {
        if let Some(shim) = handle.shim()
            && let Err(error) = shim.kill(Some(id.id()), signal::KILL).await
        {
            let error = corten_base::chain(&error);
            tracing::debug!(container = %handle.id, error, "a slow probe could not be killed");
        }
    }

    async fn judge(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        plan: &Plan,
        run: Timestamp,
        result: HealthResult,
    ) {
        let _owner = handle.lock.lock().await;
        let record = handle.record();
        // A probe that was at work when the container was paused says nothing.
        if record.state.started_at != run || record.state.status != Status::Running {
            return;
        }
        let before = record.state.health.clone().unwrap_or_default();
        let early = age(run) < plan.start_period;
        let after = next_health(before.clone(), result, plan.retries, early);
        let mut next = Container::clone(&record);
        let status = after.status;
        next.state.health = Some(after);
        let next = handle.replace(next);
        if status != before.status {
            self.container_event(&next, &format!("health_status: {}", status.as_str()), []);
            if status == HealthStatus::Unhealthy {
                self.restart_unhealthy(handle);
            }
        }
    }
}

/// What a probe makes of the health. Failures in the start period do not count.
fn next_health(mut health: Health, result: HealthResult, retries: i64, early: bool) -> Health {
    if result.exit_code == 0 {
        health.status = HealthStatus::Healthy;
        health.failing_streak = 0;
    } else if !(early && health.status == HealthStatus::Starting) {
        health.failing_streak += 1;
        if health.failing_streak >= retries {
            health.status = HealthStatus::Unhealthy;
        }
    }
    health.log.push(result);
    let surplus = health.log.len().saturating_sub(REMEMBERED);
    health.log.drain(..surplus);
    health
}

/// The output of a probe without the frames, cut where Docker cuts it.
async fn read_output(mut stream: AttachStream, output: &mut Vec<u8>) {
    let mut header = [0; 8];
    while stream.io.read_exact(&mut header).await.is_ok() {
        let [_, _, _, _, a, b, c, d] = header;
        let mut left = u64::from(u32::from_be_bytes([a, b, c, d]));
        while left > 0 {
            let mut piece = [0; 1024];
            let wanted = piece.len().min(left as usize);
            let Ok(count @ 1..) = stream.io.read(&mut piece[..wanted]).await else {
                return;
            };
            left -= count as u64;
            let room = OUTPUT_BYTES.saturating_sub(output.len()).min(count);
            output.extend_from_slice(&piece[..room]);
            // Said once: longer than it may be from here on.
            if room < count && output.len() == OUTPUT_BYTES {
                output.extend_from_slice(b"...");
            }
        }
    }
}

fn age(since: Timestamp) -> Duration {
    let nanoseconds = Timestamp::now().unix_nanoseconds() - since.unix_nanoseconds();
    Duration::from_nanos(nanoseconds.max(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(exit_code: i64) -> HealthResult {
        let now = Timestamp::now();
        HealthResult {
            start: now,
            end: now,
            exit_code,
            output: String::new(),
        }
    }

    #[test]
    fn so_many_failures_in_a_row_make_a_container_unhealthy() {
        let mut health = Health {
            status: HealthStatus::Starting,
            ..Health::default()
        };
        for _ in 0..2 {
            health = next_health(health, probe(1), 3, false);
            assert_eq!(health.status, HealthStatus::Starting);
        }
        health = next_health(health, probe(1), 3, false);
        assert_eq!(
            (health.status, health.failing_streak),
            (HealthStatus::Unhealthy, 3)
        );
        health = next_health(health, probe(0), 3, false);
        assert_eq!(
            (health.status, health.failing_streak),
            (HealthStatus::Healthy, 0)
        );
    }

    #[test]
    fn failures_in_the_start_period_do_not_count_and_five_probes_are_kept() {
        let mut health = Health {
            status: HealthStatus::Starting,
            ..Health::default()
        };
        for _ in 0..7 {
            health = next_health(health, probe(1), 1, true);
        }
        assert_eq!(
            (health.status, health.log.len()),
            (HealthStatus::Starting, 5)
        );
    }
}
