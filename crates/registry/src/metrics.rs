//! Figures in the text format of Prometheus.

use http::{Method, StatusCode};
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Upper ends of the classes of request times, in milliseconds.
const CLASSES: [u64; 8] = [1, 5, 25, 100, 500, 2_500, 10_000, 60_000];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Metrics {
    /// By method and class of status (1xx to 5xx).
    requests: [[AtomicU64; 5]; 7],
    durations: [AtomicU64; CLASSES.len() + 1],
    duration_microseconds: AtomicU64,
    pub in_flight: Arc<AtomicU64>,
    pub sent_bytes: AtomicU64,
    pub received_bytes: AtomicU64,
    pub cache_hits: AtomicU64,
    pub cache_misses: AtomicU64,
    pub events_told: AtomicU64,
    pub events_lost: AtomicU64,
    pub collections: AtomicU64,
    pub collected_blobs: AtomicU64,
    pub collected_bytes: AtomicU64,
    pub damaged_records: AtomicU64,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Metrics {
    /// Notes an answer and how long its head took.
    pub fn answered(&self, method: &Method, status: StatusCode, took: Duration) {
        let row = METHODS
            .iter()
            .position(|m| *m == method.as_str())
            .unwrap_or(METHODS.len());
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        add(&self.requests[row][class], 1);
        let milliseconds = took.as_millis() as u64;
        let class = CLASSES.iter().position(|end| milliseconds <= *end);
        add(&self.durations[class.unwrap_or(CLASSES.len())], 1);
        add(&self.duration_microseconds, took.as_micros() as u64);
    }

    /// All figures.
    pub fn text(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        };
        let name = "corten_registry_requests_total";
        head(&mut text, name, "counter", "Requests answered.");
        for (row, counters) in self.requests.iter().enumerate() {
            let method = METHODS.get(row).unwrap_or(&"other");
            for (class, counter) in counters.iter().enumerate().filter(|(_, c)| read(c) > 0) {
                let value = read(counter);
                let class = class + 1;
                let _ = writeln!(
                    text,
                    "{name}{{method=\"{method}\",status=\"{class}xx\"}} {value}"
                );
            }
        }
        let name = "corten_registry_request_seconds";
        head(
            &mut text,
            name,
            "histogram",
            "Time from a request to its answer's head.",
        );
        let mut sum = 0;
        for (index, counter) in self.durations.iter().enumerate() {
            sum += read(counter);
            let end = CLASSES
                .get(index)
                .map_or("+Inf".to_owned(), |ms| (*ms as f64 / 1e3).to_string());
            let _ = writeln!(text, "{name}_bucket{{le=\"{end}\"}} {sum}");
        }
        let seconds = read(&self.duration_microseconds) as f64 / 1e6;
        let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {sum}");
        let single = [
            (
                "in_flight_requests",
                "gauge",
                "Requests being worked on.",
                &*self.in_flight,
            ),
            (
                "sent_bytes_total",
                "counter",
                "Bytes of blobs sent.",
                &self.sent_bytes,
            ),
            (
                "received_bytes_total",
                "counter",
                "Bytes of blobs received.",
                &self.received_bytes,
            ),
            (
                "cache_hits_total",
                "counter",
                "Cached content served.",
                &self.cache_hits,
            ),
            (
                "cache_misses_total",
                "counter",
                "Content fetched from an upstream.",
                &self.cache_misses,
            ),
            (
                "events_told_total",
                "counter",
                "Events a web hook has taken.",
                &self.events_told,
            ),
            (
                "events_lost_total",
                "counter",
                "Events given up.",
                &self.events_lost,
            ),
            (
                "collections_total",
                "counter",
                "Collections done.",
                &self.collections,
            ),
            (
                "collected_blobs_total",
                "counter",
                "Blobs removed.",
                &self.collected_blobs,
            ),
            (
                "collected_bytes_total",
                "counter",
                "Their bytes.",
                &self.collected_bytes,
            ),
            (
                "damaged_records_total",
                "counter",
                "Stored records that could not be read.",
                &self.damaged_records,
            ),
        ];
        for (name, kind, help, counter) in single {
            let name = format!("corten_registry_{name}");
            head(&mut text, &name, kind, help);
            let _ = writeln!(text, "{name} {}", read(counter));
        }
        text
    }
}
