//! Why a registry could not be asked, or what it answered.

use corten_base::{Kind, KindOf, errno_text};
use corten_oci::{Digest, ManifestError};
use http::{Method, StatusCode};
use std::{io, net::SocketAddr, time::Duration};
use thiserror::Error;

/// This crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a registry could not be asked, or what it answered. The sentences are those that
/// Docker's users know.
#[derive(Debug, Error)]
pub enum Error {
    /// The request did not get through, or its answer broke off.
    #[error("{} {url:?}: {source}", go_method(method))]
    Transport {
        /// The request's method.
        method: Method,
        /// Its URL.
        url: String,
        /// What happened.
        source: Box<TransportError>,
    },
    /// The registry refused.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry wants a user and a password, and none were given.
    #[error("{} {url:?}: no basic auth credentials", go_method(method))]
    NoCredentials {
        /// The request's method.
        method: Method,
        /// Its URL.
        url: String,
    },
    /// The registry refused the credentials that were to be checked.
    #[error("login attempt to {url} failed with status: {}", go_status(*status))]
    Login {
        /// The registry's URL.
        url: String,
        /// Its answer.
        status: StatusCode,
    },
    /// The token server gave no token.
    #[error("{} {url:?}: {source}", go_method(method))]
    Token {
        /// The method of the request that needed the token.
        method: Method,
        /// Its URL.
        url: String,
        /// What the token server said.
        source: Box<Error>,
    },
    /// The registry wants the user's credentials sent to a server that has nothing to do
    /// with it.
    #[error(
        "the registry {registry} wants the credentials for it sent to {server}; if that is its token server, list it in \"token-servers\" of this registry"
    )]
    TokenServer {
        /// The registry's host and port.
        registry: String,
        /// The token server's.
        server: String,
    },
    /// A manifest that cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Bytes with another digest than asked for.
    #[error("{what} verification failed for digest {expected}")]
    Digest {
        /// `manifest` or `filesystem layer`.
        what: &'static str,
        /// The digest asked for.
        expected: Digest,
    },
    /// More or fewer bytes than announced.
    #[error("{what} has {actual} bytes instead of {expected}")]
    Size {
        /// The blob.
        what: String,
        /// As announced.
        expected: u64,
        /// As seen so far.
        actual: u64,
    },
    /// A registry that cannot be searched.
    #[error("Unexpected status code {0}")]
    Search(u16),
    /// An answer that breaks the protocol.
    #[error("invalid answer of the registry: {0}")]
    Protocol(String),
    /// The machine's configuration.
    #[error("{what} {value:?}: {reason}")]
    Config {
        /// What is configured.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes to push could not be read.
    #[error("reading what is to be pushed")]
    Source(#[source] io::Error),
}

/// What happened on the way to a registry, in Go's words.
#[derive(Debug, Error)]
pub enum TransportError {
    /// The name has no address.
    #[error("dial tcp: lookup {0}: no such host")]
    Lookup(String),
    /// No connection.
    #[error("dial tcp {address}: {}", go_errno("connect", error))]
    Dial {
        /// The last address tried.
        address: SocketAddr,
        /// The kernel's answer, which the sentence has already.
        error: io::Error,
    },
    /// A connection was not made in time.
    #[error("dial tcp {0}: i/o timeout")]
    DialTimeout(SocketAddr),
    /// A URL that the registry gave leads to an address only this machine or network has.
    #[error("refusing to follow the registry to {0}, an address of this network")]
    ForbiddenAddress(SocketAddr),
    /// The proxy refused to connect.
    #[error("proxyconnect tcp: {0}")]
    Proxy(String),
    /// The proxy could not be reached.
    #[error("proxyconnect tcp: {0}")]
    ProxyUnreachable(Box<TransportError>),
    /// The TLS handshake failed.
    #[error("tls: {0}")]
    Tls(String),
    /// The connection broke before TLS was agreed upon: often the server speaks plain HTTP.
    #[error("{0}")]
    Handshake(String),
    /// The certificate cannot be trusted.
    #[error("tls: failed to verify certificate: x509: {0}")]
    Certificate(String),
    /// The server speaks plain HTTP.
    #[error("http: server gave HTTP response to HTTPS client")]
    NotTls,
    /// The connection broke.
    #[error("{0}")]
    Io(String),
    /// The server's bytes are not HTTP.
    #[error("{}", go_http(.0))]
    Http(hyper::Error),
    /// No response in time.
    #[error("net/http: timeout awaiting response headers")]
    ResponseTimeout,
    /// The body stopped coming.
    #[error("no data received for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// Too many redirects.
    #[error("stopped after {} redirects", crate::limits::REDIRECTS_MAX)]
    Redirects,
    /// A `Location` that cannot be followed.
    #[error("failed to parse Location header {0:?}")]
    Location(String),
    /// A redirect from TLS to plain HTTP.
    #[error("refusing to follow a redirect from https to {0:?}")]
    Downgrade(String),
    /// The document is longer than allowed.
    #[error("response body is larger than {0} bytes")]
    TooLarge(usize),
}

/// A registry's refusal: its status and the errors of its document.
#[derive(Debug, Error, Clone)]
#[error("{}", self.sentence())]
pub struct RegistryError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The first matters.
    pub errors: Vec<RegistryErrorEntry>,
    /// The document, when it is not the one the specification asks for.
    pub(crate) unexpected: Option<String>,
}

