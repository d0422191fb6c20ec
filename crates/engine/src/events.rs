//! What happened: remembered for a while, and told to whoever listens.

use crate::{EventsOptions, Result};
use corten_base::Timestamp;
use corten_model::{Actor, Event, EventKind, Filters};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::broadcast;

/// Docker remembers as many.
const REMEMBERED: usize = 256;

/// Events a slow reader may lag behind before it loses some.
const QUEUE: usize = 1024;

const FILTERS: [&str; 14] = [
    "config",
    "container",
    "daemon",
    "event",
    "image",
    "label",
    "network",
    "node",
    "plugin",
    "scope",
    "secret",
    "service",
    "type",
    "volume",
];

pub(crate) struct EventLog {
    /// How many there were since the daemon started.
    published: AtomicU64,
    /// Under the lock an event is remembered and sent, so that a reader who looks back and
    /// subscribes under it misses none and sees none twice.
    remembered: Mutex<VecDeque<Arc<Event>>>,
    sender: broadcast::Sender<Arc<Event>>,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self {
            published: AtomicU64::new(0),
            remembered: Mutex::new(VecDeque::with_capacity(REMEMBERED)),
            sender: broadcast::Sender::new(QUEUE),
        }
    }

    pub(crate) fn publish(
        &self,
        kind: EventKind,
        action: impl Into<String>,
        id: impl Into<String>,
        attributes: BTreeMap<String, String>,
    ) {
        let event = Arc::new(Event {
            kind,
            action: action.into(),
            actor: Actor {
                id: id.into(),
                attributes,
            },
            scope: "local".into(),
            time: Timestamp::now(),
        });
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(event.clone());
        self.published.fetch_add(1, Ordering::Relaxed);
        // Nobody listens: no failure.
        let _listeners = self.sender.send(event).unwrap_or(0);
    }

    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    pub(crate) fn listeners(&self) -> u64 {
        self.sender.receiver_count() as u64
    }

    /// Events of the past from `since` on, then those to come, up to `until`.
    pub(crate) fn read(&self, options: EventsOptions) -> Result<BoxStream<'static, Event>> {
        options.filters.validate(&FILTERS)?;
        let EventsOptions {
            since,
            until,
            filters,
        } = options;
        let (past, receiver) = {
            let remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let past: Vec<Arc<Event>> = match since {
                Some(since) => remembered
                    .iter()
                    .filter(|it| it.time >= since)
                    .cloned()
                    .collect(),
                None => Vec::new(),
            };
            (past, self.sender.subscribe())
        };
        let left = until.map(|until| {
            let nanoseconds = until.unix_nanoseconds() - Timestamp::now().unix_nanoseconds();
            Duration::from_nanos(nanoseconds.max(0) as u64)
        });
        let past = past
            .into_iter()
            .filter(move |it| until.is_none_or(|until| it.time <= until));
        let future = stream::unfold(receiver, |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        let end = async move {
            match left {
                Some(left) => tokio::time::sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let all = stream::iter(past).chain(future.take_until(end));
        Ok(all
            .filter(move |event| std::future::ready(matches(&filters, event)))
            .map(|event| Event::clone(&event))
            .boxed())
    }
}

/// moby: `daemon/events/filter.go`.
fn matches(filters: &Filters, event: &Event) -> bool {
    let attribute = |name: &str| event.actor.attributes.get(name).map_or("", String::as_str);
    let of_kind = |key: &str, kind: EventKind| {
        !filters.contains(key)
            || (event.kind == kind
                && (filters.fuzzy(key, &event.actor.id) || filters.fuzzy(key, attribute("name"))))
    };
    let image = || {
        let name = if event.kind == EventKind::Image {
            attribute("name")
        } else {
            attribute("image")
        };
        let untagged = name.rsplit_once(':').map_or(name, |(name, _)| name);
        !filters.contains("image")
            || filters.exact("image", &event.actor.id)
            || filters.exact("image", name)
            || filters.exact("image", untagged)
    };
    let action = || {
        let short = event.action.split(':').next().unwrap_or_default();
        filters.exact("event", &event.action)
            || (["exec_create", "exec_start", "health_status"].contains(&short)
                && filters.exact("event", short))
    };
    action()
        && filters.exact("type", event.kind.as_str())
        && filters.exact("scope", &event.scope)
        && filters.fuzzy("daemon", attribute("name"))
        && of_kind("container", EventKind::Container)
        && of_kind("plugin", EventKind::Plugin)
        && of_kind("volume", EventKind::Volume)
        && of_kind("network", EventKind::Network)
        && of_kind("node", EventKind::Node)
        && of_kind("service", EventKind::Service)
        && of_kind("secret", EventKind::Secret)
        && of_kind("config", EventKind::Config)
        && image()
        && filters.labels("label", &event.actor.attributes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> EventLog {
        let log = EventLog::new();
        let attributes: BTreeMap<_, _> = [("name", "web"), ("image", "nginx:1"), ("a", "b")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        log.publish(EventKind::Container, "create", "c0ffee", attributes.clone());
        log.publish(
            EventKind::Container,
            "exec_create: ls",
            "c0ffee",
            attributes,
        );
        log.publish(EventKind::Volume, "create", "data", BTreeMap::new());
        log
    }

    async fn seen(filters: &[(&str, &str)]) -> Vec<String> {
        let mut options = EventsOptions {
            since: Some(Timestamp::from_unix(1, 0)),
            until: Some(Timestamp::now()),
            ..EventsOptions::default()
        };
        for (key, value) in filters {
            options.filters.add(*key, *value);
        }
        let log = log();
        options.until = Some(Timestamp::now());
        let list = log
            .read(options)
            .expect("known filters")
            .collect::<Vec<_>>()
            .await;
        list.into_iter().map(|event| event.action).collect()
    }

    #[tokio::test]
    async fn filters_narrow_by_object_action_and_label() {
        assert_eq!(seen(&[]).await.len(), 3);
        assert_eq!(seen(&[("type", "volume")]).await, ["create"]);
        assert_eq!(seen(&[("event", "exec_create")]).await, ["exec_create: ls"]);
        assert_eq!(seen(&[("container", "web")]).await.len(), 2);
        assert_eq!(seen(&[("container", "c0f")]).await.len(), 2);
        assert_eq!(seen(&[("image", "nginx")]).await.len(), 2);
        assert_eq!(seen(&[("label", "a=b")]).await.len(), 2);
        assert_eq!(seen(&[("label", "a=c")]).await.len(), 0);
    }

    #[test]
    fn an_unknown_filter_is_refused() {
        let mut options = EventsOptions::default();
        options.filters.add("foo", "bar");
        let error = log().read(options).err().expect("unknown");
        assert_eq!(error.to_string(), "invalid filter 'foo'");
    }
}
