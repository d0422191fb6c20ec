//! What a new image is put together from: names, digests and descriptors.

use super::{load::platform, remote::Remote};
use crate::{app::App, buildx::error, error::CliError};
use corten_distribution::FetchedManifest;
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Platform, Reference};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A source as it is written.
#[derive(Debug, Clone, Default)]
pub struct Given {
    text: String,
    /// The name, if it is one.
    pub name: Option<Reference>,
    descriptor: Option<Said>,
}

/// A descriptor of a user: all of it but the digest may be missing.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    digest: Option<Digest>,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
    platform: Option<Platform>,
}

/// A source with what the registry has of it.
pub struct Source {
    pub remote: Remote,
    /// As it is called in messages.
    pub shown: Reference,
    pub fetched: FetchedManifest,
    /// The registry's descriptor with what the user said of it.
    pub descriptor: Descriptor,
}

/// Reads a source: a digest, a name or a descriptor's JSON.
pub fn parse(text: &str) -> Result<Given, CliError> {
    let failed = |why: String| {
        error(&format!(
            "failed to parse source {text:?}, valid sources are digests, references and descriptors: {why}"
        ))
    };
    let mut given = Given {
        text: text.to_owned(),
        ..Given::default()
    };
    match text.parse::<Digest>() {
        Ok(digest) => {
            given.descriptor = Some(Said {
                digest: Some(digest),
                media_type: String::new(),
                size: 0,
                annotations: None,
                platform: None,
            });
            return Ok(given);
        }
        Err(why) if text.starts_with("sha256") => return Err(failed(why.to_string())),
        Err(_) => {}
    }
    match text.parse::<Reference>() {
        Ok(name) => {
            given.name = Some(name);
            return Ok(given);
        }
        Err(why) if !text.starts_with('{') => return Err(failed(why.to_string())),
        Err(_) => {}
    }
    let said: Said = serde_json::from_str(text).map_err(|why| failed(why.to_string()))?;
    if said.digest.is_none() {
        return Err(failed("invalid descriptor: digest is required".into()));
    }
    given.descriptor = Some(said);
    Ok(given)
}

/// The sources at their registries. A digest alone is one of the only repository that the
/// line names.
pub async fn resolve(
    app: &App,
    given: Vec<Given>,
    tags: &[Reference],
) -> Result<Vec<Source>, CliError> {
    let names = given.iter().filter_map(|it| it.name.as_ref()).chain(tags);
    let mut repositories: Vec<Reference> = names.map(Reference::without_tag_and_digest).collect();
    repositories.sort_by_key(Reference::name);
    repositories.dedup();
    if repositories.is_empty() {
        return Err(error(
            "no repositories specified, please set a reference in tag or source",
        ));
    }
    let only = (repositories.len() == 1).then(|| repositories[0].clone());
    let mut named = Vec::new();
    for source in given {
        let name = match (&source.name, &only) {
            (Some(name), _) => name.clone(),
            (None, Some(only)) => {
                let digest = source.descriptor.as_ref().and_then(|it| it.digest.clone());
                digest.map_or_else(|| only.clone(), |digest| only.with_digest(digest))
            }
            (None, None) => {
                return Err(error(&format!(
                    "multiple repositories specified, cannot infer repository for {:?}",
                    source.text
                )));
            }
        };
        named.push((source, name));
    }
    let mut sources = Vec::new();
    for (source, shown) in named {
        let remote = Remote::open(app, shown.clone().or_latest()).await?;
        let fetched = remote.manifest().await?;
        let mut descriptor = fetched.descriptor.clone();
        if let Some(said) = source.descriptor {
            if said.size != 0 && said.size != descriptor.size {
                return Err(error(&format!(
                    "invalid size mismatch for {}, {} != {}",
                    descriptor.digest, said.size, descriptor.size
                )));
            }
            if !said.media_type.is_empty() {
                descriptor.media_type = said.media_type;
            }
            descriptor.annotations = said.annotations.filter(|it| !it.is_empty());
            descriptor.platform = said.platform;
        }
        let mut source = Source {
            remote,
            shown,
            fetched,
            descriptor,
        };
        source.find_platform().await?;
        sources.push(source);
    }
    Ok(sources)
}

impl Source {
    /// What nobody has said of the platform is in the image's configuration.
    async fn find_platform(&mut self) -> Result<(), CliError> {
        let ManifestOrIndex::Manifest(manifest) = &self.fetched.document else {
            return Ok(());
        };
        let mut known = self.descriptor.platform.take().unwrap_or_default();
        if known.os.is_empty() || known.architecture.is_empty() {
            let config = self.remote.json(&manifest.config).await?;
            let own = platform(&config).normalised();
            if known.architecture.is_empty() {
                known.architecture = own.architecture;
                known.variant = known.variant.or(own.variant);
            }
            if known.os.is_empty() {
                known.os = own.os;
            }
        }
        self.descriptor.platform = Some(known);
        Ok(())
    }
}

/// Names that a new image gets.
pub fn tags(texts: &[String]) -> Result<Vec<Reference>, CliError> {
    let parse = |text: &String| text.parse::<Reference>();
    let parsed: Result<Vec<_>, _> = texts.iter().map(parse).collect();
    parsed.map_err(|why| error(&why.to_string()))
}
