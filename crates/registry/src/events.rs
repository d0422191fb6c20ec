//! Web hooks: what was pushed, pulled, mounted and deleted, told as Docker's registry tells
//! it (<https://distribution.github.io/distribution/about/notifications/>).
//!
//! Each hook has a queue and a task of its own; a request never waits for one. An event is
//! told at least once while the process lives, in order, and tried again with growing
//! pauses; one that cannot be told is counted and logged.

use crate::{
    config::HookConfig,
    limits::{HOOK_ATTEMPTS, HOOK_PAUSE, HOOK_PAUSE_MAX, HOOK_QUEUE, HOOK_TIME},
    metrics::{Metrics, add},
    name::RepositoryName,
    outbound::Outbound,
    serve::ServeError,
};
use bytes::Bytes;
use corten_base::Timestamp;
use corten_oci::Digest;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::Full;
use serde::Serialize;
use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicU64},
};
use tokio::sync::mpsc;

const MEDIA_TYPE: &str = "application/vnd.docker.distribution.events.v1+json";

/// The hooks.
pub(crate) struct Events {
    hooks: Vec<Hook>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Counters {
    told: AtomicU64,
    lost: AtomicU64,
}

struct Hook {
    actions: Vec<String>,
    queue: mpsc::Sender<Arc<Event>>,
}

/// What happened to what.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    id: String,
    timestamp: Timestamp,
    action: &'static str,
    target: Target,
    request: By,
    actor: Actor,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    pub size: u64,
    pub length: u64,
    pub repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct By {
    addr: String,
    method: String,
}

#[derive(Debug, Clone, Serialize)]
struct Actor {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
}

/// Who made an event happen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cause {
    pub address: String,
    pub method: String,
    pub user: String,
}

impl Target {
    pub fn new(repository: &RepositoryName, media_type: &str, digest: &Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Some(digest.clone()),
            size,
            length: size,
            repository: repository.to_string(),
            from_repository: None,
            tag: None,
        }
    }
}

impl Events {
    /// Starts a task for each hook.
    pub fn start(configs: &[HookConfig]) -> Result<Self, ServeError> {
        let counters = Arc::new(Counters::default());
        let mut hooks = Vec::new();
        for config in configs {
            let outbound = Outbound::new(config.authority.as_deref());
            let outbound = outbound.map_err(|source| ServeError::File {
                path: config.authority.clone().unwrap_or_default(),
                source,
            })?;
            let (queue, events) = mpsc::channel(HOOK_QUEUE);
            let config = config.clone();
            hooks.push(Hook {
                actions: config.actions.clone(),
                queue,
            });
            tokio::spawn(tell_all(config, outbound, events, Arc::clone(&counters)));
        }
        Ok(Self { hooks, counters })
    }

    /// Whether anybody listens.
    pub fn is_silent(&self) -> bool {
        self.hooks.is_empty()
    }

    /// Queues an event for the hooks that want it.
    pub fn happened(&self, action: &'static str, target: Target, cause: Cause) {
        let wants =
            |hook: &&Hook| hook.actions.is_empty() || hook.actions.iter().any(|a| a == action);
        let mut hooks = self.hooks.iter().filter(wants).peekable();
        if hooks.peek().is_none() {
            return;
        }
        let mut id = [0; 16];
        // A failure leaves zeros: an event is better told twice-named than not at all.
        let _ = getrandom::fill(&mut id);
        let event = Arc::new(Event {
            id: hex::encode(id),
            timestamp: Timestamp::now(),
            action,
            target,
            request: By {
                addr: cause.address,
                method: cause.method,
            },
            actor: Actor { name: cause.user },
        });
        for hook in hooks {
            if hook.queue.try_send(Arc::clone(&event)).is_err() {
                add(&self.counters.lost, 1);
                tracing::warn!(action, "a web hook's queue is full; an event is lost");
            }
        }
    }

    /// Brings the counters into the metrics.
    pub fn count_into(&self, metrics: &Metrics) {
        use std::sync::atomic::Ordering::Relaxed;
        metrics
            .events_told
            .store(self.counters.told.load(Relaxed), Relaxed);
        metrics
            .events_lost
            .store(self.counters.lost.load(Relaxed), Relaxed);
    }
}

async fn tell_all(
    config: HookConfig,
    outbound: Outbound,
    mut events: mpsc::Receiver<Arc<Event>>,
    counters: Arc<Counters>,
) {
    while let Some(event) = events.recv().await {
        let envelope = HashMap::from([("events", [&*event])]);
        let body = serde_json::to_vec(&envelope).expect("strings and numbers are JSON");
        match tell(&config, &outbound, body.into()).await {
            Ok(()) => add(&counters.told, 1),
            Err(error) => {
                add(&counters.lost, 1);
                tracing::warn!(
                    url = config.url,
                    error,
                    "a web hook does not answer; an event is lost"
                );
            }
        }
    }
}

async fn tell(config: &HookConfig, outbound: &Outbound, body: Bytes) -> Result<(), String> {
    let mut pause = HOOK_PAUSE;
    let mut attempt = 1;
    loop {
        let failure = match outbound
            .send(request(config, body.clone())?, HOOK_TIME)
            .await
        {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        if attempt == HOOK_ATTEMPTS {
            return Err(failure);
        }
        tracing::debug!(
            url = config.url,
            failure,
            attempt,
            "a web hook is asked again"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(HOOK_PAUSE_MAX);
        attempt += 1;
    }
}

fn request(config: &HookConfig, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let mut request = Request::post(&config.url)
        .header(header::CONTENT_TYPE, MEDIA_TYPE)
        .body(Full::new(body))
        .map_err(|error| error.to_string())?;
    for (name, value) in &config.headers {
        let name = name
            .parse::<HeaderName>()
            .map_err(|error| error.to_string())?;
        let value = value
            .parse::<HeaderValue>()
            .map_err(|error| error.to_string())?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}
