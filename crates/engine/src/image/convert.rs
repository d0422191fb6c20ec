//! The images room's values as Corten's nouns.

use corten_base::Timestamp;
use corten_images::{self as images, ImageUser, Progress as Message};
use corten_model::{
    ContainerConfig, GraphDriver, HealthConfig, ImageBuild, ImageHistoryItem, ImageId,
    ImageIdentity, ImageInspect, ImageManifest, ImageManifestKind, ImageSummary, Port, Progress,
    ProgressDetail,
};
use corten_oci::RunConfig;

pub(crate) fn progress(message: Message) -> Progress {
    match message {
        Message::Status { id, text, layer } => Progress {
            id: id.unwrap_or_default(),
            status: text,
            detail: layer.then(ProgressDetail::default),
            ..Progress::default()
        },
        Message::Working {
            id,
            action,
            current,
            total,
        } => Progress {
            id,
            status: action.as_str().to_owned(),
            detail: Some(ProgressDetail {
                current,
                total,
                seconds: false,
            }),
            ..Progress::default()
        },
        Message::Stream(stream) => Progress {
            stream,
            ..Progress::default()
        },
        Message::Aux(value) => Progress {
            aux: Some(value),
            ..Progress::default()
        },
    }
}

pub(crate) fn summary(summary: images::Summary, users: &[ImageUser]) -> ImageSummary {
    let kept = summary.index.iter().flat_map(|it| &it.manifests);
    let kept: Vec<_> = kept.filter_map(images::ManifestSummary::image).collect();
    let is_own = |user: &&ImageUser| user.image == summary.image.id || kept.contains(&&user.image);
    let containers = users.iter().filter(is_own).count() as i64;
    let config = &summary.image.config;
    ImageSummary {
        id: ImageId::new(&summary.image.id),
        parent_id: summary
            .image
            .parent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        repo_tags: summary.repo_tags,
        repo_digests: summary.repo_digests,
        created: config.created.unwrap_or(Timestamp::ZERO),
        size: summary.image.size_bytes as i64,
        shared_size: summary.shared_size_bytes.map_or(-1, |bytes| bytes as i64),
        labels: config.config.as_ref().and_then(|run| run.labels.clone()),
        containers,
        descriptor: summary.index.as_ref().and_then(root),
        manifests: manifests(summary.index, users),
        identity: identity(summary.origins),
    }
}

fn identity(origins: images::Origins) -> ImageIdentity {
    let build = |it: images::BuildOrigin| ImageBuild {
        reference: it.reference,
        at: it.at,
    };
    ImageIdentity {
        pulls: origins.pulls,
        builds: origins.builds.into_iter().map(build).collect(),
    }
}

fn root(index: &images::IndexSummary) -> Option<serde_json::Value> {
    serde_json::to_value(&index.descriptor).ok()
}

/// What a name keeps, with the containers made of each image.
fn manifests(index: Option<images::IndexSummary>, users: &[ImageUser]) -> Vec<ImageManifest> {
    let list = index.into_iter().flat_map(|index| index.manifests);
    list.map(|it| manifest(it, users)).collect()
}

fn manifest(it: images::ManifestSummary, users: &[ImageUser]) -> ImageManifest {
    let total_size = it.total_bytes() as i64;
    let kind = match it.kind {
        images::ManifestKind::Image {
            platform,
            image,
            unpacked_bytes,
        } => {
            let own = users
                .iter()
                .filter(|user| Some(&user.image) == image.as_ref());
            ImageManifestKind::Image {
                platform,
                unpacked_size: unpacked_bytes as i64,
                containers: own.map(|user| user.container_id.clone()).collect(),
            }
        }
        images::ManifestKind::Attestation { about } => {
            ImageManifestKind::Attestation(about.to_string())
        }
        images::ManifestKind::Unknown => ImageManifestKind::Unknown,
    };
    ImageManifest {
        descriptor: it.descriptor,
        available: it.available,
        content_size: it.content_bytes as i64,
        total_size,
        kind,
    }
}

