//! Options of exporters that end as manifests: each is honoured or refused by name.

use super::{attest::Said, status::Status};
use corten_build::{Annotations, ArtifactImage, ArtifactRequest, BuildResult, Compression};
use corten_buildkit::control::Exporter;
use std::sync::Arc;

/// What an exporter of images is asked for.
#[derive(Default)]
pub(super) struct ImageOptions {
    /// As users write them.
    pub names: Vec<String>,
    /// To their registries.
    pub push: bool,
    /// Without a tag.
    pub push_by_digest: bool,
    /// Not kept on this machine.
    pub no_store: bool,
    /// More than what the image store makes of a result by itself.
    pub is_artifact: bool,
    /// Seconds since 1970 that times are brought back to.
    pub epoch: Option<i64>,
    /// Those of files, too.
    pub rewrite_timestamp: bool,
    /// The build's own layers become one. BuildKit has no such option.
    pub squash: bool,
    artifact: ArtifactRequest,
    annotations: Vec<Annotation>,
}

/// `annotation-manifest-descriptor[linux/amd64].key=value`.
struct Annotation {
    scope: Scope,
    platform: Option<String>,
    key: String,
    value: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Manifest,
    ManifestDescriptor,
    Index,
    IndexDescriptor,
}

impl ImageOptions {
    pub fn read(exporter: &Exporter) -> Result<Self, Status> {
        let mut options = Self::default();
        let kind = exporter.kind.as_str();
        let moby = matches!(kind, "moby" | "image");
        for (key, value) in &exporter.attrs {
            let on = || switch(key, value);
            if let Some(rest) = key.strip_prefix("annotation") {
                options.annotations.push(annotation(key, rest, value)?);
                options.is_artifact = true;
                continue;
            }
            match key.as_str() {
                "name" => {
                    let names = value.split(',').filter(|it| !it.is_empty());
                    options.names = names.map(str::to_owned).collect();
                }
                "push" if moby => options.push = on()?,
                "push-by-digest" if moby => options.push_by_digest = on()?,
                "store" if moby => options.no_store = !on()?,
                // An image of the store is unpacked, whatever is said.
                "unpack" if moby => drop(on()?),
                // The registries' rules are the daemon's configuration.
                "registry.insecure" if moby && !on()? => {}
                "dest" | "context" => {}
                "tar" if !moby && on()? => {}
                "tar" if !moby => {
                    return Err(Status::unimplemented(format!(
                        "exporter {kind:?} without an archive (tar=false) is not supported by Corten"
                    )));
                }
                "squash" => options.squash = on()?,
                "rewrite-timestamp" => options.rewrite_timestamp = on()?,
                "source-date-epoch" => options.epoch = epoch(key, value)?,
                "compression" => {
                    options.artifact.compression.format = Some(compression(value)?);
                    options.is_artifact = true;
                }
                "compression-level" => {
                    let level = value.parse().map_err(|_| {
                        Status::invalid(format!("non-int value {value} specified for {key}"))
                    })?;
                    options.artifact.compression.level = Some(level);
                    options.is_artifact = true;
                }
                "force-compression" => {
                    options.artifact.compression.force = on()?;
                    options.is_artifact |= on()?;
                }
                "oci-mediatypes" => {
                    options.artifact.docker_types = !on()?;
                    options.is_artifact |= on()?;
                }
                // Layers of foreign URLs are pushed as all others.
                "prefer-nondist-layers" if !on()? => {}
                "buildinfo" | "buildinfo-attrs" => {}
                other => {
                    return Err(Status::unimplemented(format!(
                        "the option {other:?} of exporter {kind:?} is not supported by Corten"
                    )));
                }
            }
        }
        Ok(options)
    }

    /// What is to be made of these results.
    pub fn request(
        &self,
        results: &[Arc<BuildResult>],
        said: &[Vec<Said>],
        several: bool,
    ) -> Result<ArtifactRequest, Status> {
        let mut request = self.artifact.clone();
        request.index = several;
        request.names =
            corten_build::parse_names(&self.names).map_err(|error| Status::of(&error))?;
        for (place, result) in results.iter().enumerate() {
            let said = said.get(place).map_or(&[][..], |it| &it[..]);
            let platform = result.platform.to_string();
            request.images.push(ArtifactImage {
                config: result.config.clone(),
                platform: result.platform.clone(),
                annotations: self.annotations(Scope::Manifest, &platform),
                descriptor_annotations: self.annotations(Scope::ManifestDescriptor, &platform),
                attestations: said.iter().map(|it| it.attestation.clone()).collect(),
            });
        }
        request.index_annotations = self.annotations(Scope::Index, "");
        request.index_descriptor_annotations = self.annotations(Scope::IndexDescriptor, "");
        Ok(request)
    }

