//! Which containers a list shows (moby: `daemon/list.go`).

use crate::{EngineError, ListOptions, Result, messages};
use corten_base::Timestamp;
use corten_images::Image;
use corten_model::{Container, Filters, ParsePortError, Patterns, Port, Status};
use std::{
    collections::BTreeSet,
    num::{IntErrorKind, ParseIntError},
    path::Path,
    sync::Arc,
};

const FILTERS: [&str; 15] = [
    "ancestor",
    "before",
    "expose",
    "exited",
    "health",
    "id",
    // Says something on Windows only; dockerd shows every container here.
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// A list's question, read once.
pub(crate) struct ListFilter<'a> {
    filters: &'a Filters,
    names: Patterns,
    all: bool,
    exited: BTreeSet<i64>,
    statuses: BTreeSet<StatusWord>,
    before: Option<(Timestamp, String)>,
    since: Option<(Timestamp, String)>,
    ancestors: Option<Vec<Ancestor>>,
    publish: Vec<(Port, u16)>,
    expose: Vec<(Port, u16)>,
    task: bool,
}

type StatusWord = &'static str;

enum Ancestor {
    /// The image itself; containers of its descendants match too.
    Layers(Vec<String>, String),
}

/// How containers are found by name.
type Find<'a> = &'a dyn Fn(&str) -> Result<Arc<Container>>;

/// How images are found by name.
type FindImage<'a> = &'a dyn Fn(&str) -> Option<Image>;

impl<'a> ListFilter<'a> {
    pub(crate) fn new(
        options: &'a ListOptions,
        find: Find<'_>,
        image: FindImage<'_>,
    ) -> Result<Self> {
        let filters = &options.filters;
        filters.validate(&FILTERS)?;
        let wrong = |key: &str, value: &str, reason: String| {
            EngineError::Invalid(messages::invalid_filter(key, value, reason))
        };
        let mut all = options.all || options.limit > 0;
        let mut exited = BTreeSet::new();
        for value in filters.get("exited") {
            let code = value.parse().map_err(|_| {
                wrong(
                    "exited",
                    value,
                    format!("strconv.Atoi: parsing \"{value}\": invalid syntax"),
                )
            })?;
            exited.insert(code);
        }
        let mut statuses = BTreeSet::new();
        for value in filters.get("status") {
            let status = Status::ALL.into_iter().find(|it| it.as_str() == value);
            let status = status.ok_or_else(|| {
                let known = Status::ALL.map(Status::as_str).join(", ");
                wrong(
                    "status",
                    value,
                    format!("invalid value for state ({value}): must be one of {known}"),
                )
            })?;
            statuses.insert(status.as_str());
            all = true;
        }
        for value in filters.get("health") {
            let known = ["none", "starting", "healthy", "unhealthy"];
            if !known.contains(&value) {
                let reason = format!(
                    "invalid value for health ({value}): must be one of {}",
                    known.join(", ")
                );
                return Err(wrong("health", value, reason));
            }
        }
        let task = filters.flag("is-task", false)?;
        let place = |key: &str| -> Result<Option<(Timestamp, String)>> {
            let record = filters.get(key).next().map(find).transpose()?;
            Ok(record.map(|it| (it.created, it.id.to_string())))
        };
        // A container created before or since another one is shown whatever its state.
        let (before, since) = (place("before")?, place("since")?);
        all = all || before.is_some() || since.is_some() || !exited.is_empty();
        let ancestors = filters.contains("ancestor").then(|| {
            let found = filters.get("ancestor").filter_map(image);
            found
                .map(|it| {
                    let layers = it.layers().iter().map(ToString::to_string).collect();
                    Ancestor::Layers(layers, it.id.to_string())
                })
                .collect()
        });
        Ok(Self {
            filters,
            names: filters.patterns("name"),
            all,
            exited,
            statuses,
            before,
            since,
            ancestors,
            publish: ports(filters, "publish")?,
            expose: ports(filters, "expose")?,
            task,
        })
    }

