//! `/v2/<name>/blobs/uploads/` and what is below it.

use super::{Call, not_here};
use crate::{
    config::Right,
    error::{Code, Error, Result},
    events::Target,
    name::{RepositoryName, parse_digest},
    reply::{self, Body, DIGEST, Reply, UPLOAD, set},
};
use corten_oci::{Algorithm, Digest};
use http::{Method, Response, StatusCode, header};

impl Call {
    /// Begins an upload, mounts a blob, or takes it whole.
    pub(super) async fn begin(mut self, name: &RepositoryName) -> Reply {
        if self.method != Method::POST {
            return not_here("POST");
        }
        if let Some(digest) = self.parameter("mount") {
            let digest = parse_digest(digest)?;
            let from = self.parameter("from").filter(|from| !from.is_empty());
            let from = from.map(RepositoryName::parse).transpose()?;
            let may = |name: &RepositoryName| self.caller.may(name, Right::Pull);
            if self
                .registry
                .mount(name, &digest, from.as_ref(), may)
                .await?
            {
                let mut target = Target::new(name, "application/octet-stream", &digest, 0);
                target.from_repository = from.map(|from| from.to_string());
                self.registry
                    .0
                    .events
                    .happened("mount", target, self.cause());
                return Ok(made(name, &digest));
            }
        }
        let whole = self.parameter("digest").map(parse_digest).transpose()?;
        let algorithm = match (&whole, self.parameter("digest-algorithm")) {
            (Some(digest), _) => digest.algorithm(),
            (None, None | Some("sha256")) => Algorithm::Sha256,
            (None, Some("sha512")) => Algorithm::Sha512,
            (None, Some(_)) => {
                let sentence = "unsupported digest algorithm";
                return Err(Error::with(Code::DigestInvalid, sentence));
            }
        };
        let upload = self.registry.begin_upload(name, algorithm).await?;
        match whole {
            None => Ok(going_on(StatusCode::ACCEPTED, name, &upload, 0)),
            Some(digest) => self.finish(name, &upload, &digest).await,
        }
    }

    /// An upload under way.
    pub(super) async fn upload(mut self, name: &RepositoryName, upload: &str) -> Reply {
        match self.method {
            Method::GET | Method::HEAD => {
                let offset = self.registry.upload_offset(name, upload).await?;
                Ok(going_on(StatusCode::NO_CONTENT, name, upload, offset))
            }
            Method::PATCH => {
                let at = self.place()?;
                let stream = self.stream();
                let appended = self.registry.append(name, upload, at, stream).await;
                let offset = match appended {
                    Err(
                        refused @ Error::Refused {
                            status: StatusCode::RANGE_NOT_SATISFIABLE,
                            ..
                        },
                    ) => {
                        // Where it goes on stands in the same headers as after success.
                        let offset = self.registry.upload_offset(name, upload).await?;
                        let mut response = reply::error(&refused);
                        let on = going_on(StatusCode::ACCEPTED, name, upload, offset);
                        for key in [header::LOCATION, header::RANGE, UPLOAD] {
                            if let Some(value) = on.headers().get(&key) {
                                response.headers_mut().insert(key, value.clone());
                            }
                        }
                        return Ok(response);
                    }
                    other => other?,
                };
                Ok(going_on(StatusCode::ACCEPTED, name, upload, offset))
            }
            Method::PUT => {
                let digest = self.parameter("digest").unwrap_or_default();
                let digest = parse_digest(digest)?;
                self.finish(name, upload, &digest).await
            }
            Method::DELETE => {
                self.registry.cancel_upload(name, upload).await?;
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
            _ => not_here("GET, HEAD, PATCH, PUT, DELETE"),
        }
    }

    async fn finish(&mut self, name: &RepositoryName, upload: &str, digest: &Digest) -> Reply {
        let at = self.place()?;
        let stream = self.stream();
        let registry = &self.registry;
        let size = registry
            .finish_upload(name, upload, digest, at, stream)
            .await?;
        let target = Target::new(name, "application/octet-stream", digest, size);
        registry.0.events.happened("push", target, self.cause());
        Ok(made(name, digest))
    }

    /// Where the body belongs, if the client says so; held against its length.
    fn place(&self) -> Result<Option<u64>> {
        let Some(text) = self.header(header::CONTENT_RANGE) else {
            return Ok(None);
        };
        let wrong = || {
            Error::at(
                Code::BlobUploadInvalid,
                StatusCode::BAD_REQUEST,
                "Content-Range is not <first>-<last>",
            )
        };
        // OCI: `0-99`; older clients: `bytes 0-99/100` or `bytes 0-99/*`.
        let range = text.strip_prefix("bytes ").unwrap_or(text);
        let range = range.split('/').next().unwrap_or_default();
        let (first, last) = range.split_once('-').ok_or_else(wrong)?;
        let first: u64 = first.trim().parse().map_err(|_| wrong())?;
        let last: u64 = last.trim().parse().map_err(|_| wrong())?;
        if self.has_no_body() {
            // `0-0` with nothing to send is how some clients close an upload.
            return Ok(None);
        }
        let length = self
            .header(header::CONTENT_LENGTH)
            .and_then(|text| text.parse().ok());
        let said = last
            .checked_sub(first)
            .and_then(|n| n.checked_add(1))
            .ok_or_else(wrong)?;
        if length.is_some_and(|length: u64| length != said) {
            return Err(Error::code(Code::SizeInvalid));
        }
        Ok(Some(first))
    }
}

fn made(name: &RepositoryName, digest: &Digest) -> Response<Body> {
    let mut response = reply::empty(StatusCode::CREATED);
    set(
        &mut response,
        header::LOCATION,
        &format!("/v2/{name}/blobs/{digest}"),
    );
    set(&mut response, DIGEST, &digest.to_string());
    response
}

fn going_on(
    status: StatusCode,
    name: &RepositoryName,
    upload: &str,
    offset: u64,
) -> Response<Body> {
    let mut response = reply::empty(status);
    set(
        &mut response,
        header::LOCATION,
        &format!("/v2/{name}/blobs/uploads/{upload}"),
    );
    // The last byte that is there; Docker's form for none is the same as for one.
    set(
        &mut response,
        header::RANGE,
        &format!("0-{}", offset.saturating_sub(1)),
    );
    set(&mut response, UPLOAD, upload);
    response
}
