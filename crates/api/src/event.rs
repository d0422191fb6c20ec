//! `GET /events`.

use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "events.Message")]
pub struct Message {
    /// Deprecated: the action, of container and image events.
    #[serde(skip_serializing_if = "empty")]
    pub status: String,
    /// Deprecated: the actor's ID.
    #[serde(skip_serializing_if = "empty")]
    pub id: String,
    /// Deprecated: the image.
    #[serde(skip_serializing_if = "empty")]
    pub from: String,
    /// `container`, `image`, `network`, `volume`, `daemon`, …
    #[serde(rename = "Type")]
    pub r#type: String,
    /// `start`, `die`, `exec_start: sh`, …
    #[serde(rename = "Action")]
    pub action: String,
    /// To whom it happened.
    #[serde(rename = "Actor")]
    pub actor: Actor,
    /// `local` or `swarm`.
    #[serde(skip_serializing_if = "empty")]
    pub scope: String,
    /// Seconds since 1970.
    #[serde(skip_serializing_if = "empty")]
    pub time: i64,
    /// Nanoseconds since 1970.
    #[serde(rename = "timeNano", skip_serializing_if = "empty")]
    pub time_nano: i64,
}

/// To whom an event happened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "events.Actor")]
pub struct Actor {
    /// ID or name.
    #[serde(rename = "ID")]
    pub id: String,
    /// Names, labels, exit codes, …
    #[serde(rename = "Attributes")]
    pub attributes: BTreeMap<String, String>,
}
