//! Images as lists and inspection show them.

use super::{config::container_config_to_wire, container::graph_driver_to_wire};
use crate::error::ApiError;
use corten_api::{ApiVersion, container::Config, image as wire, json, registry::Descriptor};
use corten_base::Timestamp;
use corten_model::{
    ImageBuild, ImageDeleteItem, ImageDistribution, ImageHistoryItem, ImageIdentity, ImageInspect,
    ImageManifest, ImageManifestKind, ImageSearchHit, ImageSummary, Platform,
};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) fn image_summary(image: ImageSummary, version: ApiVersion) -> wire::Summary {
    let ImageSummary {
        id,
        parent_id,
        repo_tags,
        repo_digests,
        created,
        size,
        shared_size,
        labels,
        containers,
        descriptor,
        manifests,
        identity,
    } = image;
    let (mut repo_tags, mut repo_digests) = (repo_tags, Some(repo_digests));
    if version < ApiVersion::v1(43) {
        // These clients look for `<none>` where there is no name.
        repo_digests = repo_digests.filter(|list| !list.is_empty());
        if repo_tags.is_empty() && repo_digests.is_none() {
            repo_tags = vec!["<none>:<none>".to_owned()];
            repo_digests = Some(vec!["<none>@<none>".to_owned()]);
        }
    }
    wire::Summary {
        // Counted since 1.51.
        containers: if version < ApiVersion::v1(51) {
            -1
        } else {
            containers
        },
        created: created.unix_seconds(),
        id: id.to_string(),
        labels,
        parent_id,
        descriptor: descriptor_to_wire(descriptor, version),
        manifests: manifests.into_iter().map(manifest).collect(),
        identity: identity_to_wire(identity),
        repo_digests,
        repo_tags: Some(repo_tags),
        shared_size,
        size,
        virtual_size: if version < ApiVersion::v1(44) {
            size
        } else {
            0
        },
    }
}

/// From 1.48 on.
fn descriptor_to_wire(descriptor: Option<Value>, version: ApiVersion) -> Option<Descriptor> {
    let descriptor = descriptor.filter(|_| version >= ApiVersion::v1(48))?;
    json::from_value(&descriptor).ok()
}

