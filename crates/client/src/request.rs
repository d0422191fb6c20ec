//! One request: its parts, its sending, and the errors that answers tell.

use crate::{
    Client, ClientError, Hijacked, Response,
    client::{Body, Sender},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::{io, sync::Arc};

/// A request that is being put together.
pub struct Request<'c> {
    client: &'c Client,
    method: Method,
    path: String,
    query: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Option<Body>,
    error: Option<ClientError>,
}

impl<'c> Request<'c> {
    pub(crate) fn new(client: &'c Client, method: Method, path: String) -> Self {
        Request {
            client,
            method,
            path,
            query: String::new(),
            headers: Vec::new(),
            body: None,
            error: None,
        }
    }
}

impl Request<'_> {
    /// Adds a query parameter.
    pub fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query
            .extend(form_urlencoded::byte_serialize(name.as_bytes()));
        self.query.push('=');
        self.query
            .extend(form_urlencoded::byte_serialize(value.as_ref().as_bytes()));
        self
    }

    /// Adds a query parameter unless the value is empty.
    pub fn query_if(self, name: &str, value: impl AsRef<str>) -> Self {
        if value.as_ref().is_empty() {
            self
        } else {
            self.query(name, value)
        }
    }

    /// Adds `name=1` if `on`.
    pub fn flag(self, name: &str, on: bool) -> Self {
        if on { self.query(name, "1") } else { self }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.headers.push((HeaderName::from_static(name), value)),
            Err(error) => self.error = Some(ClientError::Request(error.into())),
        }
        self
    }

    /// A JSON body.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.raw_json(bytes),
            Err(source) => {
                self.error = Some(ClientError::Json {
                    path: self.path.clone(),
                    source,
                });
                self
            }
        }
    }

    /// A body that is JSON already.
    pub fn raw_json(mut self, bytes: impl Into<Bytes>) -> Self {
        self.headers.push((
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ));
        self.body = Some(
            Full::new(bytes.into())
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        self
    }

    /// A body held in memory.
    pub fn bytes(mut self, bytes: impl Into<Bytes>, content_type: &'static str) -> Self {
        self.headers
            .push((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = Some(
            Full::new(bytes.into())
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
        self
    }

    /// A body that is sent piece by piece.
    pub fn stream(
        mut self,
        pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        content_type: &'static str,
    ) -> Self {
        use futures_util::TryStreamExt;
        self.headers
            .push((header::CONTENT_TYPE, HeaderValue::from_static(content_type)));
        self.body = Some(StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync());
        self
    }

    /// Sends the request and checks the status of the answer.
    pub async fn send(self) -> Result<Response, ClientError> {
        let version = format!("/v{}", self.client.negotiate().await?);
        let idle = Arc::clone(&self.client.inner.idle);
        let (path, method) = (self.path.clone(), self.method.to_string());
        let (inner, sender) = self.exchange(&version).await?;
        let response = Response {
            inner,
            path,
            method,
            idle: Some((idle, sender)),
        };
        let status = response.status();
        // 304: already in the wanted state.
        if status < 400 {
            Ok(response)
        } else {
            Err(failure(status, response).await)
        }
    }

    /// Sends the request and takes the connection over as a raw stream.
    pub async fn hijack(self) -> Result<Hijacked, ClientError> {
        self.hijack_as("tcp").await
    }

    /// The same for what the connection is to speak from then on.
    pub async fn hijack_as(mut self, protocol: &'static str) -> Result<Hijacked, ClientError> {
        let version = format!("/v{}", self.client.negotiate().await?);
        self.headers
            .push((header::CONNECTION, HeaderValue::from_static("Upgrade")));
        self.headers
            .push((header::UPGRADE, HeaderValue::from_static(protocol)));
        let (path, method) = (self.path.clone(), self.method.to_string());
        let (mut inner, sender) = self.exchange(&version).await?;
        let status = inner.status().as_u16();
        // Docker's client tells only the status here, not the engine's message.
        if status != 101 {
            return Err(ClientError::NotUpgraded(status));
        }
        let multiplexed = inner
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| match value {
                "application/vnd.docker.multiplexed-stream" => Some(true),
                "application/vnd.docker.raw-stream" => None,
                _ => None,
            });
        let upgraded =
            hyper::upgrade::on(&mut inner)
                .await
                .map_err(|source| ClientError::Http {
                    method,
                    path,
                    source,
                })?;
        drop(sender);
        Ok(Hijacked {
            io: TokioIo::new(upgraded),
            multiplexed,
        })
    }

    pub(crate) async fn exchange(
        mut self,
        version: &str,
    ) -> Result<(http::Response<hyper::body::Incoming>, Sender), ClientError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let inner = &self.client.inner;
        let query = &self.query;
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!(
            "{}{version}{}{mark}{query}",
            inner.endpoint.base(),
            self.path
        );
        let empty = self.body.is_none();
        let body = self.body.take().unwrap_or_else(|| {
            Full::default()
                .map_err(|never| match never {})
                .boxed_unsync()
        });
        let mut builder = http::Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(header::HOST, inner.endpoint.authority())
            .header(header::USER_AGENT, &inner.options.user_agent);
        for (name, value) in &inner.options.headers {
            builder = builder.header(name, value);
        }
        for (name, value) in self.headers {
            builder = builder.header(name, value);
        }
        if empty && self.method == Method::POST {
            builder = builder.header(header::CONTENT_LENGTH, 0);
        }
        let request = builder.body(body)?;
        let mut sender = self.client.sender().await?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|source| self.client.broken(self.method.as_str(), &self.path, source))?;
        Ok((response, sender))
    }
}

#[derive(serde::Deserialize)]
struct Failure {
    message: String,
}

async fn failure(status: u16, response: Response) -> ClientError {
    let path = response.path.clone();
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(error) => return error,
    };
    let message = match serde_json::from_slice::<Failure>(&body) {
        Ok(failure) => failure.message.trim().to_owned(),
        Err(_) if body.is_empty() => {
            format!(
                "request returned {status} for API route and version {path}, check if the server supports the requested API version"
            )
        }
        Err(_) => String::from_utf8_lossy(&body).trim_end().to_owned(),
    };
    ClientError::Api { status, message }
}