/// One error of a registry's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryErrorEntry {
    /// `MANIFEST_UNKNOWN`, `DENIED`, …
    pub code: String,
    /// The registry's words.
    pub message: String,
    /// No more than the code says: no detail and the code's usual words. Docker then tells
    /// the code only.
    pub is_bare: bool,
}

impl RegistryErrorEntry {
    fn sentence(&self) -> String {
        let words = self.code.to_lowercase().replace('_', " ");
        if self.is_bare {
            words
        } else {
            format!("{words}: {}", self.message)
        }
    }
}

impl RegistryError {
    /// The first error's code: `MANIFEST_UNKNOWN`, `DENIED`, …
    pub fn code(&self) -> &str {
        self.errors.first().map_or("", |entry| &entry.code)
    }

    /// Whether the first error says no more than its code.
    pub fn is_bare(&self) -> bool {
        self.errors.first().is_some_and(|entry| entry.is_bare)
    }

    /// The same refusal with its first error only, as pull and push tell it.
    pub fn first_only(&self) -> Self {
        let errors = self.errors.iter().take(1).cloned().collect();
        Self {
            errors,
            ..self.clone()
        }
    }

    /// `code: message` as Docker writes it.
    fn sentence(&self) -> String {
        match (&self.errors[..], &self.unexpected) {
            ([], _) if !self.status.is_client_error() => {
                format!(
                    "received unexpected HTTP status: {}",
                    go_status(self.status)
                )
            }
            ([], document) => format!(
                "error parsing HTTP {} response body: {:?}",
                self.status.as_u16(),
                document.as_deref().unwrap_or_default()
            ),
            ([single], _) => single.sentence(),
            (several, _) => {
                let lines: Vec<String> = several.iter().map(RegistryErrorEntry::sentence).collect();
                format!("errors:\n{}\n", lines.join("\n"))
            }
        }
    }
}

impl Error {
    pub(crate) fn transport(method: &Method, url: impl ToString, source: TransportError) -> Self {
        let (method, url) = (method.clone(), url.to_string());
        Self::Transport {
            method,
            url,
            source: Box::new(source),
        }
    }

    /// Whether the same request may succeed if it is sent again.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { source, .. } => !matches!(
                **source,
                TransportError::ForbiddenAddress(_)
                    | TransportError::Certificate(_)
                    | TransportError::Tls(_)
                    | TransportError::NotTls
                    | TransportError::Redirects
                    | TransportError::Location(_)
                    | TransportError::Downgrade(_)
                    | TransportError::TooLarge(_)
                    | TransportError::Lookup(_)
            ),
            Self::Registry(error) => {
                error.status.is_server_error() || error.status == StatusCode::REQUEST_TIMEOUT
            }
            Self::Token { source, .. } => source.is_transient(),
            _ => false,
        }
    }

    /// Whether no connection could be made at all.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Transport { source, .. } if matches!(
            **source,
            TransportError::Dial { .. }
                | TransportError::DialTimeout(_)
                | TransportError::Lookup(_)
                | TransportError::ProxyUnreachable(_)
        ))
    }

    /// Whether the server did not get as far as hearing a request.
    pub(crate) fn is_connection(&self) -> bool {
        self.is_unreachable()
            || matches!(self, Self::Transport { source, .. } if matches!(
                **source,
                TransportError::Tls(_)
                    | TransportError::Handshake(_)
                    | TransportError::Certificate(_)
                    | TransportError::NotTls
                    | TransportError::Proxy(_)
                    | TransportError::ResponseTimeout
            ))
    }

    /// The error as pull and push tell it: of several refusals the first.
    pub fn first_only(self) -> Self {
        match self {
            Self::Registry(error) => Self::Registry(error.first_only()),
            other => other,
        }
    }

    /// The registry's own refusal, if it is one.
    pub fn registry(&self) -> Option<&RegistryError> {
        match self {
            Self::Registry(error) => Some(error),
            Self::Token { source, .. } => source.registry(),
            _ => None,
        }
    }
}

impl KindOf for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Registry(error) => match (error.code(), error.status.as_u16()) {
                ("UNAUTHORIZED", _) => Kind::Unauthorized,
                ("DENIED", _) => Kind::Forbidden,
                ("MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UNKNOWN", _) => Kind::NotFound,
                ("TOOMANYREQUESTS", _) => Kind::TooManyRequests,
                ("UNAVAILABLE", _) => Kind::Unavailable,
                _ => Kind::Internal,
            },
            Self::Token { source, .. } => source.kind(),
            Self::Config { .. } => Kind::InvalidParameter,
            Self::TokenServer { .. } => Kind::Forbidden,
            _ => Kind::Internal,
        }
    }
}

/// `Get`, `Head`: Go's spelling in URL errors.
fn go_method(method: &Method) -> String {
    let text = method.as_str();
    format!("{}{}", &text[..1], text[1..].to_lowercase())
}

fn go_status(status: StatusCode) -> String {
    format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
}

/// `connect: connection refused`: the system call and the error's text as Go prints them.
pub(crate) fn go_errno(call: &str, error: &io::Error) -> String {
    format!("{call}: {}", errno_text(error))
}

fn go_http(error: &hyper::Error) -> String {
    if error.is_incomplete_message() {
        return "EOF".into();
    }
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    match cause {
        Some(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => "unexpected EOF".into(),
        Some(cause) => go_errno("read tcp", cause),
        None if error.is_body_write_aborted() => "unexpected EOF".into(),
        None => format!("net/http: HTTP/1.x transport connection broken: {error}"),
    }
}