    fn annotations(&self, scope: Scope, platform: &str) -> Annotations {
        let fits = |it: &&Annotation| {
            it.scope == scope && it.platform.as_deref().is_none_or(|own| own == platform)
        };
        let found = self.annotations.iter().filter(fits);
        found.map(|it| (it.key.clone(), it.value.clone())).collect()
    }
}

/// `true`, `1`, and nothing at all, as BuildKit reads a switch.
pub(super) fn switch(key: &str, value: &str) -> Result<bool, Status> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(Status::invalid(format!(
            "non-bool value specified for {key}"
        ))),
    }
}

/// Seconds since 1970; nothing at all is no time.
pub(super) fn epoch(key: &str, value: &str) -> Result<Option<i64>, Status> {
    if value.is_empty() {
        return Ok(None);
    }
    let invalid = |_| {
        let reason = format!("strconv.ParseInt: parsing {value:?}: invalid syntax");
        Status::invalid(format!("invalid {key}: {reason}"))
    };
    value.parse().map(Some).map_err(invalid)
}

pub(super) fn compression(value: &str) -> Result<Compression, Status> {
    match value {
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        "uncompressed" => Ok(Compression::None),
        "estargz" => Err(Status::unimplemented(
            "layers compressed as estargz are not supported by Corten",
        )),
        other => Err(Status::invalid(format!(
            "unsupported layer compression type: {other:?}"
        ))),
    }
}

fn annotation(whole: &str, rest: &str, value: &str) -> Result<Annotation, Status> {
    let invalid = || Status::invalid(format!("invalid annotation key {whole:?}"));
    let (head, key) = rest.split_once('.').ok_or_else(invalid)?;
    let (scope, platform) = match head.split_once('[') {
        Some((scope, platform)) => {
            let platform = platform.strip_suffix(']').ok_or_else(invalid)?;
            let platform = platform.parse::<corten_oci::Platform>();
            let platform = platform.map_err(|error| Status::invalid(error.to_string()))?;
            (scope, Some(platform.normalised().to_string()))
        }
        None => (head, None),
    };
    let scope = match scope {
        "" | "-manifest" => Scope::Manifest,
        "-manifest-descriptor" => Scope::ManifestDescriptor,
        "-index" => Scope::Index,
        "-index-descriptor" => Scope::IndexDescriptor,
        _ => return Err(invalid()),
    };
    Ok(Annotation {
        scope,
        platform,
        key: key.to_owned(),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_says_where_it_goes_and_for_which_platform() {
        let read = |key: &str| annotation(key, key.strip_prefix("annotation").unwrap(), "v");
        let one = read("annotation-manifest-descriptor[linux/arm64/v8].org.x.y").unwrap();
        assert!(one.scope == Scope::ManifestDescriptor);
        assert_eq!(one.platform.as_deref(), Some("linux/arm64"));
        assert_eq!(one.key, "org.x.y");
        assert!(read("annotation.a").unwrap().scope == Scope::Manifest);
        assert!(read("annotation-index.a").unwrap().scope == Scope::Index);
        assert!(read("annotation-layer.a").is_err());
    }

    #[test]
    fn an_option_that_is_not_honoured_is_refused_by_name() {
        let ask = |key: &str, value: &str| {
            let exporter = Exporter {
                kind: "oci".into(),
                attrs: [(key.to_owned(), value.to_owned())].into(),
            };
            ImageOptions::read(&exporter).map(drop)
        };
        let refused = ask("rewrite-stamps", "true").unwrap_err();
        let text = "the option \"rewrite-stamps\" of exporter \"oci\" is not supported by Corten";
        assert_eq!(refused.message, text);
        assert!(ask("compression", "zstd").is_ok());
        let refused = ask("compression", "lzma").unwrap_err();
        assert_eq!(
            refused.message,
            "unsupported layer compression type: \"lzma\""
        );
        let refused = ask("force-compression", "perhaps").unwrap_err();
        assert_eq!(
            refused.message,
            "non-bool value specified for force-compression"
        );
    }
}
