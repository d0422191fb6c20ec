//! Everything that is told of an image: for each platform its configuration, and what was
//! attested of it.

use super::{
    remote::{self, Remote},
    shape::{IMAGE, shaped, sorted},
};
use crate::{buildx::error, error::CliError, output::Json};
use base64::{Engine, engine::general_purpose::STANDARD};
use corten_distribution::FetchedManifest;
use corten_oci::{Descriptor, Digest, Manifest, ManifestOrIndex, Platform};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
};

/// An index in an index in an index is none that anybody made.
const DEPTH: usize = 3;
/// Questions to a registry at one time.
const PARALLEL: usize = 4;
/// By which annotations an attestation says of which manifest it is.
const ABOUT: [&str; 2] = ["com.docker.reference.digest", "vnd.docker.reference.digest"];
const PREDICATE: &str = "in-toto.io/predicate-type";
const SPDX: &str = "https://spdx.dev/Document";
const SLSA: &str = "https://slsa.dev/provenance/";

/// Which parts are to be fetched.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub sbom: bool,
    pub provenance: bool,
}

/// What is told of the image for one platform.
pub struct Part {
    pub config: Json,
    pub sbom: Option<Json>,
    pub provenance: Option<Json>,
}

/// Manifests on the way.
#[derive(Default)]
struct Found {
    images: BTreeMap<String, (Digest, Manifest)>,
    attestations: HashMap<Digest, Vec<Manifest>>,
}

/// Reads an image, by platform.
pub async fn load(
    remote: &Remote,
    top: &FetchedManifest,
    wanted: Wanted,
) -> Result<BTreeMap<String, Part>, CliError> {
    let mut found = Found::default();
    walk(
        remote,
        top.clone(),
        top.descriptor.clone(),
        DEPTH,
        &mut found,
    )
    .await?;
    let parts = stream::iter(&found.images).map(|(platform, (digest, manifest))| {
        let attestations = found
            .attestations
            .get(digest)
            .map_or(&[][..], Vec::as_slice);
        async move {
            let config = shaped(&remote.json(&manifest.config).await?, IMAGE);
            let sbom = match wanted.sbom {
                true => sbom(remote, attestations).await?,
                false => None,
            };
            let provenance = match wanted.provenance {
                true => provenance(remote, attestations).await?,
                false => None,
            };
            let part = Part {
                config,
                sbom,
                provenance,
            };
            Ok((platform.clone(), part))
        }
    });
    parts.buffered(PARALLEL).try_collect().await
}

type Walked<'f> = Pin<Box<dyn Future<Output = Result<(), CliError>> + 'f>>;

fn walk<'f>(
    remote: &'f Remote,
    fetched: FetchedManifest,
    listed: Descriptor,
    depth: usize,
    found: &'f mut Found,
) -> Walked<'f> {
    Box::pin(async move {
        let manifest = match fetched.document {
            ManifestOrIndex::Manifest(manifest) => *manifest,
            ManifestOrIndex::Index(_) if depth == 0 => {
                let name = &remote.name;
                return Err(error(&format!(
                    "{name} has indexes in indexes, more than {DEPTH} deep"
                )));
            }
            ManifestOrIndex::Index(index) => {
                let entries = stream::iter(index.manifests).map(|entry| async move {
                    let fetched = remote.other(&entry.digest).await?;
                    Ok::<_, CliError>((fetched, entry))
                });
                let entries: Vec<_> = entries.buffered(PARALLEL).try_collect().await?;
                for (fetched, entry) in entries {
                    walk(remote, fetched, entry, depth - 1, found).await?;
                }
                return Ok(());
            }
        };
        let annotations = listed.annotations.unwrap_or_default();
        if let Some(about) = ABOUT.iter().find_map(|key| annotations.get(*key)) {
            let about: Digest = about.parse().map_err(|why| error(&format!("{why}")))?;
            found.attestations.entry(about).or_default().push(manifest);
            return Ok(());
        }
        let platform = match listed.platform {
            Some(platform) => platform,
            None => platform(&remote.json(&manifest.config).await?),
        };
        let platform = platform.normalised().to_string();
        found.images.insert(platform, (listed.digest, manifest));
        Ok(())
    })
}

/// What an image's configuration says that it is for.
pub fn platform(config: &Json) -> Platform {
    let text = |key| config.text(&[key]).to_owned();
    Platform {
        architecture: text("architecture"),
        os: text("os"),
        variant: Some(text("variant")).filter(|it| !it.is_empty()),
        ..Platform::default()
    }
}

async fn sbom(remote: &Remote, attestations: &[Manifest]) -> Result<Option<Json>, CliError> {
    let mut found = statements(remote, attestations, |kind| kind == SPDX).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let mut members = vec![("SPDX".to_owned(), found.remove(0))];
    if !found.is_empty() {
        members.push(("AdditionalSPDXs".to_owned(), Json::List(found)));
    }
    Ok(Some(Json::Object(members)))
}

async fn provenance(remote: &Remote, attestations: &[Manifest]) -> Result<Option<Json>, CliError> {
    let found = statements(remote, attestations, |kind| kind.starts_with(SLSA)).await?;
    let last = found.into_iter().last();
    Ok(last.map(|it| Json::Object(vec![("SLSA".to_owned(), it)])))
}

/// What the statements of a kind say, in their order.
async fn statements(
    remote: &Remote,
    attestations: &[Manifest],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Json>, CliError> {
    let mut found = Vec::new();
    for layer in attestations.iter().flat_map(|it| &it.layers) {
        let is_signed = layer.media_type.starts_with("application/vnd.in-toto.")
            && layer.media_type.ends_with("+dsse");
        let is_statement = is_signed || layer.media_type == "application/vnd.in-toto+json";
        let annotations = layer.annotations.as_ref();
        let kind = annotations.and_then(|it| it.get(PREDICATE));
        if !is_statement || !kind.is_some_and(|kind| wanted(kind)) {
            continue;
        }
        let mut statement = remote.json(layer).await?;
        if is_signed {
            // https://github.com/secure-systems-lab/dsse: the statement within its signatures.
            let payload = STANDARD.decode(statement.text(&["payload"]));
            let payload = payload.map_err(|why| error(&format!("{}: {why}", layer.digest)))?;
            statement = remote::json(&remote.name, &payload)?;
        }
        found.push(sorted(statement.get("predicate").unwrap_or(&Json::Null)));
    }
    Ok(found)
}
