//! What a client wants to be said about its results (`attest:provenance`, `attest:sbom`),
//! and what is said.
//!
//! The plugin asks for a provenance by itself with every build (`inline-only=true`). That is
//! no request: results stay the same bytes for the same inputs unless a user asks for more,
//! as they do with dockerd 28.

use super::{
    BuildKit,
    export_options::switch,
    jobs::{Job, Results},
    status::Status,
};
use corten_build::{Attestation, BuildResult, Invocation, ProvenanceRequest, Slsa};
use corten_buildkit::control::{Exporter, SolveRequest};
use std::{collections::HashMap, sync::Arc};

/// The scanner that a client means when it names none.
const DEFAULT_SCANNER: &str = "docker/buildkit-syft-scanner";
const BUILD_ARGUMENT: &str = "build-arg:BUILDKIT_ATTEST_";

/// What is to be said.
#[derive(Debug, Default)]
pub(crate) struct Attest {
    provenance: Option<Provenance>,
    sbom: bool,
}

#[derive(Debug)]
struct Provenance {
    request: ProvenanceRequest,
    /// Its file, for outputs that are files.
    filename: String,
}

/// Something said, and the file it is in outputs that are files.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub filename: String,
    pub attestation: Attestation,
}

impl Attest {
    /// Every option is honoured or refused.
    pub fn read(request: &SolveRequest) -> Result<Self, Status> {
        let mut wanted: HashMap<String, &String> = HashMap::new();
        for (key, value) in &request.frontend_attrs {
            let name = key.strip_prefix("attest:");
            let name = name.or_else(|| key.strip_prefix(BUILD_ARGUMENT));
            if let Some(name) = name {
                wanted.insert(name.to_ascii_lowercase(), value);
            }
        }
        let mut attest = Self::default();
        for (kind, text) in wanted {
            let mut fields: HashMap<&str, &str> = HashMap::new();
            for field in text.split(',').filter(|it| !it.is_empty()) {
                let (key, value) = field.split_once('=').unwrap_or((field, ""));
                fields.insert(key, value.trim_matches('"'));
            }
            let on = |key: &str, fields: &HashMap<&str, &str>| {
                let value = fields.get(key);
                value.map_or(Ok(false), |value| switch(key, value))
            };
            if on("disabled", &fields)? {
                continue;
            }
            match kind.as_str() {
                "provenance" if on("inline-only", &fields)? => {}
                "provenance" => attest.provenance = Some(provenance(&fields)?),
                "sbom" => {
                    sbom(&fields)?;
                    attest.sbom = true;
                }
                other => {
                    let sentence = format!("unknown attestation type {other:?}");
                    return Err(Status::unknown(sentence));
                }
            }
        }
        if attest.is_some() {
            attest.check(&super::control::exporters(request))?;
        }
        Ok(attest)
    }

    fn is_some(&self) -> bool {
        self.provenance.is_some() || self.sbom
    }

    /// Something has to be able to hold what is said.
    fn check(&self, exporters: &[Exporter]) -> Result<(), Status> {
        let holds = |exporter: &Exporter| match exporter.kind.as_str() {
            // The image store keeps it under a name.
            "moby" | "image" => {
                let name = exporter.attrs.get("name");
                name.is_some_and(|name| !name.is_empty())
            }
            kind => kind != "docker",
        };
        match exporters.is_empty() || exporters.iter().any(holds) {
            true => Ok(()),
            false => Err(Status::unimplemented(
                "attestations are kept with an image that has a name, or in an output of type oci, local or tar: give a name with --tag",
            )),
        }
    }
}

fn refused(kind: &str, key: &str, value: &str) -> Status {
    Status::unimplemented(format!(
        "the option {key}={value} of the attestation {kind} is not supported by Corten"
    ))
}

fn provenance(fields: &HashMap<&str, &str>) -> Result<Provenance, Status> {
    let mut wanted = Provenance {
        request: ProvenanceRequest {
            max: true,
            ..ProvenanceRequest::default()
        },
        filename: "provenance.json".into(),
    };
    for (key, value) in fields {
        match (*key, *value) {
            ("type" | "disabled" | "inline-only", _) => {}
            ("mode", "max" | "full") => wanted.request.max = true,
            ("mode", "min") => wanted.request.max = false,
            ("mode", other) => return Err(Status::unknown(format!("invalid mode {other:?}"))),
            ("version", "v1") => wanted.request.version = Slsa::V1,
            ("version", "v0.2") => wanted.request.version = Slsa::V02,
            ("version", other) => {
                let sentence = format!("invalid provenance SLSA version: {other}");
                return Err(Status::unknown(sentence));
            }
            ("reproducible", value) => wanted.request.reproducible = switch(key, value)?,
            ("builder-id", value) => wanted.request.builder_id = value.to_owned(),
            ("filename", value) => wanted.filename = file_name(value)?,
            ("capture-usage", value) if !switch(key, value)? => {}
            (key, value) => return Err(refused("provenance", key, value)),
        }
    }
    Ok(wanted)
}

