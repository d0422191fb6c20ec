//! One image out of sources: the bytes of its manifest or index, and which manifests it
//! needs from where. Pure.

use super::{
    annotations::{Annotation, Scope},
    shape::{INDEX, shaped},
    sources::Source,
};
use crate::{buildx::error, error::CliError, output::Json};
use bytes::Bytes;
use corten_oci::{Descriptor, Digest, Index, ManifestOrIndex, Platform, media_type};
use std::collections::{BTreeMap, HashSet};

/// How an index says that a manifest is about another one.
const TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION: &str = "attestation-manifest";
const ABOUT: &str = "vnd.docker.reference.digest";

/// A new image.
#[derive(Debug)]
pub struct Combined {
    pub bytes: Bytes,
    pub descriptor: Descriptor,
    /// What must be in the repository before: digests, and which source has them.
    pub needs: Vec<(Digest, usize)>,
}

/// How it is put together.
pub struct Options {
    pub annotations: Vec<Annotation>,
    /// A single manifest gets an index around it.
    pub prefer_index: bool,
    /// The platforms that are kept; all where none is named.
    pub platforms: Vec<Platform>,
}

/// Puts sources together.
pub fn combine(sources: &[Source], options: &Options) -> Result<Combined, CliError> {
    if let [only] = sources
        && options.annotations.is_empty()
    {
        let as_it_is = Combined {
            bytes: only.fetched.bytes.clone(),
            descriptor: only.descriptor.clone(),
            needs: Vec::new(),
        };
        match &only.fetched.document {
            ManifestOrIndex::Index(index) => {
                let entries = index.manifests.iter().map(|it| (it.clone(), 0)).collect();
                return filter(as_it_is, entries, options);
            }
            ManifestOrIndex::Manifest(_) if !options.prefer_index => {
                return copy(as_it_is, &options.platforms);
            }
            ManifestOrIndex::Manifest(_) => {}
        }
    }
    let mut entries = entries(sources);
    let is_docker = |it: &Descriptor| it.media_type.starts_with("application/vnd.docker.");
    // Docker's lists have no annotations: as with the stock plugin they get none.
    let (kind, annotations) = match entries.iter().all(|(it, _)| is_docker(it)) {
        true => (media_type::DOCKER_INDEX, BTreeMap::new()),
        false => (
            media_type::OCI_INDEX,
            annotate(&mut entries, &options.annotations)?,
        ),
    };
    let index = Index {
        schema_version: 2,
        media_type: Some(kind.to_owned()),
        manifests: entries.iter().map(|(it, _)| it.clone()).collect(),
        annotations: (!annotations.is_empty()).then_some(annotations),
    };
    let bytes = written(&json(&index)?);
    let new = Combined {
        descriptor: Descriptor::of(kind, &bytes),
        bytes,
        needs: Vec::new(),
    };
    filter(new, entries, options)
}

/// A manifest as it is.
fn copy(mut image: Combined, platforms: &[Platform]) -> Result<Combined, CliError> {
    let own = image.descriptor.platform.clone().unwrap_or_default();
    if !platforms.is_empty() && !is_any(&own, platforms) {
        return Err(error(&format!(
            "input platform {own} does not match any of the provided platforms"
        )));
    }
    image.needs = vec![(image.descriptor.digest.clone(), 0)];
    Ok(image)
}

/// Everything that the sources are or list, each once, and by which source it is known.
fn entries(sources: &[Source]) -> Vec<(Descriptor, usize)> {
    let mut entries: Vec<(Descriptor, usize)> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let own = std::slice::from_ref(&source.descriptor);
        let listed = match &source.fetched.document {
            ManifestOrIndex::Index(index) => &index.manifests[..],
            ManifestOrIndex::Manifest(_) => own,
        };
        for new in listed {
            let known = entries.iter_mut().find(|(it, _)| it.digest == new.digest);
            let Some((known, from)) = known else {
                entries.push((new.clone(), at));
                continue;
            };
            *from = at;
            if new.platform.is_some() {
                known.platform = new.platform.clone();
            }
            let annotations = known.annotations.get_or_insert_default();
            annotations.extend(new.annotations.clone().into_iter().flatten());
        }
    }
    entries
}

