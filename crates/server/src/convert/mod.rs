//! Wire values to the model's and back. Each value is taken apart, so that a field that is
//! added on either side does not compile until it is carried over or refused here.

mod auth;
mod config;
mod container;
mod create;
mod endpoint;
mod exec;
mod host_config;
mod image;
mod mount;
mod network;
mod port;
mod progress;
mod reach;
mod resources;
mod stats;
mod system;
mod time;
mod volume;

pub(crate) use auth::{auth_config, registry_auth, registry_config};
pub(crate) use config::container_config;
pub(crate) use container::{container_inspect, container_summary, filesystem_change};
pub(crate) use create::create_request;
pub(crate) use endpoint::endpoint_config;
pub(crate) use exec::{exec_config, exec_inspect, terminal_size};
pub(crate) use image::{
    delete_item, distribution, history_item, image_inspect, image_summary, platform_text,
    search_hit,
};
pub(crate) use network::{network, network_create_request};
pub(crate) use progress::progress;
pub(crate) use reach::reach;
pub(crate) use resources::update_request;
pub(crate) use stats::stats;
pub(crate) use system::{cache_record, disk_usage, event, system_info, system_version};
pub(crate) use time::instant;
pub(crate) use volume::{volume, volume_create_request};

use std::collections::BTreeMap;

/// A map of a request: missing and empty are the same.
fn some_map(map: BTreeMap<String, String>) -> Option<BTreeMap<String, String>> {
    (!map.is_empty()).then_some(map)
}

/// A path as text; what is not UTF-8 is shown with replacement characters.
fn path_text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}
