//! Mounts.

use super::{path_text, some_map};
use crate::error::ApiError;
use corten_api::container as wire;
use corten_model::{
    BindOptions, IdMap, IdRange, ImageOptions, MountPoint, MountRequest, TmpfsOptions,
    VolumeOptions,
};

pub(super) fn mount_request(mount: wire::Mount) -> Result<MountRequest, ApiError> {
    let wire::Mount {
        r#type,
        source,
        target,
        read_only,
        consistency,
        bind_options,
        volume_options,
        image_options,
        tmpfs_options,
        cluster_options,
    } = mount;
    let kind = r#type.parse().map_err(|unknown: String| {
        ApiError::invalid(format!(
            "invalid mount config for type {unknown:?}: mount type unknown"
        ))
    })?;
    if cluster_options.is_some() {
        return Err(ApiError::unsupported("mounting a cluster volume"));
    }
    Ok(MountRequest {
        kind,
        source,
        target,
        read_only,
        consistency,
        bind_options: bind_options.map(bind).transpose()?,
        volume_options: volume_options.map(volume),
        image_options: image_options.map(|wire::ImageOptions { subpath }| ImageOptions { subpath }),
        tmpfs_options: tmpfs_options.map(
            |wire::TmpfsOptions {
                 size_bytes,
                 mode,
                 options,
             }| {
                TmpfsOptions {
                    size_bytes,
                    mode: (mode != 0).then_some(mode),
                    options: (!options.is_empty()).then_some(options),
                }
            },
        ),
    })
}

fn bind(options: wire::BindOptions) -> Result<BindOptions, ApiError> {
    let wire::BindOptions {
        propagation,
        non_recursive,
        create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map,
    } = options;
    let propagation = propagation.parse().map_err(|unknown: String| {
        ApiError::invalid(format!(
            "invalid mount config for type \"bind\": invalid propagation mode: {unknown}"
        ))
    })?;
    Ok(BindOptions {
        propagation,
        non_recursive,
        create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map: id_map.map(|wire::IdMap { uids, gids }| IdMap {
            uids: uids.into_iter().map(range).collect(),
            gids: gids.into_iter().map(range).collect(),
        }),
    })
}

fn range(range: wire::IdRange) -> IdRange {
    let wire::IdRange {
        container,
        host,
        size,
    } = range;
    IdRange {
        container,
        host,
        size,
    }
}

fn range_to_wire(range: IdRange) -> wire::IdRange {
    let IdRange {
        container,
        host,
        size,
    } = range;
    wire::IdRange {
        container,
        host,
        size,
    }
}

fn volume(options: wire::VolumeOptions) -> VolumeOptions {
    let wire::VolumeOptions {
        no_copy,
        labels,
        subpath,
        driver_config,
    } = options;
    let wire::VolumeDriverConfig { name, options } = driver_config.unwrap_or_default();
    VolumeOptions {
        no_copy,
        labels: some_map(labels),
        driver_name: name,
        driver_options: some_map(options),
        subpath,
    }
}

pub(super) fn mount_request_to_wire(mount: MountRequest) -> wire::Mount {
    let MountRequest {
        kind,
        source,
        target,
        read_only,
        consistency,
        bind_options,
        volume_options,
        image_options,
        tmpfs_options,
    } = mount;
    wire::Mount {
        r#type: kind.as_str().to_owned(),
        source,
        target,
        read_only,
        consistency,
        bind_options: bind_options.map(bind_to_wire),
        volume_options: volume_options.map(volume_to_wire),
        image_options: image_options.map(|ImageOptions { subpath }| wire::ImageOptions { subpath }),
        tmpfs_options: tmpfs_options.map(
            |TmpfsOptions {
                 size_bytes,
                 mode,
                 options,
             }| {
                wire::TmpfsOptions {
                    size_bytes,
                    mode: mode.unwrap_or_default(),
                    options: options.unwrap_or_default(),
                }
            },
        ),
        cluster_options: None,
    }
}

fn bind_to_wire(options: BindOptions) -> wire::BindOptions {
    let BindOptions {
        propagation,
        non_recursive,
        create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map,
    } = options;
    wire::BindOptions {
        propagation: propagation.as_str().to_owned(),
        non_recursive,
        create_mountpoint,
        read_only_non_recursive,
        read_only_force_recursive,
        id_map: id_map.map(|IdMap { uids, gids }| wire::IdMap {
            uids: uids.into_iter().map(range_to_wire).collect(),
            gids: gids.into_iter().map(range_to_wire).collect(),
        }),
    }
}

fn volume_to_wire(options: VolumeOptions) -> wire::VolumeOptions {
    let VolumeOptions {
        no_copy,
        labels,
        driver_name,
        driver_options,
        subpath,
    } = options;
    let driver = wire::VolumeDriverConfig {
        name: driver_name,
        options: driver_options.unwrap_or_default(),
    };
    wire::VolumeOptions {
        no_copy,
        labels: labels.unwrap_or_default(),
        subpath,
        driver_config: (driver != wire::VolumeDriverConfig::default()).then_some(driver),
    }
}

pub(super) fn mount_point(mount: MountPoint) -> wire::MountPoint {
    let MountPoint {
        kind,
        name,
        source,
        destination,
        driver,
        mode,
        rw,
        propagation,
        // How it was made: the request itself is shown in the host configuration.
        request: _,
        copy_up: _,
        create_source: _,
        anonymous: _,
    } = mount;
    wire::MountPoint {
        r#type: kind.as_str().to_owned(),
        name,
        source: path_text(&source),
        destination: path_text(&destination),
        driver,
        mode,
        rw,
        propagation: propagation.as_str().to_owned(),
    }
}
