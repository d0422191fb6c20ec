//! Operations on containers, one file a verb.

mod archive;
mod attach;
mod connect;
mod create;
mod defaults;
mod endpoint;
pub(crate) mod exit;
mod export;
mod inspect;
pub(crate) mod intent;
mod links;
mod list;
mod log_setup;
mod logs;
mod merge;
mod mounts;
mod network;
mod network_files;
mod pause;
mod ports;
mod remove;
mod rename;
pub(crate) mod resize;
mod start;
mod start_error;
mod stats;
pub(crate) mod step;
pub(crate) mod stop;
mod top;
mod update;
mod verify;
mod verify_resources;
mod volumes;
mod wait;

pub(crate) use network::{cleared, namespace_path};
