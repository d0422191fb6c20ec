//! Containers as lists and inspection show them.

use super::{
    config::container_config_to_wire,
    endpoint::{network_settings, summary_networks},
    host_config::host_config_to_wire,
    mount::mount_point,
    path_text,
};
use corten_api::{ApiVersion, container as wire};
use corten_base::Timestamp;
use corten_model::{
    ChangeKind, Container, ContainerInspect, ContainerSummary, FilesystemChange, GraphDriver,
    Health, HealthResult, PublishedPort, State, Status,
};

pub(crate) fn container_summary(container: ContainerSummary, version: ApiVersion) -> wire::Summary {
    let ContainerSummary {
        id,
        names,
        image,
        image_id,
        command,
        created,
        ports,
        size_rw,
        size_root_fs,
        labels,
        status,
        status_text,
        network_mode,
        annotations,
        network_settings,
        mounts,
        image_manifest_descriptor,
    } = container;
    // Annotations came with 1.46, the descriptor with 1.48.
    let annotations = annotations
        .filter(|_| version >= ApiVersion::v1(46))
        .unwrap_or_default();
    wire::Summary {
        id: id.to_string(),
        names,
        image,
        image_id: image_id.to_string(),
        image_manifest_descriptor: image_manifest_descriptor
            .filter(|_| version >= ApiVersion::v1(48)),
        command,
        created: created.unix_seconds(),
        ports: ports.into_iter().map(published_port).collect(),
        size_rw: size_rw.map(signed).unwrap_or_default(),
        size_root_fs: size_root_fs.map(signed).unwrap_or_default(),
        labels,
        state: status.as_str().to_owned(),
        status: status_text,
        host_config: wire::SummaryHostConfig {
            network_mode,
            annotations,
        },
        network_settings: summary_networks(network_settings),
        mounts: mounts.into_iter().map(mount_point).collect(),
    }
}

fn published_port(port: PublishedPort) -> wire::SummaryPort {
    let PublishedPort {
        host_ip,
        container_port,
        host_port,
        protocol,
    } = port;
    wire::SummaryPort {
        ip: host_ip.unwrap_or_default(),
        private_port: container_port,
        public_port: host_port.unwrap_or_default(),
        r#type: protocol.as_str().to_owned(),
    }
}

pub(crate) fn container_inspect(container: ContainerInspect, version: ApiVersion) -> wire::Inspect {
    let ContainerInspect {
        container:
            Container {
                id,
                name,
                created,
                path,
                args,
                image,
                platform,
                platform_request: _,
                config,
                host_config,
                network_settings: networks,
                mounts,
                layers: _,
                state,
                restart_count,
                stopped_by_user: _,
                files_directory: _,
                log_path,
                image_manifest_descriptor,
                // The host's business.
                id_map: _,
                app_armor_profile,
            },
        resolv_conf_path,
        hostname_path,
        hosts_path,
        driver,
        mount_label,
        process_label,
        exec_ids,
        graph_driver,
        size_rw,
        size_root_fs,
    } = container;
    let own_names = [id.short(), config.hostname.clone()];
    wire::Inspect {
        id: id.to_string(),
        created: created.to_string(),
        path,
        args,
        state: state_to_wire(state),
        image: image.to_string(),
        resolv_conf_path: path_text(&resolv_conf_path),
        hostname_path: path_text(&hostname_path),
        hosts_path: path_text(&hosts_path),
        log_path: path_text(&log_path),
        name: format!("/{name}"),
        restart_count,
        driver,
        platform,
        image_manifest_descriptor: image_manifest_descriptor
            .filter(|_| version >= ApiVersion::v1(48)),
        mount_label,
        process_label,
        app_armor_profile,
        exec_ids: exec_ids.map(|ids| ids.iter().map(ToString::to_string).collect()),
        host_config: host_config_to_wire(host_config),
        graph_driver: graph_driver_to_wire(graph_driver),
        size_rw: size_rw.map(signed),
        size_root_fs: size_root_fs.map(signed),
        mounts: mounts.into_iter().map(mount_point).collect(),
        config: container_config_to_wire(config),
        network_settings: network_settings(networks, &own_names, version),
    }
}

pub(super) fn graph_driver_to_wire(driver: GraphDriver) -> wire::GraphDriver {
    let GraphDriver { name, data } = driver;
    wire::GraphDriver {
        data: Some(data),
        name,
    }
}

fn state_to_wire(state: State) -> wire::State {
    let State {
        status,
        oom_killed,
        pid,
        exit_code,
        error,
        started_at,
        finished_at,
        health,
    } = state;
    wire::State {
        running: matches!(
            status,
            Status::Running | Status::Paused | Status::Restarting
        ),
        paused: status == Status::Paused,
        restarting: status == Status::Restarting,
        dead: status == Status::Dead,
        status: status.as_str().to_owned(),
        oom_killed,
        pid: pid.into(),
        exit_code,
        error,
        started_at: started_at.to_string(),
        finished_at: finished_at.to_string(),
        health: health.map(health_to_wire),
    }
}

fn health_to_wire(health: Health) -> wire::Health {
    let Health {
        status,
        failing_streak,
        log,
    } = health;
    let result = |HealthResult {
                      start,
                      end,
                      exit_code,
                      output,
                  }| wire::HealthcheckResult {
        start: Timestamp::to_string(&start),
        end: Timestamp::to_string(&end),
        exit_code,
        output,
    };
    wire::Health {
        status: status.as_str().to_owned(),
        failing_streak,
        log: Some(log.into_iter().map(result).collect()),
    }
}

pub(crate) fn filesystem_change(change: FilesystemChange) -> wire::FilesystemChange {
    let FilesystemChange { path, kind } = change;
    let kind = match kind {
        ChangeKind::Modified => 0,
        ChangeKind::Added => 1,
        ChangeKind::Deleted => 2,
    };
    wire::FilesystemChange { path, kind }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