    pub(crate) fn matches(&self, record: &Container) -> bool {
        let filters = self.filters;
        let state = &record.state;
        let id = record.id.to_string();
        let place = (record.created, id.clone());
        let health = state
            .health
            .as_ref()
            .map_or("none", |health| health.status.as_str());
        (self.all || state.is_running())
            && !(self.task)
            && (self.names.fit(&record.name) || self.names.fit(&format!("/{}", record.name)))
            && (!filters.contains("id") || filters.get("id").any(|it| is_prefix(it, &id)))
            && filters.labels("label", &record.config.labels)
            && (self.exited.is_empty()
                || (!state.is_running()
                    && !state.started_at.is_zero()
                    && self.exited.contains(&state.exit_code)))
            && (self.statuses.is_empty() || self.statuses.contains(state.status.as_str()))
            && filters.exact("health", health)
            && self.before.as_ref().is_none_or(|before| place < *before)
            && self.since.as_ref().is_none_or(|since| place > *since)
            && self
                .ancestors
                .as_ref()
                .is_none_or(|list| list.iter().any(|it| it.is_of(record)))
            && (!filters.contains("volume") || self.volume_matches(record))
            && (!filters.contains("network") || self.network_matches(record))
            && (self.publish.is_empty() || any_port(&self.publish, published(record)))
            && (self.expose.is_empty()
                || any_port(&self.expose, record.config.exposed_ports.iter().copied()))
    }

    fn volume_matches(&self, record: &Container) -> bool {
        self.filters.get("volume").any(|wanted| {
            record.mounts.iter().any(|point| {
                point.name == wanted
                    || point.destination == Path::new(wanted)
                    || (wanted.starts_with('/') && point.source == Path::new(wanted))
            })
        })
    }

    fn network_matches(&self, record: &Container) -> bool {
        self.filters.get("network").any(|wanted| {
            record
                .network_settings
                .networks
                .iter()
                .any(|(name, endpoint)| {
                    name == wanted
                        || endpoint
                            .network_id
                            .is_some_and(|id| id.to_string().starts_with(wanted))
                })
        })
    }
}

impl Ancestor {
    fn is_of(&self, record: &Container) -> bool {
        let Self::Layers(layers, id) = self;
        record.image.as_str() == id
            || (!layers.is_empty()
                && record.layers.len() > layers.len()
                && record.layers.starts_with(layers))
    }
}

/// The ports of the host; without a process there are none.
fn published(record: &Container) -> impl Iterator<Item = Port> {
    let ports = record.network_settings.ports.iter();
    ports.flat_map(|(port, bindings)| {
        let bindings = bindings.iter().flatten();
        let numbers = bindings.filter_map(|binding| binding.host_port.parse().ok());
        numbers.map(|number| Port { number, ..*port })
    })
}

fn any_port(wanted: &[(Port, u16)], mut ports: impl Iterator<Item = Port>) -> bool {
    ports.any(|port| {
        wanted.iter().any(|(first, last)| {
            port.protocol == first.protocol && (first.number..=*last).contains(&port.number)
        })
    })
}

/// `80`, `80/udp`, `8000-8010/tcp`.
fn ports(filters: &Filters, key: &str) -> Result<Vec<(Port, u16)>> {
    filters
        .get(key)
        .map(|value| {
            if value.contains(':') {
                return Err(EngineError::Failed(messages::colon_in_port_filter(
                    key, value,
                )));
            }
            let wrong = |reason: String| {
                EngineError::Failed(messages::invalid_port_filter(key, value, reason))
            };
            let (range, protocol) = value.split_once('/').unwrap_or((value, "tcp"));
            if range.is_empty() {
                return Err(wrong("Empty string specified for ports.".to_owned()));
            }
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| {
                text.parse::<u16>()
                    .map_err(|error| wrong(why(text, &error)))
            };
            let (number, last) = (number(first)?, number(last)?);
            if last < number {
                let reason = format!("Invalid range specified for the Port: {range}");
                return Err(wrong(reason));
            }
            let first: Port = format!("{first}/{protocol}")
                .parse()
                .map_err(|error: ParsePortError| wrong(error.to_string()))?;
            Ok((first, last))
        })
        .collect()
}

/// As Go's `strconv` says it.
fn why(text: &str, error: &ParseIntError) -> String {
    let reason = match error.kind() {
        IntErrorKind::PosOverflow => "value out of range",
        _ => "invalid syntax",
    };
    format!("strconv.ParseUint: parsing \"{text}\": {reason}")
}

/// An empty one is nobody's, as in dockerd's index of IDs.
fn is_prefix(wanted: &str, id: &str) -> bool {
    !wanted.is_empty() && id.starts_with(wanted)
}

/// Path and arguments as one line; what has spaces is quoted as Docker quotes it.
pub(crate) fn command_line(record: &Container) -> String {
    let mut line = record.path.clone();
    for argument in &record.args {
        line.push(' ');
        match argument.contains(' ') {
            true => line.push_str(&format!("'{argument}'")),
            false => line.push_str(argument),
        }
    }
    line
}
