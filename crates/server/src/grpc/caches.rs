//! Caches that a client asks to be read and written, of the kinds that dockerd without
//! containerd's store has: images that tell of their steps.

use super::{export_options, status::Status};
use corten_build::{CachePlace, CacheSource, CacheTarget};
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
        ("local", _) => {
            let value = |key| attrs.get(key).cloned().unwrap_or_default();
            CacheSource::Client {
                store: format!("local:{}", value("src")),
                digest: value("digest"),
            }
        }
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

/// Where the caches of a build go.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    /// The result tells of its steps.
    pub inline: bool,
    pub targets: Vec<CacheTarget>,
}

/// What the client asks for. Other caches are refused.
pub(super) fn exports(request: &SolveRequest) -> Result<Exports, Status> {
    let mut exports = Exports::default();
    for entry in request.cache.iter().flat_map(|it| &it.exports) {
        match entry.kind.as_str() {
            "inline" => exports.inline = true,
            "registry" | "local" => exports.targets.push(target(&entry.kind, &entry.attrs)?),
            kind => return Err(Status::unknown(format!("unknown cache exporter: {kind:?}"))),
        }
    }
    Ok(exports)
}

/// Every option is honoured or refused.
fn target(kind: &str, attrs: &HashMap<String, String>) -> Result<CacheTarget, Status> {
    let (key, place) = match kind {
        "local" => ("dest", attrs.get("dest").map(|it| format!("local:{it}"))),
        _ => ("ref", attrs.get("ref").cloned()),
    };
    let missing = || match kind {
        "local" => Status::invalid("local cache exporter requires dest"),
        _ => Status::invalid("ref required for registry cache exporter"),
    };
    let place = place.filter(|it| !it.is_empty()).ok_or_else(missing)?;
    let mut target = CacheTarget {
        place: match kind {
            "local" => CachePlace::Client(place),
            _ => CachePlace::Registry(place),
        },
        all: false,
        as_index: false,
        compression: None,
        ignore_error: false,
    };
    for (name, value) in attrs {
        let wrong = || {
            Status::invalid(format!(
                "invalid value {value:?} of the cache's option {name:?}"
            ))
        };
        let flag = || match value.as_str() {
            "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
            "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
            _ => Err(wrong()),
        };
        match name.as_str() {
            own if own == key => {}
            // Written by the client, into the index of its directory.
            "tag" | "reset" if kind == "local" => {}
            "mode" => {
                target.all = match value.as_str() {
                    "max" => true,
                    "min" | "" => false,
                    _ => return Err(wrong()),
                }
            }
            "image-manifest" => target.as_index = !flag()?,
            "ignore-error" => target.ignore_error = flag()?,
            "oci-mediatypes" if flag()? => {}
            "compression" if value != "estargz" => {
                let format = export_options::compression(value)?;
                target.compression.get_or_insert_default().format = Some(format);
            }
            "compression-level" => {
                let level = value.parse().map_err(|_| wrong())?;
                target.compression.get_or_insert_default().level = Some(level);
            }
            "force-compression" if !flag()? => {}
            "force-compression" => target.compression.get_or_insert_default().force = true,
            other => {
                return Err(Status::unimplemented(format!(
                    "the option {other}={value} of a cache is not supported by Corten"
                )));
            }
        }
    }
    Ok(target)
}
