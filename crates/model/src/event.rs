//! Events: what happened, to whom.

use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// What kind of object an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// Builder.
    Builder,
    /// Swarm configuration.
    Config,
    /// Container.
    Container,
    /// The daemon itself.
    Daemon,
    /// Image.
    Image,
    /// Network.
    Network,
    /// Swarm node.
    Node,
    /// Plugin.
    Plugin,
    /// Swarm secret.
    Secret,
    /// Swarm service.
    Service,
    /// Volume.
    Volume,
}

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actor {
    /// ID, or name for volumes and images.
    pub id: String,
    /// Labels, name, image, exit code, signal…
    pub attributes: BTreeMap<String, String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Kind of the object.
    pub kind: EventKind,
    /// `create`, `start`, `die`, `exec_create: sh`, `health_status: healthy`, …
    pub action: String,
    /// Whom.
    pub actor: Actor,
    /// `local`.
    pub scope: String,
    /// When.
    pub time: Timestamp,
}

impl EventKind {
    /// As in Docker's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Builder => "builder",
            Self::Config => "config",
            Self::Container => "container",
            Self::Daemon => "daemon",
            Self::Image => "image",
            Self::Network => "network",
            Self::Node => "node",
            Self::Plugin => "plugin",
            Self::Secret => "secret",
            Self::Service => "service",
            Self::Volume => "volume",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = String;

    /// The unknown word is handed back.
    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Builder,
            Self::Config,
            Self::Container,
            Self::Daemon,
            Self::Image,
            Self::Network,
            Self::Node,
            Self::Plugin,
            Self::Secret,
            Self::Service,
            Self::Volume,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| text.to_owned())
    }
}
