//! Blobs written: mounted from another repository, or sent.

use crate::{
    answer,
    connect::Reach,
    error::{Error, Result, TransportError},
    http::{Payload, Request, Response},
    repository::{Ask, Repository, Server},
    upload_body::UploadBody,
    url::{Scheme, Url},
};
use corten_oci::Digest;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::io;

/// What became of a wish to push a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The registry took it from the other repository.
    Mounted,
    /// It wants the bytes at this URL.
    Upload(UploadUrl),
}

/// Where an upload goes on, as the registry said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadUrl {
    url: Url,
    /// The registry's reach, when this is another server's URL.
    from: Option<Reach>,
}

impl UploadUrl {
    fn with_digest(&self, digest: &Digest) -> Self {
        Self {
            url: self.url.with_parameter("digest", &digest.to_string()),
            from: self.from,
        }
    }
}

impl Repository {
    /// Asks the registry to take a blob. `mount_from` names another repository of the same
    /// registry that has it.
    pub async fn begin_upload(&self, digest: &Digest, mount_from: Option<&str>) -> Result<Begun> {
        self.on_servers(|server| async move {
            let mut url = self.url(server, "blobs/uploads/");
            let mut scope = self.scope.clone();
            if let Some(from) = mount_from {
                url = url.with_parameter("mount", &digest.to_string());
                url = url.with_parameter("from", from);
                scope = format!("{scope} repository:{from}:pull");
            }
            let response = self
                .ask(server, Ask::new(Method::POST, url, &scope))
                .await?;
            if response.status == StatusCode::CREATED {
                return Ok(Begun::Mounted);
            }
            location(&response).map(Begun::Upload)
        })
        .await
    }

    /// Sends a blob in one piece. `body` is asked for again if it must be sent another way.
    pub async fn upload(
        &self,
        at: UploadUrl,
        digest: &Digest,
        mut body: impl FnMut() -> io::Result<UploadBody>,
    ) -> Result<()> {
        let server = self.current_server()?;
        let whole = at.with_digest(digest);
        let response = self.send_body(server, Method::PUT, whole, body().map_err(Error::Source)?);
        let response = response.await?;
        // Registries that take bytes by PATCH only.
        let refused_form = matches!(response.status.as_u16(), 404 | 405 | 411 | 415 | 416 | 501);
        if response.status.is_success() {
            return Ok(());
        }
        if !refused_form {
            return Err(answer::refusal(response).await.into());
        }
        let Begun::Upload(at) = self.begin_upload(digest, None).await? else {
            return Ok(());
        };
        let body = body().map_err(Error::Source)?;
        let response = self.send_body(server, Method::PATCH, at, body).await?;
        if !response.status.is_success() {
            return Err(answer::refusal(response).await.into());
        }
        let end = location(&response)?.with_digest(digest);
        let mut ask = Ask::new(Method::PUT, end.url, &self.scope);
        ask.from = end.from;
        self.ask(server, ask).await.map(drop)
    }

    async fn send_body(
        &self,
        server: &Server,
        method: Method,
        at: UploadUrl,
        body: UploadBody,
    ) -> Result<Response> {
        let UploadUrl { url, from } = at;
        let mut headers = HeaderMap::new();
        let octets = HeaderValue::from_static("application/octet-stream");
        headers.insert(header::CONTENT_TYPE, octets);
        headers.insert(header::CONTENT_LENGTH, body.size().into());
        if let Some(value) = self.authorization(server, &self.scope, &url) {
            headers.insert(header::AUTHORIZATION, value);
        }
        let tls = self.shared.tls_for(&url.origin).await?;
        let (method_of, url_of) = (method.clone(), url.clone());
        let request = Request {
            method,
            url,
            headers,
            payload: Payload::Upload(body),
            from,
        };
        let sent = self.http.send(request, &tls).await;
        sent.map_err(|e| Error::transport(&method_of, url_of, e))
    }
}

/// Where the registry wants the next bytes: nowhere nearer than itself, and not in plain
/// HTTP when it was asked by HTTPS.
fn location(response: &Response) -> Result<UploadUrl> {
    let location = response.header(header::LOCATION).unwrap_or_default();
    let url = response.url.join(location).filter(|_| !location.is_empty());
    let url = url.ok_or_else(|| Error::Protocol(format!("upload location {location:?}")))?;
    if response.url.origin.scheme == Scheme::Https && url.origin.scheme == Scheme::Http {
        let downgrade = TransportError::Downgrade(url.to_string());
        return Err(Error::transport(&Method::POST, &response.url, downgrade));
    }
    let from = (url.origin != response.url.origin).then_some(response.reach);
    Ok(UploadUrl { url, from })
}
