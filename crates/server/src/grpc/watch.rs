//! What a build has told, for everybody who asks, from the beginning.

use corten_base::Timestamp;
use corten_build::{Event, Location, LogStream, ProgressReceiver};
use corten_buildkit::control::{
    self as wire, StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning,
};
use futures_util::{Stream, stream};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};

/// Messages kept of one build; output beyond is dropped, states of steps are not.
const MESSAGES: usize = 200_000;

/// The messages of one build.
pub(crate) struct Log {
    // Lock: held for memory work only.
    messages: Mutex<Vec<StatusResponse>>,
    /// How many messages there are, and whether more will come.
    state: watch::Sender<(usize, bool)>,
    ending: Notify,
}

impl Log {
    /// Collects what comes from `receiver`.
    pub fn of(mut receiver: ProgressReceiver) -> Arc<Self> {
        let log = Arc::new(Self {
            messages: Mutex::default(),
            state: watch::Sender::new((0, false)),
            ending: Notify::new(),
        });
        let ours = Arc::clone(&log);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    event = receiver.recv() => match event {
                        Some(event) => ours.push(event),
                        None => break,
                    },
                    () = ours.ending.notified() => break,
                }
            }
            // What was told before the end.
            while let Ok(event) = receiver.try_recv() {
                ours.push(event);
            }
            ours.state.send_modify(|state| state.1 = true);
        });
        log
    }

    fn push(&self, event: Event) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() >= MESSAGES && matches!(event, Event::Log { .. } | Event::Status(_)) {
            return;
        }
        messages.push(message(event));
        let length = messages.len();
        drop(messages);
        self.state.send_modify(|state| state.0 = length);
    }

    /// Nothing more will be told.
    pub fn end(&self) {
        self.ending.notify_one();
    }

    /// Cached, all and completed steps, and warnings.
    pub fn counts(&self) -> [i32; 4] {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps = std::collections::HashMap::new();
        let mut warnings = 0;
        for message in messages.iter() {
            warnings += message.warnings.len() as i32;
            for vertex in &message.vertexes {
                steps.insert(
                    vertex.digest.clone(),
                    (vertex.cached, vertex.completed.is_some()),
                );
            }
        }
        let cached = steps.values().filter(|(cached, _)| *cached).count() as i32;
        let completed = steps.values().filter(|(_, completed)| *completed).count() as i32;
        [cached, steps.len() as i32, completed, warnings]
    }

    /// Every message, once the build is over.
    pub async fn all(&self) -> Vec<StatusResponse> {
        let mut state = self.state.subscribe();
        // The sender lives as long as this value.
        let _ = state.wait_for(|(_, over)| *over).await;
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.clone()
    }

    /// Every message, until the end of the build.
    pub fn follow(self: Arc<Self>) -> impl Stream<Item = StatusResponse> + Send + 'static {
        let state = self.state.subscribe();
        stream::unfold((self, state, 0), |(log, mut state, next)| async move {
            let (length, _) = *state
                .wait_for(|(length, over)| *length > next || *over)
                .await
                .ok()?;
            if length <= next {
                return None;
            }
            let mut all = StatusResponse::default();
            {
                let messages = log.messages.lock().unwrap_or_else(PoisonError::into_inner);
                for message in &messages[next..length] {
                    all.vertexes.extend(message.vertexes.iter().cloned());
                    all.statuses.extend(message.statuses.iter().cloned());
                    all.logs.extend(message.logs.iter().cloned());
                    all.warnings.extend(message.warnings.iter().cloned());
                }
            }
            Some((all, (log, state, length)))
        })
    }
}

pub(super) fn time(at: Timestamp) -> wire::Timestamp {
    wire::Timestamp {
        seconds: at.unix_seconds(),
        nanos: at.subsec_nanoseconds() as i32,
    }
}

pub(super) fn range(at: Location) -> wire::Range {
    let line = |line: usize| {
        Some(wire::Position {
            line: line as i32,
            character: 0,
        })
    };
    wire::Range {
        start: line(at.start),
        end: line(at.end),
    }
}

fn message(event: Event) -> StatusResponse {
    let mut message = StatusResponse::default();
    match event {
        Event::Vertex(state) => message.vertexes.push(Vertex {
            digest: state.digest.to_string(),
            inputs: state.inputs.iter().map(ToString::to_string).collect(),
            name: state.name,
            cached: state.cached,
            started: state.started.map(time),
            completed: state.completed.map(time),
            error: state.error,
        }),
        Event::Status(status) => message.statuses.push(VertexStatus {
            name: status.id.clone(),
            id: status.id,
            vertex: status.vertex.to_string(),
            current: status.current,
            total: status.total,
            timestamp: Some(time(Timestamp::now())),
            started: status.started.map(time),
            completed: status.completed.map(time),
        }),
        Event::Log {
            vertex,
            stream,
            data,
            at,
        } => message.logs.push(VertexLog {
            vertex: vertex.to_string(),
            timestamp: Some(time(at)),
            stream: match stream {
                LogStream::Stdout => 1,
                LogStream::Stderr => 2,
            },
            msg: data,
        }),
        Event::Warning(warning) => message.warnings.push(VertexWarning {
            vertex: warning.vertex.to_string(),
            level: 1,
            short: warning.short.into_bytes(),
            detail: vec![warning.detail.into_bytes()],
            url: warning.url,
            info: Some(wire::SourceInfo {
                filename: warning.file,
                data: warning.source.join("\n").into_bytes(),
                language: "Dockerfile".into(),
            }),
            ranges: vec![range(warning.location)],
        }),
        // BuildKit's clients know steps alone.
        Event::Instructions(_) => {}
    }
    message
}
