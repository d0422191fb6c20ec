//! Requests to one engine.

use crate::{
    ClientError, Endpoint, TlsFiles,
    request::Request,
    transport::{self, Connection},
};
use bytes::Bytes;
use http::Method;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
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
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) endpoint: Endpoint,
    pub(crate) options: Options,
    pub(crate) idle: Arc<Idle>,
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
        Request::new(self, method, path.into())
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

    pub(crate) async fn sender(&self) -> Result<Sender, ClientError> {
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

    pub(crate) fn broken(&self, method: &str, path: &str, source: hyper::Error) -> ClientError {
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
