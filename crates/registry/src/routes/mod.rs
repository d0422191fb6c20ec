//! From a request to its answer: path, rights, then one file for each kind of thing.

mod blob;
mod lists;
mod manifest;
mod upload;

use crate::{
    auth::{Caller, Needs},
    config::Right,
    error::{Code, Error, Result},
    events::Cause,
    in_flight::InFlight,
    metrics::add,
    name::RepositoryName,
    outlet::Queue,
    page,
    patient::Patient,
    registry::Registry,
    reply::{self, Body, Reply, set},
    storage::ByteStream,
};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use percent_encoding::percent_decode_str;
use std::{io, net::SocketAddr, sync::Arc, time::Instant};

/// A request, taken apart.
pub(crate) struct Call {
    pub registry: Registry,
    pub method: Method,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    body: Option<Incoming>,
    /// Takes files that are the answer, where the kernel can send them.
    files: Option<Queue>,
    pub caller: Caller,
    from: SocketAddr,
}

/// What stands behind `/v2/<name>/`.
enum Place {
    Tags,
    Manifest(String),
    Blob(String),
    Uploads,
    Upload(String),
    Referrers(String),
}

impl Registry {
    /// Answers a request.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        from: SocketAddr,
    ) -> Response<Body> {
        let began = Instant::now();
        let metrics = &self.0.metrics;
        let one = InFlight::new(&metrics.in_flight);
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let path = parts.uri.path().to_owned();
        let mut response = self.dispatch(parts, body, from).await;
        metrics.answered(&method, response.status(), began.elapsed());
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, client = %from, "request");
        if path.starts_with("/v2") {
            // Docker refuses a registry that does not say so.
            set(&mut response, API_VERSION, "registry/2.0");
        }
        set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        one.with(response)
    }

    async fn dispatch(
        &self,
        parts: http::request::Parts,
        body: Incoming,
        from: SocketAddr,
    ) -> Response<Body> {
        let Ok(path) = percent_decode_str(parts.uri.path()).decode_utf8() else {
            return self.refuse(&Error::code(Code::NameInvalid));
        };
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let call = Call {
            registry: self.clone(),
            method: parts.method,
            query: form_urlencoded::parse(query).into_owned().collect(),
            files: parts.extensions.get().cloned(),
            headers: parts.headers,
            body: Some(body),
            caller: Caller::unknown(),
            from,
        };
        let answered = match path.as_ref() {
            "/v2" | "/v2/" => call.base().await,
            "/v2/_catalog" => call.catalog().await,
            "/health" => Ok(reply::empty(StatusCode::OK)),
            other => match other.strip_prefix("/v2/") {
                Some(rest) => call.repository(rest).await,
                None => page::show(call, other).await,
            },
        };
        match answered {
            Ok(response) => response,
            Err(Refused::Challenge(header, error)) => {
                let mut response = self.refuse(&error);
                if let Some(header) = header {
                    set(&mut response, header::WWW_AUTHENTICATE, &header);
                }
                response
            }
            Err(Refused::Error(error)) => self.refuse(&error),
        }
    }

    fn refuse(&self, error: &Error) -> Response<Body> {
        if matches!(
            error,
            Error::Storage { .. } | Error::Damaged { .. } | Error::Upstream(_)
        ) {
            tracing::error!(error = corten_base::chain(error), "a request failed");
        }
        if matches!(error, Error::Damaged { .. }) {
            add(&self.0.metrics.damaged_records, 1);
        }
        reply::error(error)
    }
}

const API_VERSION: header::HeaderName =
    header::HeaderName::from_static("docker-distribution-api-version");

