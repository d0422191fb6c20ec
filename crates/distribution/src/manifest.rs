//! Manifests and tags.

use crate::{
    error::{Error, Result, TransportError},
    limits::{TAG_PAGES_MAX, TAGS_BODY_MAX},
    repository::{Ask, Repository, Server},
};
use bytes::Bytes;
use corten_oci::{Descriptor, Digest, ManifestOrIndex, manifest::MANIFEST_BYTES_MAX, media_type};
use http::{HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

const ACCEPT: &[&str] = &[
    media_type::OCI_MANIFEST,
    media_type::OCI_INDEX,
    media_type::DOCKER_MANIFEST,
    media_type::DOCKER_INDEX,
    "*/*",
];
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest or index, checked: its bytes have its digest and its type is certain.
#[derive(Debug, Clone)]
pub struct FetchedManifest {
    /// Type, digest and size.
    pub descriptor: Descriptor,
    /// The bytes.
    pub bytes: Bytes,
    /// The same, parsed.
    pub document: ManifestOrIndex,
}

impl Repository {
    /// What a tag or digest stands for, without its bytes. `None` when the registry does
    /// not say so in a HEAD; [`Repository::manifest`] then does, with the reason.
    pub async fn resolve(&self, target: &str) -> Result<Option<Descriptor>> {
        self.on_servers(|server| self.head_manifest(server, target))
            .await
    }

    async fn head_manifest(&self, server: &Server, target: &str) -> Result<Option<Descriptor>> {
        let mut ask = self.manifest_ask(server, Method::HEAD, target);
        ask.headers.insert(header::ACCEPT, accept());
        let response = self.ask_any(server, ask).await?;
        if !response.status.is_success() {
            return if server.endpoint.mirror || response.status.is_server_error() {
                Err(crate::answer::refusal(response).await.into())
            } else {
                Ok(None)
            };
        }
        let digest = response
            .header(CONTENT_DIGEST)
            .and_then(|text| text.parse().ok());
        let kind = response
            .header(header::CONTENT_TYPE)
            .map(essence)
            .unwrap_or_default();
        let size = response
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse().ok());
        Ok(match (digest, size) {
            (Some(digest), Some(size)) => Some(Descriptor::new(kind, digest, size)),
            _ => None,
        })
    }

    /// The manifest or index of a tag or digest.
    pub async fn manifest(&self, target: &str) -> Result<FetchedManifest> {
        self.on_servers(|server| self.get_manifest(server, target))
            .await
    }

    async fn get_manifest(&self, server: &Server, target: &str) -> Result<FetchedManifest> {
        let mut ask = self.manifest_ask(server, Method::GET, target);
        ask.headers.insert(header::ACCEPT, accept());
        let url = ask.url.clone();
        let response = self.ask(server, ask).await?;
        let kind = response.header(header::CONTENT_TYPE).map(essence);
        let told: Option<Digest> = response.header(CONTENT_DIGEST).and_then(|t| t.parse().ok());
        let bytes = response
            .bytes(MANIFEST_BYTES_MAX as usize)
            .await
            .map_err(|e| Error::transport(&Method::GET, url, e))?;
        let asked: Option<Digest> = target.parse().ok();
        for expected in asked.iter().chain(&told) {
            if !expected.matches(&bytes) {
                return Err(Error::Digest {
                    what: "manifest",
                    expected: expected.clone(),
                });
            }
        }
        let document = ManifestOrIndex::parse(kind.as_deref(), &bytes)?;
        let own = match &document {
            ManifestOrIndex::Manifest(manifest) => manifest.media_type.clone(),
            ManifestOrIndex::Index(index) => index.media_type.clone(),
        };
        let default = match &document {
            ManifestOrIndex::Manifest(_) => media_type::OCI_MANIFEST,
            ManifestOrIndex::Index(_) => media_type::OCI_INDEX,
        };
        let kind = own
            .filter(|own| !own.is_empty())
            .unwrap_or_else(|| default.to_owned());
        let digest = asked.unwrap_or_else(|| Digest::of(&bytes));
        let descriptor = Descriptor::new(kind, digest, bytes.len() as u64);
        Ok(FetchedManifest {
            descriptor,
            bytes,
            document,
        })
    }

    fn manifest_ask(&self, server: &Server, method: Method, target: &str) -> Ask<'_> {
        Ask::new(
            method,
            self.url(server, &format!("manifests/{target}")),
            &self.scope,
        )
    }

    /// Records a manifest under a tag or its digest.
    pub async fn put_manifest(&self, target: &str, kind: &str, bytes: Bytes) -> Result<()> {
        self.on_servers(|server| async {
            let mut ask = self.manifest_ask(server, Method::PUT, target);
            let kind = HeaderValue::from_str(kind)
                .map_err(|_| Error::Protocol(format!("media type {kind:?}")))?;
            ask.headers.insert(header::CONTENT_TYPE, kind);
            ask.body = Some(bytes.clone());
            self.ask(server, ask).await.map(drop)
        })
        .await
    }

    /// All tags, in the registry's order.
    pub async fn tags(&self) -> Result<Vec<String>> {
        self.on_servers(|server| self.all_tags(server)).await
    }

    async fn all_tags(&self, server: &Server) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut url = self.url(server, "tags/list");
        let mut all = Vec::new();
        for _ in 0..TAG_PAGES_MAX {
            let response = self
                .ask(server, Ask::new(Method::GET, url.clone(), &self.scope))
                .await?;
            let link = response.header(header::LINK).and_then(next_link);
            let next = link.and_then(|link| url.join(&link));
            let failed = |e: TransportError| Error::transport(&Method::GET, &url, e);
            let body = response.bytes(TAGS_BODY_MAX).await.map_err(failed)?;
            let page: Page = serde_json::from_slice(&body)
                .map_err(|e| Error::Protocol(format!("tag list: {e}")))?;
            all.extend(page.tags.unwrap_or_default());
            let home = &server.endpoint.base.origin;
            match next {
                None => return Ok(all),
                // Behind a proxy a registry may not know its own scheme and port.
                Some(next) if next.origin.host == home.host => url = home.url(next.target),
                Some(next) => {
                    let sentence = format!("the tag list is to go on at {next}");
                    return Err(Error::Protocol(sentence));
                }
            }
        }
        Err(Error::Protocol(format!(
            "the tag list has more than {TAG_PAGES_MAX} pages"
        )))
    }

    /// Whether the repository has a blob, and how large it is.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        self.on_servers(|server| async {
            let url = self.url(server, &format!("blobs/{digest}"));
            let response = self
                .ask_any(server, Ask::new(Method::HEAD, url, &self.scope))
                .await?;
            match response.status {
                StatusCode::NOT_FOUND => Ok(None),
                status if status.is_success() => {
                    let size = response.header(header::CONTENT_LENGTH);
                    Ok(size.and_then(|text| text.parse().ok()))
                }
                _ => Err(crate::answer::refusal(response).await.into()),
            }
        })
        .await
    }
}

fn accept() -> HeaderValue {
    HeaderValue::from_str(&ACCEPT.join(", ")).expect("media types are header text")
}

/// A media type without its parameters.
fn essence(value: &str) -> String {
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// The target of `rel="next"`. RFC 8288.
fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.split_once('>')?;
        let target = target.trim().strip_prefix('<')?;
        let is_next = parameters.split(';').any(|p| {
            let p = p.trim();
            p.eq_ignore_ascii_case("rel=\"next\"") || p.eq_ignore_ascii_case("rel=next")
        });
        is_next.then(|| target.to_owned())
    })
}
