//! Calls from HTTP/2 requests: path to method, frames to messages and back.

use super::{BuildKit, attachments, bridge, control, history, status::Status};
use crate::http::Body;
use bytes::Bytes;
use corten_buildkit::{Decoder, FRAME_BYTES_MAX, Message, encode, history::IMPORT_SERVICE};
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty, Limited, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{convert::Infallible, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// Calls at the same time on one connection.
const STREAMS: u32 = 256;

/// Serves a connection that carries BuildKit's calls alone, until it ends.
pub(crate) async fn serve(
    kit: Arc<BuildKit>,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    serve_with(io, |request| Box::pin(answer(Arc::clone(&kit), request))).await;
}

/// Serves a connection that speaks HTTP/2, until it ends.
pub(crate) async fn serve_with<Answer: Future<Output = Response<Body>> + Send + 'static>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: impl Fn(Request<Incoming>) -> Answer,
) {
    let service = service_fn(|request| {
        let answering = answer(request);
        async move { Ok::<_, Infallible>(answering.await) }
    });
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(corten_grpc::CONNECTION_WINDOW_BYTES)
        .serve_connection(TokioIo::new(io), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a client of HTTP/2 ended the connection");
    }
}

/// Whether a request is a call, by its type.
pub(crate) fn is_call(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pub(crate) async fn answer(kit: Arc<BuildKit>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    tracing::debug!(path, "grpc");
    let (parts, body) = request.into_parts();
    let build = parts
        .headers
        .get("buildkit-controlapi-buildid")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    if path == "/moby.buildkit.v1.Control/Session" {
        return super::session_stream::open(kit, &parts.headers, body);
    }
    let bytes = match Limited::new(body, FRAME_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return failed(&Status::invalid(format!("reading a call: {error}"))),
    };
    let Some((service, method)) = path.trim_start_matches('/').split_once('/') else {
        return failed(&Status::unimplemented("unknown service"));
    };
    let done = match service {
        "moby.buildkit.v1.Control" => match method {
            "Solve" => {
                unary(&bytes, |request| {
                    control::solve(&kit, request, super::Ask::default())
                })
                .await
            }
            "Status" => match decode(&bytes) {
                Ok(request) => control::status(&kit, request).await.map(streamed),
                Err(status) => Err(status),
            },
            "ListWorkers" => unary(&bytes, |request| control::workers(&kit, request)).await,
            "Info" => unary(&bytes, |request| control::info(&kit, request)).await,
            "DiskUsage" => unary(&bytes, |request| history::disk_usage(&kit, request)).await,
            "Prune" => match decode(&bytes) {
                Ok(request) => history::prune(&kit, request)
                    .await
                    .map(|list| streamed(stream::iter(list))),
                Err(status) => Err(status),
            },
            "UpdateBuildHistory" => unary(&bytes, |request| history::update(&kit, request)).await,
            "ListenBuildHistory" => match decode(&bytes) {
                Ok(request) => history::builds(&kit, request).map(streamed),
                Err(status) => Err(status),
            },
            _ => Err(unknown(service, method)),
        },
        "moby.buildkit.v1.frontend.LLBBridge" => match method {
            "Ping" => unary(&bytes, |request| bridge::ping(&kit, request)).await,
            "Solve" => unary(&bytes, |request| bridge::solve(&kit, &build, request)).await,
            "Return" => unary(&bytes, |request| bridge::done(&kit, &build, request)).await,
            "Inputs" => unary(&bytes, bridge::no_inputs).await,
            "Evaluate" => unary(&bytes, bridge::evaluate).await,
            "Warn" => unary(&bytes, bridge::warn).await,
            _ => Err(unknown(service, method)),
        },
        "containerd.services.content.v1.Content" => match method {
            "Info" => unary(&bytes, |request| attachments::info(&kit, request)).await,
            "Read" => match decode(&bytes) {
                Ok(request) => attachments::read(&kit, request).await.map(streamed),
                Err(status) => Err(status),
            },
            _ => Err(unknown(service, method)),
        },
        IMPORT_SERVICE if method == "Import" => {
            unary(&bytes, |request| history::import(&kit, request)).await
        }
        "grpc.health.v1.Health" if method == "Check" => {
            Ok(message(&corten_buildkit::control::Position {
                // HealthCheckResponse has its status as field 1; 1 is SERVING.
                line: 1,
                character: 0,
            }))
        }
        _ => Err(unknown(service, method)),
    };
    done.unwrap_or_else(|status| {
        tracing::debug!(
            path,
            code = status.code,
            message = status.message,
            "refused"
        );
        failed(&status)
    })
}

fn unknown(service: &str, method: &str) -> Status {
    Status::unimplemented(format!("unknown method {method} for service {service}"))
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, Status> {
    let mut decoder = Decoder::default();
    decoder.push(bytes);
    match decoder.message() {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(Status::invalid("a call without a message")),
        Err(error) => Err(Status::invalid(corten_base::chain(&error))),
    }
}

async fn unary<Q: Message + Default, A: Message, Work: Future<Output = Result<A, Status>>>(
    bytes: &[u8],
    work: impl FnOnce(Q) -> Work,
) -> Result<Response<Body>, Status> {
    let request = decode(bytes)?;
    Ok(message(&Box::pin(work(request)).await?))
}

fn message<M: Message>(answer: &M) -> Response<Body> {
    let frames = [
        Ok(Frame::data(Bytes::from(encode(answer)))),
        Ok(Frame::trailers(ok())),
    ];
    response(stream::iter(frames))
}

/// Messages one after the other.
pub(super) fn streamed<M: Message + 'static>(
    messages: impl Stream<Item = M> + Send + 'static,
) -> Response<Body> {
    let frames = messages.map(|message| Ok(Frame::data(Bytes::from(encode(&message)))));
    response(frames.chain(stream::iter([Ok(Frame::trailers(ok()))])))
}

fn ok() -> HeaderMap {
    HeaderMap::from_iter([(
        header::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )])
}

fn response(
    frames: impl Stream<Item = std::io::Result<Frame<Bytes>>> + Send + 'static,
) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

/// An answer that is a failure only.
fn failed(status: &Status) -> Response<Body> {
    // No body at all: gRPC then reads the headers as trailers.
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response.headers_mut().extend(status.trailers());
    response
}
