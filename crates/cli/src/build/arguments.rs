//! Flags that become options of the front end, secrets and agents.

use super::{attest, caches};
use crate::{app::Call, error::CliError};
use corten_base::Redacted;
use corten_client::build::{Build, Offer};
use std::{os::unix::fs::FileTypeExt, path::PathBuf};

/// Key and value of each part of `a=b,c=d`; a part without `=` has no value.
pub(super) type Fields = Vec<(String, Option<String>)>;

/// `key=value` pairs separated by commas; double quotes keep a comma together.
pub(super) fn fields(text: &str) -> Fields {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(String::new()),
            c => parts.last_mut().into_iter().for_each(|part| part.push(c)),
        }
    }
    let field = |part: String| match part.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value.to_owned())),
        None => (part, None),
    };
    parts.into_iter().map(field).collect()
}

pub(super) fn read(call: &Call<'_>, build: &mut Build, offer: &mut Offer) -> Result<(), CliError> {
    refuse(call)?;
    let parsed = &call.parsed;
    let options = &mut build.options;
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            options.insert(name.to_owned(), value);
        }
    };
    set("target", parsed.text("target").to_owned());
    set("platform", parsed.list("platform").join(","));
    set("cgroup-parent", parsed.text("cgroup-parent").to_owned());
    if let Some(bytes) = parsed.bytes("shm-size").filter(|bytes| *bytes > 0) {
        set("shm-size", bytes.to_string());
    }
    set("ulimit", parsed.list("ulimit").join(","));
    match parsed.text("network") {
        "" | "default" => {}
        mode => {
            set("force-network-mode", mode.to_owned());
            let host = (mode == "host").then(|| "network.host".to_owned());
            build.entitlements.extend(host);
        }
    }
    let mut hosts = Vec::new();
    for host in parsed.all("add-host") {
        let Some((name, address)) = host.split_once([':', '=']) else {
            return Err(CliError::Text(format!("bad format for add-host: {host:?}")));
        };
        hosts.push(format!("{name}={}", address.trim_matches(['[', ']'])));
    }
    set("add-hosts", hosts.join(","));
    if parsed.is_on("pull") {
        set("image-resolve-mode", "pull".into());
    }
    let stages = parsed.list("no-cache-filter");
    if parsed.is_on("no-cache") && !stages.is_empty() {
        return Err(CliError::Text(
            "--no-cache and --no-cache-filter cannot currently be used together".into(),
        ));
    }
    set("no-cache", stages.join(","));
    if parsed.is_on("no-cache") {
        options.insert("no-cache".into(), String::new());
    }
    for pair in parsed.all("build-arg") {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (pair, std::env::var(pair).ok()),
        };
        if let Some(value) = value {
            options.insert(format!("build-arg:{name}"), value);
        }
    }
    // reproducible-builds.org: one variable for every tool.
    const EPOCH: &str = "SOURCE_DATE_EPOCH";
    if let Ok(epoch) = std::env::var(EPOCH) {
        let key = format!("build-arg:{EPOCH}");
        options.entry(key).or_insert(epoch);
    }
    for pair in parsed.all("label") {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        options.insert(format!("label:{name}"), value.to_owned());
    }
    let attests = attest::options(
        &parsed.all("attest").collect::<Vec<_>>(),
        parsed.text("provenance"),
        parsed.text("sbom"),
    )?;
    options.extend(attests);
    if let Some(asked) = super::asked(parsed)? {
        options.insert("requestid".into(), asked.request());
    }
    build.entitlements.extend(parsed.list("allow"));
    for text in parsed.all("secret") {
        secret(text, offer)?;
    }
    for text in parsed.all("ssh") {
        agent(text, offer)?;
    }
    caches::read(call, build, offer)
}

/// There is one builder, the engine's own.
pub fn refuse_builder(call: &Call<'_>) -> Result<(), CliError> {
    let given = call.parsed.text("builder").to_owned();
    let given = match given.is_empty() {
        true => std::env::var("BUILDX_BUILDER").unwrap_or_default(),
        false => given,
    };
    match given.as_str() {
        "" | "default" => Ok(()),
        other => Err(CliError::Text(format!("no builder {other:?} found"))),
    }
}

/// What is not done here is said, not dropped.
fn refuse(call: &Call<'_>) -> Result<(), CliError> {
    let parsed = &call.parsed;
    let sentence = |text: String| Err(CliError::Text(text));
    refuse_builder(call)?;
    for name in [
        "cpu-period",
        "cpu-quota",
        "cpu-shares",
        "cpuset-cpus",
        "cpuset-mems",
        "isolation",
    ] {
        if parsed.given(name) {
            return sentence(format!("--{name} is not supported by BuildKit"));
        }
    }
    Ok(())
}

/// `id=name[,src=path][,env=variable]`.
fn secret(text: &str, offer: &mut Offer) -> Result<(), CliError> {
    let (mut id, mut kind) = (String::new(), String::new());
    let (mut file, mut variable) = (None, None);
    for (key, value) in fields(text) {
        let Some(value) = value else {
            return Err(CliError::Text(format!(
                "invalid field '{key}' must be a key=value pair"
            )));
        };
        match key.as_str() {
            "type" if matches!(value.as_str(), "file" | "env") => kind = value,
            "type" => {
                return Err(CliError::Text(format!("unsupported secret type {value:?}")));
            }
            "id" => id = value,
            "src" | "source" => file = Some(value),
            "env" => variable = Some(value),
            _ => {
                return Err(CliError::Text(format!(
                    "unexpected key '{key}' in '{key}={value}'"
                )));
            }
        }
    }
    if kind == "env" && variable.is_none() {
        variable = file.take();
    }
    if file.is_none() && variable.is_none() {
        // As buildx: a variable of this name, else a file.
        match std::env::var_os(&id) {
            Some(_) if kind != "file" => variable = Some(id.clone()),
            _ => file = Some(id.clone()),
        }
    }
    if let Some(name) = variable {
        let value = std::env::var(&name).unwrap_or_default();
        offer.secret_values.insert(id, Redacted::new(value));
        return Ok(());
    }
    let path = PathBuf::from(file.unwrap_or_default());
    if let Err(error) = std::fs::metadata(&path) {
        let reason = crate::error::errno_text(&error);
        return Err(CliError::Text(format!(
            "failed to stat {}: stat {}: {reason}",
            path.display(),
            path.display()
        )));
    }
    offer.secret_files.insert(id, path);
    Ok(())
}

/// `default` or `id=socket`.
fn agent(text: &str, offer: &mut Offer) -> Result<(), CliError> {
    let (id, path) = text.split_once('=').unwrap_or((text, ""));
    let path = match path {
        "" => std::env::var("SSH_AUTH_SOCK").unwrap_or_default(),
        path => path.to_owned(),
    };
    if path.is_empty() {
        return Err(CliError::Text(
            "invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set".into(),
        ));
    }
    let is_socket = std::fs::metadata(&path).is_ok_and(|it| it.file_type().is_socket());
    if !is_socket {
        return Err(CliError::Text(format!(
            "{path} is not the socket of an agent; keys are offered by adding them to one (ssh-add)"
        )));
    }
    offer.agents.insert(id.to_owned(), path.into());
    Ok(())
}
