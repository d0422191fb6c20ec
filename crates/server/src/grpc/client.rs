//! Calls to a client that serves in its session.

use super::status::Status;
use bytes::Bytes;
use corten_buildkit::{Decoder, Message, encode};
use futures_util::{FutureExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    client::conn::http2::SendRequest,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::percent_decode_str;
use std::convert::Infallible;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

/// Messages that wait to be sent to the client.
const QUEUE: usize = 128;

type Outgoing = UnsyncBoxBody<Bytes, Infallible>;

/// The way to one client.
#[derive(Clone)]
pub(crate) struct Client {
    sender: SendRequest<Outgoing>,
}

/// Messages from the client.
pub(crate) struct Incomings {
    /// The answer's head, which a server may send only when it has something to say.
    head: Option<BoxFuture<'static, Result<Response<Incoming>, Status>>>,
    body: Option<Incoming>,
    decoder: Decoder,
    headers: HeaderMap,
}

impl Client {
    /// Becomes the client of `io`; the future ends with the connection.
    pub async fn connect(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(Self, impl Future<Output = ()>), Status> {
        /// Bytes that may be on the way: contexts are large.
        const WINDOW: u32 = 4 << 20;
        let made = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(TokioIo::new(io))
            .await;
        let (sender, connection) =
            made.map_err(|error| Status::unavailable(format!("opening a session: {error}")))?;
        let until_end = async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a session ended");
            }
        };
        Ok((Self { sender }, until_end))
    }

    fn send(
        &self,
        path: &str,
        metadata: &[(String, String)],
        body: Outgoing,
    ) -> Result<Incomings, Status> {
        let mut request = Request::post(format!("http://localhost{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers");
        for (name, value) in metadata {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return Err(Status::internal(format!(
                    "metadata {name:?} cannot be sent"
                )));
            };
            request = request.header(name, value);
        }
        let request = request
            .body(body)
            .map_err(|error| Status::internal(error.to_string()))?;
        let mut sender = self.sender.clone();
        let sent = tokio::spawn(async move { sender.send_request(request).await });
        let head = async move {
            match sent.await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(Status::unavailable(format!(
                    "the client's session is gone: {error}"
                ))),
                Err(error) => Err(Status::unavailable(error.to_string())),
            }
        };
        Ok(Incomings {
            head: Some(head.boxed()),
            body: None,
            decoder: Decoder::default(),
            headers: HeaderMap::new(),
        })
    }

    /// One message, one answer.
    pub async fn unary<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: &Q,
    ) -> Result<A, Status> {
        let frame = Ok(Frame::data(Bytes::from(encode(request))));
        let body = StreamBody::new(stream::iter([frame])).boxed_unsync();
        let mut answers = self.send(path, &[], body)?;
        let answer = answers.next().await?;
        answer.ok_or_else(|| Status::internal(format!("{path} answered nothing")))
    }

    /// Messages both ways; dropping the sender ends ours.
    pub async fn stream<Q: Message + 'static>(
        &self,
        path: &str,
        metadata: &[(String, String)],
    ) -> Result<(mpsc::Sender<Q>, Incomings), Status> {
        let (sender, receiver) = mpsc::channel::<Q>(QUEUE);
        let frames = stream::unfold(receiver, |mut receiver| async move {
            let message = receiver.recv().await?;
            Some((Ok(Frame::data(Bytes::from(encode(&message)))), receiver))
        });
        let answers = self.send(path, metadata, StreamBody::new(frames).boxed_unsync())?;
        Ok((sender, answers))
    }
}

impl Incomings {
    /// The next message, none at the end; a failure of the client is one here.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        loop {
            let next = self.decoder.message();
            if let Some(message) =
                next.map_err(|error| Status::internal(corten_base::chain(&error)))?
            {
                return Ok(Some(message));
            }
            if let Some(head) = &mut self.head {
                let head = head.await;
                self.head = None;
                let (parts, body) = head?.into_parts();
                self.headers = parts.headers;
                self.body = Some(body);
            }
            let Some(body) = &mut self.body else {
                return Ok(None);
            };
            match body.frame().await {
                None => return status_of(&self.headers).map(|()| None),
                Some(Err(error)) => {
                    return Err(Status::unavailable(format!(
                        "the client's session is gone: {error}"
                    )));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.decoder.push(&data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return status_of(&trailers).map(|()| None);
                        }
                    }
                },
            }
        }
    }
}

fn status_of(headers: &HeaderMap) -> Result<(), Status> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|it| it.to_str().ok())
            .unwrap_or_default()
    };
    match text("grpc-status") {
        "" | "0" => Ok(()),
        code => {
            let message = percent_decode_str(text("grpc-message"))
                .decode_utf8_lossy()
                .into_owned();
            Err(Status::new(
                code.parse().unwrap_or(super::status::UNKNOWN),
                message,
            ))
        }
    }
}
