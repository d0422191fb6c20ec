//! The front end's options as a build request.

use super::{shared_session, status::Status};
use corten_build::{BuildRequest, ContextSource, PullMode, Ulimit};
use corten_buildkit::llb::Definition;
use corten_oci::Platform;
use std::collections::HashMap;

/// Every option is honoured or refused.
pub(crate) fn request(
    options: &HashMap<String, String>,
    inputs: &HashMap<String, Definition>,
    entitlements: &[String],
) -> Result<BuildRequest, Status> {
    let mut request = BuildRequest {
        context: ContextSource::Local(name(options, "contextkey", "context")),
        dockerfile_context: Some(ContextSource::Local(name(
            options,
            "dockerfilekey",
            "dockerfile",
        ))),
        allow_host_network: entitlements.iter().any(|it| it == "network.host"),
        allow_insecure: entitlements.iter().any(|it| it == "security.insecure"),
        ..BuildRequest::default()
    };
    for (key, value) in options {
        if let Some(name) = key.strip_prefix("build-arg:") {
            request.arguments.insert(name.to_owned(), value.clone());
            continue;
        }
        if let Some(name) = key.strip_prefix("label:") {
            request.labels.insert(name.to_owned(), value.clone());
            continue;
        }
        if let Some(name) = key.strip_prefix("context:") {
            let source = match value.strip_prefix("input:") {
                Some(input) => super::inputs::context(input, inputs, options)?,
                None => context(value)?,
            };
            request
                .named_contexts
                .insert(name.to_ascii_lowercase(), source);
            continue;
        }
        // What the client knows about its working copy, for attestations.
        // Directories of other sessions: see `SharedSession`. Attestations: see `Attest`.
        if ["vcs:", "attest:", "input-metadata:", shared_session::PREFIX]
            .iter()
            .any(|prefix| key.starts_with(prefix))
        {
            continue;
        }
        match key.as_str() {
            "contextkey" | "dockerfilekey" | "source" | "cmdline" | "requestid"
            | "frontend.caps" | "cache-imports" => {}
            "filename" => request.filename.clone_from(value),
            "target" => request.target.clone_from(value),
            "no-cache" if value.is_empty() => request.no_cache = true,
            "no-cache" => {
                request.no_cache_stages = value.split(',').map(|it| it.trim().to_owned()).collect()
            }
            // See `platforms`.
            "platform" | "multi-platform" => {}
            "image-resolve-mode" => {
                request.pull = match value.as_str() {
                    "pull" => PullMode::Always,
                    _ => PullMode::Missing,
                };
            }
            "add-hosts" => request.extra_hosts = hosts(value),
            "force-network-mode" => request.network.clone_from(value),
            "shm-size" => request.shm_size_bytes = number(key, value)?,
            "ulimit" => request.ulimits = ulimits(value)?,
            "cgroup-parent" => request.cgroup_parent.clone_from(value),
            "hostname" => drop(
                request
                    .arguments
                    .insert("BUILDKIT_SANDBOX_HOSTNAME".into(), value.clone()),
            ),
            "context" => {
                request.context = ContextSource::Remote(value.clone());
                // The Dockerfile comes with it, unless the client has one of its own.
                if !options.contains_key("dockerfilekey") {
                    request.dockerfile_context = None;
                }
            }
            other => {
                return Err(Status::unimplemented(format!(
                    "the builder's option {other:?} is not supported by Corten"
                )));
            }
        }
    }
    if let Some(epoch) = request
        .arguments
        .get("SOURCE_DATE_EPOCH")
        .filter(|it| !it.is_empty())
    {
        let key = format!("SOURCE_DATE_EPOCH: {epoch}");
        request.source_date_epoch = super::export_options::epoch(&key, epoch)?;
    }
    Ok(request)
}

fn name(options: &HashMap<String, String>, key: &str, default: &str) -> String {
    options
        .get(key)
        .cloned()
        .unwrap_or_else(|| default.to_owned())
}

fn context(value: &str) -> Result<ContextSource, Status> {
    match value.split_once(':') {
        Some(("local", name)) => Ok(ContextSource::Local(name.to_owned())),
        Some(("docker-image", image)) => Ok(ContextSource::Image(
            image.trim_start_matches("//").to_owned(),
        )),
        Some(("oci-layout", layout)) => {
            let layout = layout.trim_start_matches("//");
            let wrong = || Status::invalid(format!("invalid OCI layout reference {value:?}"));
            let (store, digest) = layout.rsplit_once('@').ok_or_else(wrong)?;
            // A tag is for readers: the digest says which.
            let store = store.split_once(':').map_or(store, |it| it.0);
            Ok(ContextSource::Layout {
                store: format!("oci:{store}"),
                digest: digest.parse().map_err(|_| wrong())?,
            })
        }
        _ if is_remote(value) => Ok(ContextSource::Remote(value.to_owned())),
        _ => Err(Status::unimplemented(format!(
            "Corten does not read the named context {value}"
        ))),
    }
}

fn is_remote(value: &str) -> bool {
    [
        "http://",
        "https://",
        "git://",
        "ssh://",
        "git@",
        "github.com/",
    ]
    .iter()
    .any(|scheme| value.starts_with(scheme))
}

/// What is built for, this machine by default, and whether a list is the answer.
pub(crate) fn platforms(
    options: &HashMap<String, String>,
) -> Result<(Vec<Platform>, bool), Status> {
    let text = options.get("platform").map_or("", String::as_str);
    let mut list: Vec<Platform> = Vec::new();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        let invalid =
            |error| Status::invalid(format!("failed to parse target platform {name}: {error}"));
        let platform = name.parse::<Platform>().map_err(invalid)?.normalised();
        if !list.contains(&platform) {
            list.push(platform);
        }
    }
    if list.is_empty() {
        list.push(Platform::host());
    }
    let asked = options.get("multi-platform");
    let asked = asked.is_some_and(|it| matches!(it.as_str(), "true" | "1"));
    let several = list.len() > 1 || asked;
    Ok((list, several))
}

/// `name=address,name=address` as `name:address`.
fn hosts(value: &str) -> Vec<String> {
    let pairs = value.split(',').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.replacen('=', ":", 1)).collect()
}

fn number<T: std::str::FromStr>(key: &str, value: &str) -> Result<T, Status> {
    value
        .parse()
        .map_err(|_| Status::invalid(format!("invalid {key}: {value:?}")))
}

/// `nofile=1024:2048,nproc=10`.
fn ulimits(value: &str) -> Result<Vec<Ulimit>, Status> {
    value
        .split(',')
        .filter(|it| !it.is_empty())
        .map(|text| {
            let (name, limits) = text.split_once('=').unwrap_or((text, ""));
            let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
            Ok(Ulimit {
                name: name.to_owned(),
                soft: number("ulimit", soft)?,
                hard: number("ulimit", hard)?,
            })
        })
        .collect()
}
