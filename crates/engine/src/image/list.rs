//! `GET /images/json`, `/images/{name}/json`, `/images/{name}/history`,
//! `POST /images/{name}/tag`.

use super::convert;
use crate::{Engine, EngineError, ImageListOptions, Result, messages, time_filter};
use corten_images::ListRequest;
use corten_model::{Filters, ImageHistoryItem, ImageInspect, ImageSummary};
use corten_oci::Reference;
use std::sync::Arc;

/// dockerd knows `label!` where images are pruned only.
const FILTERS: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];

impl Engine {
    /// `GET /images/json`.
    pub async fn image_list(
        self: &Arc<Self>,
        options: ImageListOptions,
    ) -> Result<Vec<ImageSummary>> {
        options.filters.validate(&FILTERS)?;
        let request = ListRequest {
            all: options.all,
            shared_size: options.shared_size,
            manifests: options.manifests,
            ..list_request(&options.filters)?
        };
        let users = self.image_users();
        let list = self.images.list(&request)?;
        let summary = |summary| convert::summary(summary, &users);
        Ok(list.into_iter().map(summary).collect())
    }

    /// `GET /images/{name}/json`, of the image that the name has for a platform where one is
    /// asked for.
    pub async fn image_inspect(
        self: &Arc<Self>,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<ImageInspect> {
        let platform = super::pull::platform(wanted)?;
        let found = self.images.inspect(name, platform.as_ref())?;
        Ok(convert::inspect(found, &self.image_users()))
    }

    /// `GET /images/{name}/history`.
    pub async fn image_history(
        self: &Arc<Self>,
        name: &str,
        wanted: Option<&str>,
    ) -> Result<Vec<ImageHistoryItem>> {
        let platform = super::pull::platform(wanted)?;
        let steps = self.images.history(name, platform.as_ref())?;
        Ok(steps.into_iter().map(convert::history).collect())
    }

    /// `POST /images/{name}/tag`.
    pub async fn image_tag(
        self: &Arc<Self>,
        name: &str,
        repository: &str,
        tag: &str,
    ) -> Result<()> {
        let target = target(repository, tag)?;
        let id = self.images.tag(name, &target).await?;
        self.image_event("tag", &id.to_string(), &target.familiar());
        Ok(())
    }
}

/// `repository[:tag]`, with `latest` where nothing is said.
pub(crate) fn target(repository: &str, tag: &str) -> Result<Reference> {
    let reference: Reference = repository.parse()?;
    if reference.digest().is_some() {
        return Err(EngineError::Invalid(messages::import_to_digest()));
    }
    Ok(match tag {
        "" => reference.or_latest(),
        tag => reference.with_tag(tag)?,
    })
}

pub(super) fn list_request(filters: &Filters) -> Result<ListRequest> {
    let texts = |key: &str| filters.get(key).map(str::to_owned).collect();
    let dangling = match filters.contains("dangling") {
        true => Some(filters.flag("dangling", false)?),
        false => None,
    };
    Ok(ListRequest {
        all: false,
        shared_size: false,
        manifests: false,
        dangling,
        labels: texts("label"),
        labels_not: texts("label!"),
        before: texts("before"),
        since: texts("since"),
        references: texts("reference"),
        until: time_filter::until(filters)?,
    })
}
