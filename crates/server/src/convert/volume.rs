//! Volumes.

use super::{path_text, some_map};
use crate::error::ApiError;
use corten_api::volume as wire;
use corten_engine::VolumeCreateRequest;
use corten_model::{VolumeInfo, VolumeUsage};

pub(crate) fn volume(volume: VolumeInfo) -> wire::Volume {
    let VolumeInfo {
        name,
        driver,
        mountpoint,
        created,
        labels,
        options,
        scope,
        status,
        usage,
    } = volume;
    // Whole seconds, as dockerd shows a volume's birth.
    let created = corten_base::Timestamp::from_unix(created.unix_seconds(), 0);
    wire::Volume {
        cluster_volume: None,
        created_at: created.to_string(),
        driver,
        labels,
        mountpoint: path_text(&mountpoint),
        name,
        options,
        scope,
        status,
        usage_data: usage.map(
            |VolumeUsage {
                 size,
                 reference_count,
             }| wire::UsageData {
                ref_count: reference_count,
                size,
            },
        ),
    }
}

pub(crate) fn volume_create_request(
    request: wire::CreateRequest,
) -> Result<VolumeCreateRequest, ApiError> {
    let wire::CreateRequest {
        cluster_volume_spec,
        driver,
        driver_opts,
        labels,
        name,
    } = request;
    if cluster_volume_spec.is_some() {
        return Err(ApiError::unsupported("creating a cluster volume"));
    }
    Ok(VolumeCreateRequest {
        name,
        driver,
        driver_options: some_map(driver_opts),
        labels: some_map(labels),
    })
}
