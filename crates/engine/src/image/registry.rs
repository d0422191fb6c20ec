//! `GET /distribution/{name}/json`, `GET /images/search`: what registries say.

use super::pull::credentials;
use crate::{Engine, EngineError, Result, messages};
use corten_model::{Filters, ImageDistribution, ImageSearchHit, RegistryAuth};
use corten_oci::{Digest, Reference};
use std::sync::Arc;

/// Hits when the client does not say how many, and the most there are.
const SEARCH_HITS: i64 = 25;
const SEARCH_HITS_MAX: i64 = 100;

impl Engine {
    /// `GET /distribution/{name}/json`.
    pub async fn distribution_inspect(
        self: &Arc<Self>,
        name: &str,
        auth: Option<RegistryAuth>,
    ) -> Result<ImageDistribution> {
        let is_id = name.parse::<Digest>().is_ok() || Digest::from_sha256_hex(name).is_ok();
        if is_id {
            return Err(EngineError::Invalid(messages::no_manifest_for_id()));
        }
        let reference: Reference = name.parse()?;
        let found = self
            .images
            .distribution(&reference, auth.map(credentials))
            .await?;
        Ok(ImageDistribution {
            descriptor: found.descriptor,
            platforms: found.platforms,
        })
    }

    /// `GET /images/search`.
    pub async fn image_search(
        self: &Arc<Self>,
        term: &str,
        limit: Option<i64>,
        filters: &Filters,
        auth: Option<RegistryAuth>,
    ) -> Result<Vec<ImageSearchHit>> {
        filters.validate(&["is-automated", "is-official", "stars"])?;
        let automated = filters.contains("is-automated");
        let automated = automated
            .then(|| filters.flag("is-automated", false))
            .transpose()?;
        let official = filters.contains("is-official");
        let official = official
            .then(|| filters.flag("is-official", false))
            .transpose()?;
        let mut stars = 0;
        for value in filters.get("stars") {
            let number: i64 = value
                .parse()
                .map_err(|_| EngineError::Invalid(messages::invalid_stars(value)))?;
            stars = stars.max(number);
        }
        let limit = limit.filter(|limit| *limit != 0).unwrap_or(SEARCH_HITS);
        if !(1..=SEARCH_HITS_MAX).contains(&limit) {
            return Err(EngineError::Invalid(messages::search_limit(
                limit,
                SEARCH_HITS_MAX,
            )));
        }
        if term.starts_with("http://") || term.starts_with("https://") {
            return Err(EngineError::Invalid(messages::search_scheme(term)));
        }
        let hits = self
            .images
            .search(term, limit as usize, auth.map(credentials))
            .await?;
        let fits = |hit: &ImageSearchHit| {
            automated.is_none_or(|wanted| wanted == hit.is_automated)
                && official.is_none_or(|wanted| wanted == hit.is_official)
                && hit.star_count >= stars
        };
        let hits = hits.into_iter().map(|hit| ImageSearchHit {
            name: hit.name,
            description: hit.description,
            star_count: hit.star_count,
            is_official: hit.is_official,
            is_automated: hit.is_automated,
        });
        Ok(hits.filter(fits).collect())
    }
}