fn manifest(manifest: ImageManifest) -> wire::ManifestSummary {
    let ImageManifest {
        descriptor,
        available,
        content_size,
        total_size,
        kind,
    } = manifest;
    let (mut image_data, mut attestation_data) = (None, None);
    let word = match kind {
        ImageManifestKind::Image {
            platform,
            unpacked_size,
            containers,
        } => {
            image_data = Some(wire::ImageProperties {
                platform: wire_platform(platform),
                size: wire::UnpackedSize {
                    unpacked: unpacked_size,
                },
                containers: Some(containers).filter(|list| !list.is_empty()),
            });
            "image"
        }
        ImageManifestKind::Attestation(about) => {
            attestation_data = Some(wire::AttestationProperties { r#for: about });
            "attestation"
        }
        ImageManifestKind::Unknown => "unknown",
    };
    wire::ManifestSummary {
        id: descriptor.digest.to_string(),
        descriptor: wire_descriptor(descriptor),
        available,
        size: wire::ManifestSize {
            content: content_size,
            total: total_size,
        },
        kind: word.to_owned(),
        image_data,
        attestation_data,
    }
}

pub(crate) fn image_inspect(image: ImageInspect, version: ApiVersion) -> wire::Inspect {
    let ImageInspect {
        id,
        repo_tags,
        repo_digests,
        parent,
        comment,
        created,
        docker_version,
        author,
        config,
        architecture,
        variant,
        os,
        os_version,
        size,
        graph_driver,
        layers,
        last_tag_time,
        descriptor,
        manifests,
        identity,
    } = image;
    // Before 1.45 this field was always there.
    let created = match created {
        Some(created) => created.to_string(),
        None if version < ApiVersion::v1(44) => Timestamp::ZERO.to_string(),
        None => String::new(),
    };
    wire::Inspect {
        id: id.to_string(),
        repo_tags: Some(repo_tags),
        repo_digests: Some(repo_digests),
        parent,
        comment,
        created,
        container: String::new(),
        container_config: (version < ApiVersion::v1(45)).then(Config::default),
        docker_version,
        author,
        architecture,
        variant,
        os,
        os_version,
        size,
        virtual_size: if version < ApiVersion::v1(44) {
            size
        } else {
            0
        },
        graph_driver: graph_driver_to_wire(graph_driver),
        root_fs: wire::RootFs {
            r#type: "layers".to_owned(),
            layers,
        },
        metadata: wire::Metadata {
            last_tag_time: last_tag_time.to_string(),
        },
        descriptor: descriptor_to_wire(descriptor, version),
        manifests: manifests.into_iter().map(manifest).collect(),
        identity: identity_to_wire(identity),
        config: config.map(|config| image_config(container_config_to_wire(config), version)),
    }
}

/// None where nothing is known.
fn identity_to_wire(identity: ImageIdentity) -> Option<wire::Identity> {
    let pull = |repository| wire::PullIdentity { repository };
    let build = |it: ImageBuild| wire::BuildIdentity {
        r#ref: it.reference.unwrap_or_default(),
        created_at: it.at.to_string(),
    };
    let wire = wire::Identity {
        pull: identity.pulls.into_iter().map(pull).collect(),
        build: identity.builds.into_iter().map(build).collect(),
    };
    Some(wire).filter(|wire| *wire != wire::Identity::default())
}

/// Fields that mean something in an image and are always shown.
const ALWAYS: [&str; 9] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "Labels",
    "OnBuild",
    "User",
    "Volumes",
    "WorkingDir",
    "ArgsEscaped",
];

/// Before 1.50 every field of a container's configuration was shown.
fn image_config(config: Config, version: ApiVersion) -> wire::ImageConfig {
    let Ok(Value::Object(fields)) = serde_json::to_value(config) else {
        return wire::ImageConfig::default();
    };
    let all = version < ApiVersion::v1(50);
    let shown = |name: &str, value: &Value| {
        let unset = match value {
            Value::Null => true,
            Value::Bool(set) => !set,
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Number(_) => false,
        };
        // These belong to a container only.
        let foreign = matches!(
            name,
            "Hostname"
                | "Domainname"
                | "AttachStdin"
                | "AttachStdout"
                | "AttachStderr"
                | "Tty"
                | "OpenStdin"
                | "StdinOnce"
                | "Image"
                | "NetworkDisabled"
                | "MacAddress"
                | "StopTimeout"
        );
        all || (!foreign && (ALWAYS.contains(&name) || !unset))
    };
    let fields: BTreeMap<String, Value> = fields
        .into_iter()
        .filter(|(name, value)| shown(name, value))
        // Go's nil: an image without labels has no map of them.
        .map(|(name, value)| match (name.as_str(), &value) {
            ("Labels", Value::Object(labels)) if labels.is_empty() => (name, Value::Null),
            _ => (name, value),
        })
        .collect();
    wire::ImageConfig { fields }
}

pub(crate) fn history_item(step: ImageHistoryItem) -> wire::HistoryItem {
    let ImageHistoryItem {
        id,
        created,
        created_by,
        tags,
        size,
        comment,
    } = step;
    wire::HistoryItem {
        comment,
        created: created.unix_seconds(),
        created_by,
        id,
        size,
        tags,
    }
}

pub(crate) fn delete_item(item: ImageDeleteItem) -> wire::DeleteItem {
    match item {
        ImageDeleteItem::Untagged(untagged) => wire::DeleteItem {
            untagged,
            ..wire::DeleteItem::default()
        },
        ImageDeleteItem::Deleted(deleted) => wire::DeleteItem {
            deleted,
            ..wire::DeleteItem::default()
        },
    }
}

/// The JSON of an OCI platform as `os/arch[/variant]`.
pub(crate) fn platform_text(text: &str) -> Result<String, ApiError> {
    let platform: corten_api::registry::Platform = json::from_slice(text.as_bytes())
        .map_err(|error| ApiError::invalid(format!("failed to parse platform: {error}")))?;
    if platform.os.is_empty() || platform.architecture.is_empty() {
        let neither = platform.os.is_empty() && platform.architecture.is_empty();
        let more = platform != Default::default();
        return Err(ApiError::invalid(match neither && more {
            true => "optional platform fields provided, but OS and Architecture are missing",
            false => "both OS and Architecture must be provided",
        }));
    }
    let parts = [platform.os, platform.architecture, platform.variant];
    Ok(parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/"))
}

/// What a registry has under a name.
pub(crate) fn distribution(found: ImageDistribution) -> corten_api::registry::DistributionInspect {
    let ImageDistribution {
        descriptor,
        platforms,
    } = found;
    corten_api::registry::DistributionInspect {
        descriptor: wire_descriptor(descriptor),
        platforms: (!platforms.is_empty())
            .then(|| platforms.into_iter().map(wire_platform).collect()),
    }
}

fn wire_descriptor(descriptor: corten_oci::Descriptor) -> Descriptor {
    Descriptor {
        media_type: descriptor.media_type,
        digest: descriptor.digest.to_string(),
        size: descriptor.size as i64,
        urls: descriptor.urls.unwrap_or_default(),
        annotations: descriptor.annotations.unwrap_or_default(),
        platform: descriptor.platform.map(wire_platform),
    }
}

fn wire_platform(platform: Platform) -> corten_api::registry::Platform {
    corten_api::registry::Platform {
        architecture: platform.architecture,
        os: platform.os,
        os_version: platform.os_version.unwrap_or_default(),
        os_features: platform.os_features.unwrap_or_default(),
        variant: platform.variant.unwrap_or_default(),
    }
}

/// A repository that was found.
pub(crate) fn search_hit(hit: ImageSearchHit) -> corten_api::registry::SearchResult {
    corten_api::registry::SearchResult {
        star_count: hit.star_count,
        is_official: hit.is_official,
        name: hit.name,
        is_automated: hit.is_automated,
        description: hit.description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_without_its_system_or_architecture_is_refused() {
        let said = |text: &str| platform_text(text).map_err(|error| error.message);
        let full = r#"{"os":"linux","architecture":"arm","variant":"v7"}"#;
        assert_eq!(said(full), Ok("linux/arm/v7".into()));
        let both = Err("both OS and Architecture must be provided".into());
        for part in ["{}", r#"{"os":"linux"}"#, r#"{"architecture":"arm"}"#] {
            assert_eq!(said(part), both, "{part}");
        }
        let sentence = "optional platform fields provided, but OS and Architecture are missing";
        assert_eq!(said(r#"{"variant":"v7"}"#), Err(sentence.into()));
    }
}
