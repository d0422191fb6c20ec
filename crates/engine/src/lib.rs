//! The engine: Docker's operations, one file a verb.
//!
//! Purpose: creates, runs, watches and removes containers out of what the rooms below
//! offer (images, snapshots, volumes, networks, the shim), keeps their records, and tells
//! the world by events. [`Engine`] is the facade: one method an operation, values of
//! `corten-model` in and out, errors that know their kind and speak Docker's sentences.
//!
//! Invariants:
//! - one lock a container, held by whoever changes it; `list`, `inspect` and `events`
//!   read a snapshot and never wait for a stuck container;
//! - every step with an effect outside the process has its intent on record first, and
//!   [`Engine::open`] reconciles records with what it finds;
//! - nothing held in memory is needed to keep a container running or to know how it ended.
//!
//! Never knows: HTTP, wire types, API versions, raw system calls.
#![forbid(unsafe_code)]

mod apparmor;
mod blocking;
mod boot_order;
mod build;
mod build_mounts;
mod config;
mod container;
mod detach_keys;
mod emulation;
mod engine;
mod error;
mod events;
mod exec;

mod handle;
mod health;
mod host;
mod image;
mod list_filter;
mod messages;
mod metrics;
mod names;
mod network;
mod ps;
mod reconcile;
mod reframed;
mod reload;
mod requests;
mod signal;
mod spec;
mod status_text;
mod streams;
mod system;
mod table;
mod tar_join;
mod time_filter;
mod users;
mod volume;
mod volume_copies;

pub use build::{BuildPruneReport, BuildToken, TarPart, platform_directory};
pub use config::{
    AddressPool, CleanupOptions, EngineConfig, NetworkOptions, RegistryOptions, RuntimeProgram,
};
pub use corten_images::{
    CleanupPolicy, CleanupReason, Doomed as DoomedImage, ProxyConfig, RegistryRules,
};
pub use corten_network::{IpamConfig, NetworkRequest, Reach, ReachedFrom};
pub use corten_snapshot::Form as LayerForm;
pub use emulation::emulated_platforms;
pub use engine::Engine;
pub use error::EngineError;
pub use image::CleanupReport;
pub use metrics::EngineMetrics;
pub use requests::*;
pub use streams::{AttachStream, ByteStream, Duplex, LogsStream};
pub use users::remap::{remapped, remapped_to_itself};
pub use volume_copies::VolumeCopy;

/// What an operation answers.
pub type Result<T> = std::result::Result<T, EngineError>;