/// A refusal, perhaps with the header that tells how to be let in.
pub(crate) enum Refused {
    Error(Error),
    Challenge(Option<String>, Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub(crate) type Answer = Result<Response<Body>, Refused>;

impl Call {
    /// Lets the caller in, or not.
    pub async fn admit(&mut self, needs: Needs<'_>) -> Result<(), Refused> {
        let gate = &self.registry.0.gate;
        match gate.admit(&self.headers, needs).await {
            Ok(caller) => {
                self.caller = caller;
                Ok(())
            }
            Err(refused) => Err(Refused::Challenge(refused.header, refused.error)),
        }
    }

    async fn base(mut self) -> Answer {
        self.admit(Needs::Somebody).await?;
        match self.method {
            Method::GET | Method::HEAD => Ok(reply::json(&serde_json::json!({}))),
            _ => Err(Error::code(Code::Unsupported).into()),
        }
    }

    async fn repository(mut self, rest: &str) -> Answer {
        let Some((name, place)) = split(rest) else {
            return Err(Error::at(Code::NameUnknown, StatusCode::NOT_FOUND, "no such page").into());
        };
        let mut name = RepositoryName::parse(name)?;
        if let Some(domain) = self.parameter("ns") {
            name = self
                .registry
                .0
                .upstreams
                .local_name(domain, &name)
                .unwrap_or(name);
        }
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        let needs: &[Right] = match (&place, &self.method) {
            (Place::Uploads | Place::Upload(_), _) => &[Right::Pull, Right::Push],
            (_, &Method::DELETE) => &[Right::Delete],
            _ if reads => &[Right::Pull],
            _ => &[Right::Pull, Right::Push],
        };
        let needs: Vec<_> = needs.iter().map(|right| (&name, *right)).collect();
        self.admit(Needs::Rights(&needs)).await?;
        let is_delete = self.method == Method::DELETE && !matches!(place, Place::Upload(_));
        if is_delete && !self.registry.0.config.delete {
            return Err(Error::with(Code::Unsupported, "deleting is turned off").into());
        }
        if !reads && !is_delete && self.registry.0.upstreams.serves(&name) {
            let sentence = "the repository is a cache of another registry";
            return Err(Error::with(Code::Unsupported, sentence).into());
        }
        Ok(match place {
            Place::Tags => self.tags(&name).await?,
            Place::Referrers(digest) => self.referrers(&name, &digest).await?,
            Place::Manifest(target) => self.manifest(&name, &target).await?,
            Place::Blob(digest) => self.blob(&name, &digest).await?,
            Place::Uploads => self.begin(&name).await?,
            Place::Upload(upload) => self.upload(&name, &upload).await?,
        })
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A header's text.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a stream; it fails when the client leaves or falls silent.
    pub fn stream(&mut self) -> ByteStream {
        let Some(body) = self.body.take() else {
            return stream::empty().boxed();
        };
        let registry = self.registry.clone();
        stream::unfold(body, move |mut body| {
            let registry = registry.clone();
            async move {
                loop {
                    let stall = registry.0.config.stall();
                    let frame = match tokio::time::timeout(stall, body.frame()).await {
                        Err(_) => return Some((Err(io::ErrorKind::TimedOut.into()), body)),
                        Ok(None) => return None,
                        Ok(Some(Err(error))) => return Some((Err(io::Error::other(error)), body)),
                        Ok(Some(Ok(frame))) => frame,
                    };
                    if let Ok(bytes) = frame.into_data() {
                        add(&registry.0.metrics.received_bytes, bytes.len() as u64);
                        return Some((Ok(bytes), body));
                    }
                }
            }
        })
        .boxed()
    }

    /// Whether the body is known to be empty.
    pub fn has_no_body(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.is_end_stream())
    }

    /// Who made this happen, for events.
    pub fn cause(&self) -> Cause {
        Cause {
            address: self.from.to_string(),
            method: self.method.to_string(),
            user: self.caller.name.clone(),
        }
    }

    /// How many entries of a list are asked for, at most a page.
    pub fn limit(&self) -> Result<Option<usize>> {
        let Some(text) = self.parameter("n") else {
            return Ok(None);
        };
        let number: Result<u64, _> = text.parse();
        let number = number.map_err(|_| Error::code(Code::PaginationNumberInvalid))?;
        Ok(Some(number.min(crate::limits::PAGE_ENTRIES as u64) as usize))
    }
}

/// Splits what follows `/v2/` into a name and a place, from its end: names have slashes.
fn split(rest: &str) -> Option<(&str, Place)> {
    if let Some(name) = rest.strip_suffix("/tags/list") {
        return Some((name, Place::Tags));
    }
    for suffix in ["/blobs/uploads/", "/blobs/uploads"] {
        if let Some(name) = rest.strip_suffix(suffix) {
            return Some((name, Place::Uploads));
        }
    }
    let (before, last) = rest.rsplit_once('/')?;
    let last = last.to_owned();
    if let Some(name) = before.strip_suffix("/blobs/uploads") {
        return Some((name, Place::Upload(last)));
    }
    let (name, word) = before.rsplit_once('/')?;
    let place = match word {
        "manifests" => Place::Manifest(last),
        "blobs" => Place::Blob(last),
        "referrers" => Place::Referrers(last),
        _ => return None,
    };
    Some((name, place))
}

/// A method a place does not know.
fn not_here(allowed: &'static str) -> Reply {
    let mut response = reply::error(&Error::code(Code::Unsupported));
    set(&mut response, header::ALLOW, allowed);
    Ok(response)
}

/// Serves connections of one address until the future is dropped.
pub(crate) async fn serve_connection(registry: Arc<Registry>, accepted: crate::listen::Accepted) {
    use hyper_util::rt::{TokioIo, TokioTimer};
    let from = accepted.from;
    let (stream, files) = match accepted.handshake().await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, client = %from, "a client could not connect");
            return;
        }
    };
    let stream = Patient::new(stream, registry.0.config.stall());
    let service = hyper::service::service_fn(|mut request: Request<Incoming>| {
        if let Some(files) = &files {
            request.extensions_mut().insert(files.clone());
        }
        let registry = Arc::clone(&registry);
        async move { Ok::<_, std::convert::Infallible>(registry.answer(request, from).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(crate::limits::HEAD_TIME)
        .max_headers(crate::limits::HEADERS)
        .max_buf_size(crate::limits::WRITE_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, client = %from, "connection ended");
    }
}
