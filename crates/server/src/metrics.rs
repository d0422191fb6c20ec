//! `--metrics-addr`: figures in Prometheus's text format, under dockerd's names.
//!
//! Format: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use crate::http::{Body, bytes};
use crate::{Listener, Server};
use corten_api::endpoint::Endpoint;
use corten_engine::EngineMetrics;
use http::{Method, Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histograms in seconds, Prometheus's usual ones.
const BOUNDS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What is timed, by dockerd's words.
const ACTIONS: [&str; 5] = ["changes", "commit", "create", "delete", "start"];

/// Kernel clock ticks in a second, as /proc counts them (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

/// How long the operations on containers took.
#[derive(Debug, Default)]
pub(crate) struct Timings([Histogram; ACTIONS.len()]);

#[derive(Debug, Default)]
struct Histogram {
    /// How many took at most as long as the bound, and all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
}

impl Timings {
    /// Counts one operation, if it is one that is timed.
    pub(crate) fn took(&self, endpoint: Endpoint, time: Duration) {
        let action = match endpoint {
            Endpoint::ContainerChanges => 0,
            Endpoint::Commit => 1,
            Endpoint::ContainerCreate => 2,
            Endpoint::ContainerRemove => 3,
            Endpoint::ContainerStart => 4,
            _ => return,
        };
        let histogram = &self.0[action];
        let seconds = time.as_secs_f64();
        for (bucket, bound) in histogram.buckets.iter().zip(BOUNDS) {
            if seconds <= bound {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        histogram.buckets[BOUNDS.len()].fetch_add(1, Ordering::Relaxed);
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        histogram
            .microseconds
            .fetch_add(microseconds, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String) {
        const NAME: &str = "engine_daemon_container_actions_seconds";
        head(
            out,
            NAME,
            "histogram",
            "The number of seconds it takes to process each container action",
        );
        for (action, histogram) in ACTIONS.iter().zip(&self.0) {
            let count = |index: usize| histogram.buckets[index].load(Ordering::Relaxed);
            for (index, bound) in BOUNDS.iter().enumerate() {
                let count = count(index);
                line(
                    out,
                    &format!("{NAME}_bucket{{action={action:?},le=\"{bound}\"}}"),
                    count,
                );
            }
            let all = count(BOUNDS.len());
            line(
                out,
                &format!("{NAME}_bucket{{action={action:?},le=\"+Inf\"}}"),
                all,
            );
            let seconds = histogram.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
            line(out, &format!("{NAME}_sum{{action={action:?}}}"), seconds);
            line(out, &format!("{NAME}_count{{action={action:?}}}"), all);
        }
    }
}

impl Server {
    /// Answers `GET /metrics` on `listener` until the future is dropped.
    pub async fn serve_metrics(&self, mut listener: Listener) {
        loop {
            let connection = listener.accept().await;
            let server = self.clone();
            tokio::spawn(async move {
                let Ok(io) = connection.handshake().await else {
                    return;
                };
                let service = service_fn(|request| {
                    let answer = server.metrics(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(crate::limits::HEAD_TIME)
                    .max_headers(crate::limits::HEADERS)
                    .serve_connection(TokioIo::new(io), service)
                    .await;
                if let Err(error) = served {
                    tracing::debug!(%error, "a reader of metrics ended");
                }
            });
        }
    }

    fn metrics(&self, request: &Request<Incoming>) -> Response<Body> {
        let plain = "text/plain; version=0.0.4; charset=utf-8";
        if request.method() != Method::GET || request.uri().path() != "/metrics" {
            return bytes(
                StatusCode::NOT_FOUND,
                plain,
                b"404 page not found\n".to_vec(),
            );
        }
        let mut out = String::new();
        write_engine(&mut out, &self.engine().metrics());
        self.timings().write(&mut out);
        write_process(&mut out);
        bytes(StatusCode::OK, plain, out.into_bytes())
    }
}

fn write_engine(out: &mut String, metrics: &EngineMetrics) {
    let EngineMetrics {
        id,
        running,
        paused,
        stopped,
        cpus,
        memory_bytes,
        events,
        subscribers,
        architecture,
        kernel,
        driver,
        data_root,
    } = metrics;
    const STATES: &str = "engine_daemon_container_states_containers";
    head(
        out,
        STATES,
        "gauge",
        "The count of containers in various states",
    );
    for (state, count) in [
        ("paused", paused),
        ("running", running),
        ("stopped", stopped),
    ] {
        line(out, &format!("{STATES}{{state={state:?}}}"), count);
    }
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        head(out, name, kind, help);
        line(out, name, value);
    };
    one(
        "engine_daemon_engine_cpus_cpus",
        "gauge",
        "The number of cpus that the host system of the engine has",
        *cpus,
    );
    one(
        "engine_daemon_engine_memory_bytes",
        "gauge",
        "The number of bytes of memory that the host system of the engine has",
        *memory_bytes,
    );
    one(
        "engine_daemon_events_total",
        "counter",
        "The number of events logged",
        *events,
    );
    one(
        "engine_daemon_events_subscribers_total",
        "gauge",
        "The number of current subscribers to events",
        *subscribers,
    );
    const INFO: &str = "engine_daemon_engine_info";
    head(
        out,
        INFO,
        "gauge",
        "The information related to the engine and the OS it is running on",
    );
    let version = env!("CARGO_PKG_VERSION");
    let root = data_root.display().to_string();
    let labels = format!(
        "{INFO}{{architecture={architecture:?},daemon_id={id:?},data_root={root:?},graphdriver={driver:?},kernel={kernel:?},os_type=\"linux\",version={version:?}}}"
    );
    line(out, &labels, 1);
}

/// What Prometheus's clients tell of their own process: proc_pid_stat(5).
fn write_process(out: &mut String) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = match stat.rsplit_once(") ") {
        Some((_, fields)) => fields.split(' ').collect(),
        None => return,
    };
    // The third field of the page is the first here.
    let field = |number: usize| fields.get(number - 3).and_then(|it| it.parse::<u64>().ok());
    let mut one = |name: &str, kind: &str, help: &str, value: f64| {
        head(out, name, kind, help);
        line(out, name, value);
    };
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let seconds = (user + system) as f64 / TICKS_A_SECOND;
        one(
            "process_cpu_seconds_total",
            "counter",
            "Total user and system CPU time spent in seconds.",
            seconds,
        );
    }
    if let Some(pages) = field(24) {
        let bytes = pages.saturating_mul(PAGE_BYTES) as f64;
        one(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory size in bytes.",
            bytes,
        );
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The directory itself is one of them.
        let count = open.count().saturating_sub(1) as f64;
        one(
            "process_open_fds",
            "gauge",
            "Number of open file descriptors.",
            count,
        );
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // A String takes everything.
    let _written = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _written = writeln!(out, "{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_are_cumulative_histograms() {
        let timings = Timings::default();
        timings.took(Endpoint::ContainerStart, Duration::from_millis(20));
        timings.took(Endpoint::ContainerStart, Duration::from_millis(300));
        timings.took(Endpoint::Ping, Duration::from_millis(20));
        let mut out = String::new();
        timings.write(&mut out);
        for wanted in [
            "engine_daemon_container_actions_seconds_bucket{action=\"start\",le=\"0.01\"} 0\n",
            "engine_daemon_container_actions_seconds_bucket{action=\"start\",le=\"0.025\"} 1\n",
            "engine_daemon_container_actions_seconds_bucket{action=\"start\",le=\"+Inf\"} 2\n",
            "engine_daemon_container_actions_seconds_sum{action=\"start\"} 0.32\n",
            "engine_daemon_container_actions_seconds_count{action=\"create\"} 0\n",
        ] {
            assert!(out.contains(wanted), "{wanted}{out}");
        }
    }
}
