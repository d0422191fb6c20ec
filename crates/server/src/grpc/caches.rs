//! Caches that a client asks to be read and written, of the kinds that dockerd without
//! containerd's store has: images that tell of their steps.

use super::status::Status;
use corten_build::CacheSource;
use corten_buildkit::control::SolveRequest;
use serde::Deserialize;
use std::collections::HashMap;

/// One entry of the option `cache-imports`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    attrs: HashMap<String, String>,
}

fn source(kind: &str, attrs: &HashMap<String, String>) -> CacheSource {
    match (kind, attrs.get("ref")) {
        ("registry", Some(name)) => CacheSource::Registry(name.clone()),
        (other, _) => CacheSource::Unknown(other.to_owned()),
    }
}

/// What stands in the option `cache-imports`, JSON of a list.
pub(super) fn listed(text: Option<&String>) -> Vec<CacheSource> {
    let entries = text.and_then(|text| serde_json::from_str::<Vec<Entry>>(text).ok());
    let entries = entries.unwrap_or_default();
    entries
        .iter()
        .map(|it| source(&it.kind, &it.attrs))
        .collect()
}

/// Clients say it in either of two places, or both.
pub(super) fn imports(request: &SolveRequest) -> Vec<CacheSource> {
    let caches = request.cache.iter().flat_map(|it| &it.imports);
    let mut found: Vec<CacheSource> = caches.map(|it| source(&it.kind, &it.attrs)).collect();
    found.extend(listed(request.frontend_attrs.get("cache-imports")));
    let mut once = Vec::new();
    for it in found {
        if !once.contains(&it) {
            once.push(it);
        }
    }
    once
}

/// Whether the result tells of its steps. Other caches are refused.
pub(super) fn is_inline(request: &SolveRequest) -> Result<bool, Status> {
    let exports = request.cache.iter().flat_map(|it| &it.exports);
    let kinds: Vec<&str> = exports.map(|it| it.kind.as_str()).collect();
    match kinds.iter().find(|kind| **kind != "inline") {
        None => Ok(!kinds.is_empty()),
        Some(kind) => Err(Status::unknown(format!("unknown cache exporter: {kind:?}"))),
    }
}
