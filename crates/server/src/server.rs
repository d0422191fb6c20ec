//! From a connection to an endpoint: version prefix, version check, headers, route.

use crate::{
    ClientStream, Listener,
    error::ApiError,
    first_line::FirstLine,
    grpc::{self, BuildKit},
    http::{Body, Call, Query, Reply, RequestBody, bytes, error, taken_over},
    limits, messages,
    metrics::Timings,
    routes,
};
use corten_api::{
    endpoint::{self, Endpoint},
    version::{ApiVersion, MAXIMUM, MINIMUM},
};
use corten_base::Kind;
use corten_engine::Engine;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::percent_decode_str;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::{Semaphore, mpsc};

/// What the server says of the daemon.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The header `Server` behind `Docker/`: clients look for that product name.
    pub version: String,
}

/// Serves connections for one engine.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    buildkit: Arc<BuildKit>,
    engine: Arc<Engine>,
    server_header: HeaderValue,
    connections: Arc<Semaphore>,
    timings: Timings,
}

impl Server {
    /// A server in front of `engine`.
    pub fn new(engine: Arc<Engine>, options: ServerOptions) -> Self {
        let text = format!("Docker/{} (linux)", options.version);
        let server_header = HeaderValue::try_from(text)
            .unwrap_or_else(|_| HeaderValue::from_static("Docker (linux)"));
        let connections = Arc::new(Semaphore::new(limits::CONNECTIONS));
        Self(Arc::new(Inner {
            buildkit: Arc::new(BuildKit::new(engine.clone())),
            engine,
            server_header,
            connections,
            timings: Timings::default(),
        }))
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    pub(crate) fn timings(&self) -> &Timings {
        &self.0.timings
    }

    /// Accepts connections until the future is dropped; those that are open go on.
    pub async fn serve(&self, mut listener: Listener) {
        loop {
            let room = Arc::clone(&self.0.connections).acquire_owned().await;
            let Ok(room) = room else { return };
            let connection = listener.accept().await;
            let server = self.clone();
            tokio::spawn(async move {
                match connection.handshake().await {
                    Ok(io) => server.serve_connection(io).await,
                    Err(error) => tracing::debug!(%error, "a client could not connect"),
                }
                drop(room);
            });
        }
    }

    /// Serves one connection until it ends or is handed over.
    pub async fn serve_connection(&self, io: ClientStream) {
        let mut io = FirstLine::new(io);
        match tokio::time::timeout(limits::HEAD_TIME, io.is_http2()).await {
            Ok(Ok(true)) => {
                grpc::serve_with(io, |request| self.clone().answer_http2(request)).await
            }
            Ok(Ok(false)) => self.serve_http1(io).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client sent nothing"),
            Err(_) => tracing::debug!("a client sent nothing for too long"),
        }
    }

    /// The builder's calls, and the API as far as it takes no connection over.
    async fn answer_http2(self, request: Request<Incoming>) -> Response<Body> {
        match grpc::is_call(request.headers()) {
            true => Box::pin(grpc::answer(Arc::clone(&self.0.buildkit), request)).await,
            false => Box::pin(self.answer(request)).await,
        }
    }

    async fn serve_http1(&self, io: FirstLine<ClientStream>) {
        // At most one: a connection is taken over once.
        let (hand_over, mut handed_over) = mpsc::channel(1);
        let service = service_fn(|request| {
            let (server, hand_over) = (self.clone(), hand_over.clone());
            async move {
                let mut response = server.answer(request).await;
                if let Some(take_over) = taken_over(&mut response)
                    && hand_over.send(take_over).await.is_ok()
                {
                    // hyper hears nothing more of this request: the connection leaves it.
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_TIME)
            .max_headers(limits::HEADERS)
            .max_buf_size(limits::HEAD_BYTES)
            .title_case_headers(true)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let taken_over = tokio::select! {
            biased;
            taken_over = handed_over.recv() => taken_over,
            served = &mut connection => {
                if let Err(error) = served {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
        };
        if let (Some(taken_over), Some(parts)) = (taken_over, connection.into_parts()) {
            let (io, early) = parts.io.into_inner().with_read(&parts.read_buf);
            let ended = taken_over.run(io, early).await;
            let error = ended.err();
            tracing::debug!(error = error.map(tracing::field::display), "stream ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let Ok(path) = percent_decode_str(request.uri().path()).decode_utf8() else {
            return error(ApiError::new(Kind::NotFound, messages::PAGE_NOT_FOUND));
        };
        let path = path.into_owned();
        let (prefix, path) = split_version(&path);
        let Some((endpoint, name)) = endpoint::find(request.method().as_str(), path) else {
            return error(ApiError::new(Kind::NotFound, messages::PAGE_NOT_FOUND));
        };
        let mut response = match checked_version(prefix) {
            Err(refused) => *refused,
            Ok(version) => {
                let mut response = self.call(endpoint, version, name.to_owned(), request).await;
                let headers = response.headers_mut();
                headers.insert("Docker-Experimental", HeaderValue::from_static("false"));
                response
            }
        };
        let headers = response.headers_mut();
        let newest = MAXIMUM.to_string();
        if let Ok(newest) = HeaderValue::try_from(newest) {
            headers.insert("Api-Version", newest);
        }
        headers.insert("Ostype", HeaderValue::from_static("linux"));
        headers.insert(header::SERVER, self.0.server_header.clone());
        response
    }

    async fn call(
        &self,
        endpoint: Endpoint,
        version: ApiVersion,
        name: String,
        mut request: Request<Incoming>,
    ) -> Response<Body> {
        if request.version() == Version::HTTP_2 && takes_over(endpoint) {
            return error(ApiError::invalid(messages::NEEDS_HTTP_1));
        }
        let wants_upgrade = request.headers().contains_key(header::UPGRADE);
        let upgrade = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
        let (parts, body) = request.into_parts();
        let call = Call {
            engine: Arc::clone(&self.0.engine),
            buildkit: Arc::clone(&self.0.buildkit),
            version,
            name,
            query: Query::parse(parts.uri.query().unwrap_or_default()),
            headers: parts.headers,
            body: Some(RequestBody::new(body)),
            upgrade,
        };
        tracing::debug!(endpoint = ?endpoint, name = call.name, %version, "request");
        let begun = std::time::Instant::now();
        let reply = answered(endpoint, call).await;
        self.0.timings.took(endpoint, begun.elapsed());
        reply.unwrap_or_else(|failed| {
            tracing::debug!(endpoint = ?endpoint, status = failed.status.as_u16(), message = failed.message, "refused");
            error(failed)
        })
    }
}

/// Whether an endpoint goes on with the bare connection, which one of HTTP/2 shares with
/// other requests.
fn takes_over(endpoint: Endpoint) -> bool {
    matches!(
        endpoint,
        Endpoint::ContainerAttach
            | Endpoint::ContainerAttachWs
            | Endpoint::ExecStart
            | Endpoint::Session
            | Endpoint::Grpc
    )
}

/// Runs the endpoint. What changes something goes on when the client leaves half-way, as
/// in dockerd; what only tells something ends with the client.
async fn answered(endpoint: Endpoint, call: Call) -> Reply {
    let ends_with_the_client = matches!(endpoint.method(), "GET" | "HEAD")
        || matches!(
            endpoint,
            Endpoint::ContainerWait | Endpoint::ImageCreate | Endpoint::ImagePush | Endpoint::Build
        );
    if ends_with_the_client {
        return routes::dispatch(endpoint, call).await;
    }
    match tokio::spawn(routes::dispatch(endpoint, call)).await {
        Ok(reply) => reply,
        Err(panicked) => Err(ApiError::new(
            Kind::Internal,
            format!("{endpoint:?} ended early: {panicked}"),
        )),
    }
}

/// Splits `/v1.41/info` into `1.41` and `/info`; without a prefix the first is `None`.
fn split_version(path: &str) -> (Option<&str>, &str) {
    let split = || {
        let rest = path.strip_prefix("/v")?;
        let end = rest.find('/')?;
        let (version, rest) = rest.split_at(end);
        let digits = |c: char| c.is_ascii_digit() || c == '.';
        (!version.is_empty() && version.chars().all(digits)).then_some((version, rest))
    };
    split().map_or((None, path), |(version, rest)| (Some(version), rest))
}

/// The version to speak, or the refusal. Numbers that are none count as 0, and a third
/// number makes a version newer, as dockerd compares them.
fn checked_version(prefix: Option<&str>) -> Result<ApiVersion, Box<Response<Body>>> {
    let Some(text) = prefix else {
        return Ok(MAXIMUM);
    };
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    let version = ApiVersion {
        major: numbers.next().unwrap_or(0),
        minor: numbers.next().unwrap_or(0),
    };
    if version < MINIMUM {
        // This old, a client expects plain text.
        let body = messages::too_old(text, MINIMUM) + "\n";
        let mut refusal = bytes(
            StatusCode::BAD_REQUEST,
            "text/plain; charset=utf-8",
            body.into_bytes(),
        );
        let nosniff = HeaderValue::from_static("nosniff");
        refusal
            .headers_mut()
            .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        return Err(Box::new(refusal));
    }
    if version > MAXIMUM || (version == MAXIMUM && numbers.any(|number: u32| number > 0)) {
        let refusal = error(ApiError::invalid(messages::too_new(text, MAXIMUM)));
        return Err(Box::new(refusal));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_prefix_is_optional() {
        assert_eq!(split_version("/v1.41/info"), (Some("1.41"), "/info"));
        assert_eq!(split_version("/info"), (None, "/info"));
        assert_eq!(split_version("/volumes"), (None, "/volumes"));
        assert_eq!(split_version("/v1.x/info"), (None, "/v1.x/info"));
    }

    #[test]
    fn versions_out_of_range_are_refused() {
        for text in ["1.24", "1.51", "1.40.7"] {
            assert!(checked_version(Some(text)).is_ok(), "{text}");
        }
        for text in ["1.23", "1", "0.9", ".", "1.52", "1.51.1", "2.0"] {
            assert!(checked_version(Some(text)).is_err(), "{text}");
        }
    }
}
