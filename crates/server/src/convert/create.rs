//! The create request, with what older clients meant by what they left out.

use super::{config::container_config, endpoint::endpoint_config, host_config::host_config};
use crate::{error::ApiError, messages};
use corten_api::{ApiVersion, container as wire};
use corten_engine::CreateRequest;

pub(crate) fn create_request(
    request: wire::CreateRequest,
    name: Option<String>,
    platform: Option<String>,
    version: ApiVersion,
) -> Result<CreateRequest, ApiError> {
    let wire::CreateRequest {
        config,
        mut host_config,
        networking_config: wire::NetworkingConfig { endpoints_config },
        is_empty: _,
    } = request;
    as_meant(&mut host_config, version);
    let endpoints = endpoints_config.unwrap_or_default();
    if version < ApiVersion::v1(44) && endpoints.len() > 1 {
        let names: Vec<String> = endpoints.into_keys().collect();
        let names = names.join(", ");
        return Err(ApiError::invalid(messages::several_networks(&names)));
    }
    let endpoints = endpoints.into_iter();
    Ok(CreateRequest {
        name,
        platform,
        config: container_config(config)?,
        host_config: self::host_config(host_config)?,
        endpoints: endpoints
            .map(|(network, settings)| (network, endpoint_config(settings.unwrap_or_default())))
            .collect(),
    })
}

/// Fields a version does not have are not read, and defaults are those of its time
/// (Docker 28, API version history).
fn as_meant(config: &mut wire::HostConfig, version: ApiVersion) {
    let before = |minor| version < ApiVersion::v1(minor);
    if before(25) {
        config.auto_remove = false;
    }
    if before(40) {
        // "IpcMode" and mounts without recursion came with 1.40.
        for mount in &mut config.mounts {
            if let Some(options) = &mut mount.bind_options {
                options.non_recursive = false;
            }
        }
        config.kernel_memory_tcp = 0;
        if config.ipc_mode.is_empty() {
            config.ipc_mode = "shareable".to_owned();
        }
    }
    if before(41) {
        // The host's namespace was all there was.
        if config.cgroupns_mode.is_empty() {
            config.cgroupns_mode = "host".to_owned();
        }
    }
    // Deprecated, and without effect since 1.42: kernels from 5.4 on have no such limit.
    config.kernel_memory = 0;
    if before(42) {
        for mount in &mut config.mounts {
            if mount.r#type == "volume" {
                mount.bind_options = None;
            }
            if let Some(options) = &mut mount.bind_options {
                options.create_mountpoint = false;
            }
        }
    }
    if before(44) {
        // Read-only meant the topmost mount only.
        for mount in config
            .mounts
            .iter_mut()
            .filter(|mount| mount.r#type == "bind")
        {
            let options = mount.bind_options.get_or_insert_default();
            options.read_only_non_recursive = mount.read_only;
            options.read_only_force_recursive = false;
        }
    }
}