pub(crate) fn inspect(found: images::Inspect, users: &[ImageUser]) -> ImageInspect {
    let descriptor = match &found.index {
        // An engine with images of one platform each says nothing here.
        None => None,
        Some(_) => found.descriptor.as_ref(),
    };
    let descriptor = descriptor.and_then(|it| serde_json::to_value(it).ok());
    let image = found.image;
    let config = &image.config;
    ImageInspect {
        id: ImageId::new(&image.id),
        repo_tags: found.repo_tags,
        repo_digests: found.repo_digests,
        parent: image
            .parent
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        comment: comment(config),
        created: config.created,
        docker_version: config.docker_version.clone().unwrap_or_default(),
        author: config.author.clone().unwrap_or_default(),
        config: config.config.as_ref().map(container_config),
        architecture: config.architecture.clone(),
        variant: config.variant.clone().unwrap_or_default(),
        os: config.os.clone(),
        os_version: config.os_version.clone().unwrap_or_default(),
        size: image.size_bytes as i64,
        graph_driver: GraphDriver {
            name: found.driver.to_owned(),
            data: found.driver_data,
        },
        layers: image.layers().iter().map(ToString::to_string).collect(),
        last_tag_time: image.last_tag_time,
        descriptor,
        manifests: manifests(found.index, users),
        identity: identity(found.origins),
    }
}

/// Docker shows the last step's comment where the configuration has none.
fn comment(config: &corten_oci::ImageConfig) -> String {
    let last = || config.history.last().and_then(|step| step.comment.clone());
    config.comment.clone().or_else(last).unwrap_or_default()
}

pub(crate) fn history(step: images::HistoryStep) -> ImageHistoryItem {
    ImageHistoryItem {
        id: step
            .id
            .map_or_else(|| "<missing>".into(), |id| id.to_string()),
        created: step.created,
        created_by: step.created_by,
        tags: Some(step.tags).filter(|tags| !tags.is_empty()),
        size: step.size_bytes as i64,
        comment: step.comment,
    }
}

/// An image's half of a container's configuration.
pub(crate) fn container_config(run: &RunConfig) -> ContainerConfig {
    let ports = run.exposed_ports.iter().flatten();
    ContainerConfig {
        user: run.user.clone().unwrap_or_default(),
        exposed_ports: ports.filter_map(|port| port.parse::<Port>().ok()).collect(),
        env: run.env.clone(),
        cmd: run.cmd.clone(),
        healthcheck: run.healthcheck.as_ref().map(|health| HealthConfig {
            test: health.test.clone().unwrap_or_default(),
            interval: health.interval,
            timeout: health.timeout,
            start_period: health.start_period,
            start_interval: health.start_interval,
            retries: health.retries,
        }),
        args_escaped: run.args_escaped.unwrap_or_default(),
        volumes: run.volumes.clone(),
        working_dir: run.working_dir.clone().unwrap_or_default(),
        entrypoint: run.entrypoint.clone(),
        on_build: run.on_build.clone(),
        labels: run.labels.clone().unwrap_or_default(),
        stop_signal: run.stop_signal.clone(),
        stop_timeout: run.stop_timeout,
        shell: run.shell.clone(),
        ..ContainerConfig::default()
    }
}

/// A container's configuration as an image's, for `commit`.
pub(crate) fn run_config(config: &ContainerConfig) -> RunConfig {
    let some = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
    let ports: std::collections::BTreeSet<String> = config
        .exposed_ports
        .iter()
        .map(ToString::to_string)
        .collect();
    RunConfig {
        user: some(&config.user),
        exposed_ports: Some(ports).filter(|it| !it.is_empty()),
        env: config.env.clone(),
        entrypoint: config.entrypoint.clone(),
        cmd: config.cmd.clone(),
        volumes: config.volumes.clone(),
        working_dir: some(&config.working_dir),
        labels: Some(config.labels.clone()).filter(|it| !it.is_empty()),
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        healthcheck: config
            .healthcheck
            .as_ref()
            .map(|health| corten_oci::Healthcheck {
                test: Some(health.test.clone()).filter(|it| !it.is_empty()),
                interval: health.interval,
                timeout: health.timeout,
                start_period: health.start_period,
                start_interval: health.start_interval,
                retries: health.retries,
            }),
        on_build: config.on_build.clone(),
        shell: config.shell.clone(),
        ..RunConfig::default()
    }
}