/// Annotates the entries; what is the index's own is the answer.
fn annotate(
    entries: &mut [(Descriptor, usize)],
    annotations: &[Annotation],
) -> Result<BTreeMap<String, String>, CliError> {
    let mut own = BTreeMap::new();
    for Annotation { scope, key, value } in annotations {
        match scope {
            Scope::Index => {
                own.insert(key.clone(), value.clone());
            }
            Scope::ManifestDescriptor(platform) => {
                for (entry, _) in entries.iter_mut() {
                    let is_meant = platform.as_ref().is_none_or(|platform| {
                        let of = entry.platform.as_ref().map(ToString::to_string);
                        of == Some(platform.to_string())
                    });
                    if is_meant {
                        let annotations = entry.annotations.get_or_insert_default();
                        annotations.insert(key.clone(), value.clone());
                    }
                }
            }
            Scope::Unsaid => return Err(error("\"\" annotations are not supported yet")),
            Scope::Manifest => {
                return Err(error("\"manifest\" annotations are not supported yet"));
            }
            Scope::IndexDescriptor => {
                return Err(error(
                    "\"index-descriptor\" annotations are invalid while creating an image",
                ));
            }
        }
    }
    Ok(own)
}

/// Keeps the entries of the wanted platforms, and what is attested of these.
fn filter(
    image: Combined,
    mut entries: Vec<(Descriptor, usize)>,
    options: &Options,
) -> Result<Combined, CliError> {
    let wanted = |platform: &Option<Platform>| match platform {
        Some(platform) => options.platforms.is_empty() || is_any(platform, &options.platforms),
        None => true,
    };
    let kept: HashSet<Digest> = entries
        .iter()
        .filter(|(entry, _)| {
            let attested = attested(entry).and_then(|digest| {
                let mut all = entries.iter().map(|(it, _)| it);
                all.find(|it| it.digest.to_string() == digest)
            });
            wanted(&entry.platform) || attested.is_some_and(|it| wanted(&it.platform))
        })
        .map(|(entry, _)| entry.digest.clone())
        .collect();
    let before = entries.len();
    entries.retain(|(entry, _)| kept.contains(&entry.digest));
    let needs = |entries: &[(Descriptor, usize)]| {
        let needs = entries.iter();
        needs.map(|(it, at)| (it.digest.clone(), *at)).collect()
    };
    if entries.len() == before {
        let needs = needs(&entries);
        return Ok(Combined { needs, ..image });
    }
    if entries.is_empty() {
        return Err(error("none of the manifests match the provided platforms"));
    }
    let mut index: Json = serde_json::from_slice(&image.bytes)
        .map_err(|why| error(&format!("failed to parse index: {why}")))?;
    if let Json::Object(members) = &mut index
        && let Some((_, Json::List(listed))) = members.iter_mut().find(|it| it.0 == "manifests")
    {
        listed.retain(|it| {
            kept.iter()
                .any(|one| one.to_string() == it.text(&["digest"]))
        });
    }
    let bytes = written(&index);
    let mut descriptor = Descriptor::of(image.descriptor.media_type, &bytes);
    descriptor.annotations = image.descriptor.annotations;
    Ok(Combined {
        bytes,
        descriptor,
        needs: needs(&entries),
    })
}

/// The manifest that this one is about.
fn attested(entry: &Descriptor) -> Option<&str> {
    let annotations = entry.annotations.as_ref()?;
    let is_attestation = annotations.get(TYPE).is_some_and(|it| it == ATTESTATION);
    annotations
        .get(ABOUT)
        .filter(|_| is_attestation)
        .map(String::as_str)
}

fn is_any(platform: &Platform, wanted: &[Platform]) -> bool {
    let platform = platform.normalised().to_string();
    wanted
        .iter()
        .any(|it| it.normalised().to_string() == platform)
}

/// A document of ours as JSON that keeps its order.
pub fn json(document: &impl serde::Serialize) -> Result<Json, CliError> {
    let text = serde_json::to_vec(document).and_then(|text| serde_json::from_slice(&text));
    text.map_err(|why| error(&format!("failed to marshal index: {why}")))
}

/// An index as the stock plugin writes it: its digest depends on each byte.
fn written(index: &Json) -> Bytes {
    shaped(index, INDEX)
        .pretty_escaped("  ")
        .into_bytes()
        .into()
}
