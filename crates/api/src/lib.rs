//! The Docker Engine API on the wire, shared by the server and the client.
//!
//! Purpose: the types of requests and answers ([`container`], [`image`], [`network`],
//! [`volume`], [`system`], [`exec`], [`event`], [`progress`], [`registry`]), their JSON
//! as Go reads and writes it ([`json`]), the table of endpoints ([`endpoint`]), the
//! framing of multiplexed streams ([`frame`]) and the API versions ([`version`]).
//!
//! Invariants: field order, zero values, `null`s and omitted fields are those of Docker
//! 28 (API 1.51); maps are sorted. Each type reads what it writes. Read JSON with
//! [`json::from_slice`]: it accepts any case of a field's name and `null` for any value,
//! as Go does, and ignores unknown fields, as dockerd does.
//!
//! Never knows: the engine, its disk formats, HTTP.
//!
//! Sources: Docker Engine API 1.51; answers recorded from dockerd 28.5.
#![forbid(unsafe_code)]

pub mod auth;
pub mod container;
pub mod endpoint;
mod error;
pub mod event;
pub mod exec;
pub mod filters;
pub mod frame;
pub mod image;
pub mod json;
pub mod network;
pub mod progress;
pub mod registry;
mod skip;
pub mod system;
pub mod version;
pub mod volume;

pub use error::ErrorResponse;
pub use filters::Filters;
pub use version::ApiVersion;