fn sbom(fields: &HashMap<&str, &str>) -> Result<(), Status> {
    for (key, value) in fields {
        match (*key, *value) {
            ("type" | "disabled", _) => {}
            ("generator", image) if image.is_empty() || image.contains(DEFAULT_SCANNER) => {}
            // The scanner is built in; it runs nothing.
            (key, value) => return Err(refused("sbom", key, value)),
        }
    }
    Ok(())
}

/// A file at the top of an output, and nothing else.
pub(super) fn file_name(name: &str) -> Result<String, Status> {
    match name {
        "" | "." | ".." => Err(Status::invalid(format!("invalid filename {name:?}"))),
        name if name.contains(['/', '\0']) => {
            Err(Status::invalid(format!("invalid filename {name:?}")))
        }
        name => Ok(name.to_owned()),
    }
}

/// What is said about each of the results, in their order.
pub(super) async fn said(
    kit: &BuildKit,
    job: &Job,
    attest: &Attest,
    results: &Results,
) -> Result<Vec<Vec<Said>>, Status> {
    let mut all = Vec::new();
    for result in &results.list {
        all.push(said_about(kit, job, attest, result).await?);
    }
    Ok(all)
}

async fn said_about(
    kit: &BuildKit,
    job: &Job,
    attest: &Attest,
    result: &Arc<BuildResult>,
) -> Result<Vec<Said>, Status> {
    let mut list = Vec::new();
    if attest.sbom {
        let scanning = kit.engine.builder().sbom(result);
        list.push(Said {
            filename: "sbom.spdx.json".into(),
            attestation: scanning.await.map_err(|error| Status::of(&error))?,
        });
    }
    if let Some(wanted) = &attest.provenance {
        let call = Invocation {
            id: job.reference.clone(),
            started: job.started,
            options: job.options.clone(),
        };
        list.push(Said {
            filename: wanted.filename.clone(),
            attestation: result.provenance(&wanted.request, &call),
        });
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attrs: &[(&str, &str)], exporter: (&str, &[(&str, &str)])) -> Result<Attest, Status> {
        let map = |list: &[(&str, &str)]| {
            let pairs = list
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            pairs.collect::<HashMap<String, String>>()
        };
        Attest::read(&SolveRequest {
            frontend_attrs: map(attrs),
            exporters: vec![Exporter {
                kind: exporter.0.into(),
                attrs: map(exporter.1),
            }],
            ..SolveRequest::default()
        })
    }

    #[test]
    fn what_the_plugin_asks_for_by_itself_is_no_request() {
        let oci = ("oci", &[][..]);
        let default = ("attest:provenance", "mode=min,inline-only=true");
        assert!(!read(&[default], oci).unwrap().is_some());
        let off = ("attest:provenance", "type=provenance,disabled=true");
        assert!(!read(&[off], oci).unwrap().is_some());
        let some = read(&[("attest:provenance", "type=provenance,mode=min")], oci).unwrap();
        assert!(!some.provenance.unwrap().request.max);
        let by_argument = ("build-arg:BUILDKIT_ATTEST_SBOM", "");
        assert!(read(&[by_argument], oci).unwrap().sbom);
    }

    #[test]
    fn what_cannot_be_said_or_held_is_refused_by_name() {
        let oci = ("oci", &[][..]);
        let refused = |key: &str, value: &str| read(&[(key, value)], oci).unwrap_err().message;
        assert_eq!(
            refused("attest:vuln", ""),
            "unknown attestation type \"vuln\""
        );
        assert_eq!(
            refused("attest:provenance", "mode=mid"),
            "invalid mode \"mid\""
        );
        let sentence = "invalid provenance SLSA version: v3";
        assert_eq!(refused("attest:provenance", "version=v3"), sentence);
        assert!(refused("attest:sbom", "generator=a/b").contains("generator=a/b"));
        assert!(refused("attest:provenance", "filename=../x").contains("invalid filename"));
        let sbom = ("attest:sbom", "");
        assert!(read(&[sbom], ("moby", &[][..])).is_err());
        assert!(read(&[sbom], ("moby", &[("name", "it")][..])).is_ok());
        assert!(read(&[sbom], ("tar", &[][..])).is_ok());
    }
}
