//! Requests to one engine.

use crate::{
    ClientError, Endpoint, Hijacked, Response, TlsFiles,
    transport::{self, Connection},
};
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

/// The newest API version that this client speaks.
pub const MAXIMUM_API_VERSION: &str = "1.51";

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Sender = http1::SendRequest<Body>;

/// What to know before the first request.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// TLS for a tcp address.
    pub tls: Option<TlsFiles>,
    /// A fixed API version (`DOCKER_API_VERSION`); negotiated when absent.
    pub api_version: Option<String>,
    /// `User-Agent` of every request.
    pub user_agent: String,
    /// `HttpHeaders` of the configuration file.
    pub headers: Vec<(String, String)>,
}

/// What `GET /_ping` tells.
#[derive(Debug, Clone, Default)]
pub struct Ping {
    /// Newest API version of the engine.
    pub api_version: String,
    /// `linux`.
    pub os_type: String,
    /// Whether experimental features are on.
    pub experimental: bool,
    /// `1` or `2`.
    pub builder_version: String,
    /// `inactive`, `active/manager`, …
    pub swarm: String,
}

/// One kept connection. Under the lock: only the hand-over.
#[derive(Default)]
pub(crate) struct Idle(Mutex<Option<Sender>>);

impl Idle {
    fn take(&self) -> Option<Sender> {
        self.0
            .lock()
            .ok()?
            .take()
            .filter(|sender| !sender.is_closed())
    }

    pub(crate) fn put(&self, sender: Sender) {
        if let Ok(mut slot) = self.0.lock() {
            *slot = Some(sender);
        }
    }
}

/// A client of one engine. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: Endpoint,
    options: Options,
    idle: Arc<Idle>,
    version: OnceLock<String>,
}

/// A path segment's reserved characters; `/`, `:` and `@` of references stay.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(endpoint: Endpoint, options: Options) -> Self {
        let version = OnceLock::new();
        if let Some(fixed) = &options.api_version {
            // The lock is new: it cannot hold a value.
            let _ = version.set(fixed.trim_start_matches('v').to_owned());
        }
        let idle = Arc::default();
        Self {
            inner: Arc::new(Inner {
                endpoint,
                options,
                idle,
                version,
            }),
        }
    }

    /// The engine's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// The version in use; `None` before the first request.
    pub fn api_version(&self) -> Option<&str> {
        self.inner.version.get().map(String::as_str)
    }

    /// A path segment with its reserved characters encoded.
    pub fn segment(text: &str) -> String {
        utf8_percent_encode(text, SEGMENT).to_string()
    }

    /// A request below the API version: `/containers/json`.
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request<'_> {
        Request {
            client: self,
            method,
            path: path.into(),
            query: String::new(),
            headers: Vec::new(),
            body: None,
            error: None,
        }
    }

    /// `GET path`.
    pub fn get(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// `POST path`.
    pub fn post(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: impl Into<String>) -> Request<'_> {
        self.request(Method::DELETE, path)
    }

    /// Asks the engine who it is, without a version.
    pub async fn ping(&self) -> Result<Ping, ClientError> {
        let request = self.request(Method::HEAD, "/_ping");
        let response = request.exchange("").await?.0;
        let text = |name: &str| {
            response
                .headers()
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or("")
                .to_owned()
        };
        Ok(Ping {
            api_version: text("api-version"),
            os_type: text("ostype"),
            experimental: text("docker-experimental") == "true",
            builder_version: text("builder-version"),
            swarm: text("swarm"),
        })
    }

    /// Agrees on a version; later calls cost nothing.
    pub async fn negotiate(&self) -> Result<&str, ClientError> {
        if let Some(version) = self.inner.version.get() {
            return Ok(version);
        }
        let ping = self.ping().await?;
        let version = if ping.api_version.is_empty() {
            // An engine from before negotiation.
            "1.24".to_owned()
        } else if is_older(&ping.api_version, MAXIMUM_API_VERSION) {
            ping.api_version
        } else {
            MAXIMUM_API_VERSION.to_owned()
        };
        Ok(self.inner.version.get_or_init(|| version))
    }

    /// Opens a raw connection to the engine (for `system dial-stdio`).
    pub async fn dial(
        &self,
    ) -> Result<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + use<>, ClientError>
    {
        transport::connect(&self.inner.endpoint, self.inner.options.tls.as_ref()).await
    }

    async fn sender(&self) -> Result<Sender, ClientError> {
        if let Some(mut sender) = self.inner.idle.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream: Connection =
            transport::connect(&self.inner.endpoint, self.inner.options.tls.as_ref()).await?;
        let (sender, connection) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|source| self.broken("", "", source))?;
        // The connection's own failures reach the request that waits on it.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }

    fn broken(&self, method: &str, path: &str, source: hyper::Error) -> ClientError {
        ClientError::Http {
            method: method.to_owned(),
            path: path.to_owned(),
            source,
        }
    }
}

/// Whether API version `a` is older than `b`.
pub fn is_older(a: &str, b: &str) -> bool {
    let parts = |version: &str| -> Vec<u32> {
        version
            .split('.')
            .map(|part| part.parse().unwrap_or(0))
            .collect()
    };
    parts(a) < parts(b)
}

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
    pub async fn hijack(mut self) -> Result<Hijacked, ClientError> {
        let version = format!("/v{}", self.client.negotiate().await?);
        self.headers
            .push((header::CONNECTION, HeaderValue::from_static("Upgrade")));
        self.headers
            .push((header::UPGRADE, HeaderValue::from_static("tcp")));
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

    async fn exchange(
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_older("1.9", "1.24"));
        assert!(!is_older("1.51", "1.51"));
        assert!(!is_older("2.0", "1.51"));
    }

    #[test]
    fn a_reference_in_a_path_keeps_its_slashes() {
        assert_eq!(
            Client::segment("reg:5000/a/b:1@sha256:00"),
            "reg:5000/a/b:1@sha256:00"
        );
        assert_eq!(Client::segment("a b?c"), "a%20b%3Fc");
    }
}
