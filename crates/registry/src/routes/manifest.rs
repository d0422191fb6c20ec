//! `/v2/<name>/manifests/<reference>`

use super::{Call, blob::is_known, not_here};
use crate::{
    error::{Code, Error, Result},
    events,
    limits::{MANIFEST_BYTES, TAGS_PER_PUSH},
    manifests::too_large,
    name::{RepositoryName, Tag, Target},
    records::StoredManifest,
    reply::{self, Body, DIGEST, Reply, SUBJECT, TAG, set},
};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{Method, Response, StatusCode, header};

impl Call {
    pub(super) async fn manifest(self, name: &RepositoryName, target: &str) -> Reply {
        let target = Target::parse(target)?;
        match self.method {
            Method::GET | Method::HEAD => self.read_manifest(name, &target).await,
            Method::PUT => self.push_manifest(name, &target).await,
            Method::DELETE => self.delete_manifest(name, &target).await,
            _ => not_here("GET, HEAD, PUT, DELETE"),
        }
    }

    async fn read_manifest(self, name: &RepositoryName, target: &Target) -> Reply {
        let found = self.registry.cached_manifest(name, target).await?;
        let Some(manifest) = found else {
            return Err(match self.registry.has_repository(name).await? {
                true => Error::manifest_unknown(target),
                false => Error::code(Code::NameUnknown),
            });
        };
        let known = is_known(&self, &manifest.digest);
        let mut response = match &self.method {
            _ if known => reply::empty(StatusCode::NOT_MODIFIED),
            &Method::HEAD => {
                let mut response = reply::empty(StatusCode::OK);
                let length = manifest.bytes.len().into();
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, length);
                response
            }
            _ => {
                self.tell("pull", name, &manifest, target_tag(target));
                let kind = manifest.record.media_type.as_str();
                reply::bytes(StatusCode::OK, kind, manifest.bytes.clone())
            }
        };
        if known {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        set(
            &mut response,
            header::CONTENT_TYPE,
            &manifest.record.media_type,
        );
        set(
            &mut response,
            header::ETAG,
            &format!("\"{}\"", manifest.digest),
        );
        set(&mut response, DIGEST, &manifest.digest.to_string());
        Ok(response)
    }

    async fn push_manifest(mut self, name: &RepositoryName, target: &Target) -> Reply {
        let tags = self.more_tags(target)?;
        let kind = self.header(header::CONTENT_TYPE).map(essence);
        let bytes = self.read_body().await?;
        let registry = &self.registry;
        let pushed = registry
            .push_manifest(name, target, tags, kind.as_deref(), bytes)
            .await?;
        let digest = &pushed.manifest.digest;
        let mut response = reply::empty(StatusCode::CREATED);
        set(
            &mut response,
            header::LOCATION,
            &format!("/v2/{name}/manifests/{digest}"),
        );
        set(&mut response, DIGEST, &digest.to_string());
        if let Some(subject) = &pushed.manifest.record.subject {
            set(&mut response, SUBJECT, &subject.to_string());
        }
        if matches!(target, Target::Digest(_)) && !pushed.tags.is_empty() {
            let tags: Vec<&str> = pushed.tags.iter().map(Tag::as_str).collect();
            set(&mut response, TAG, &tags.join(", "));
        }
        if pushed.tags.is_empty() {
            self.tell("push", name, &pushed.manifest, None);
        }
        for tag in &pushed.tags {
            self.tell("push", name, &pushed.manifest, Some(tag));
        }
        Ok(response)
    }

    /// Tags given beside a digest. OCI distribution-spec 1.2, end-7b.
    fn more_tags(&self, target: &Target) -> Result<Vec<Tag>> {
        let given = self.query.iter().filter(|(key, _)| key == "tag");
        let tags: Vec<Tag> = given
            .map(|(_, tag)| Tag::parse(tag))
            .collect::<Result<_>>()?;
        match target {
            Target::Tag(_) => Ok(Vec::new()),
            Target::Digest(_) if tags.len() > TAGS_PER_PUSH => Err(Error::at(
                Code::TagInvalid,
                StatusCode::URI_TOO_LONG,
                format!("at most {TAGS_PER_PUSH} tags at a time"),
            )),
            Target::Digest(_) => Ok(tags),
        }
    }

    async fn read_body(&mut self) -> Result<Bytes> {
        let length = self
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse().ok());
        if length.is_some_and(|length: u64| length > MANIFEST_BYTES as u64) {
            return Err(too_large());
        }
        let mut stream = self.stream();
        let mut whole = BytesMut::new();
        let broken = |error: std::io::Error| Error::Body(error.to_string());
        while let Some(bytes) = stream.try_next().await.map_err(broken)? {
            if whole.len() + bytes.len() > MANIFEST_BYTES {
                return Err(too_large());
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    async fn delete_manifest(self, name: &RepositoryName, target: &Target) -> Reply {
        let found = self.registry.find_manifest(name, target).await?;
        self.registry.delete_manifest(name, target).await?;
        if let Some(manifest) = found {
            self.tell("delete", name, &manifest, target_tag(target));
        }
        Ok::<Response<Body>, Error>(reply::empty(StatusCode::ACCEPTED))
    }

    fn tell(
        &self,
        action: &'static str,
        name: &RepositoryName,
        manifest: &StoredManifest,
        tag: Option<&Tag>,
    ) {
        let events = &self.registry.0.events;
        if events.is_silent() {
            return;
        }
        let kind = &manifest.record.media_type;
        let size = manifest.bytes.len() as u64;
        let mut target = events::Target::new(name, kind, &manifest.digest, size);
        target.tag = tag.map(|tag| tag.to_string());
        events.happened(action, target, self.cause());
    }
}

fn target_tag(target: &Target) -> Option<&Tag> {
    match target {
        Target::Tag(tag) => Some(tag),
        Target::Digest(_) => None,
    }
}

/// A media type without its parameters.
fn essence(value: &str) -> String {
    let value = value.split(';').next().unwrap_or_default();
    value.trim().to_ascii_lowercase()
}
