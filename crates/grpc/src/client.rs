use crate::{CONNECTION_WINDOW_BYTES, Failure, Incomings};
use bytes::Bytes;
use corten_buildkit::{Decoder, Message, encode};
use futures_util::{FutureExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};

/// Messages that wait to be sent.
const QUEUE: usize = 128;

type Outgoing = UnsyncBoxBody<Bytes, Infallible>;

/// The way to one server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    sender: SendRequest<Outgoing>,
}

impl Client {
    /// Becomes the client of `io`; the future ends with the connection.
    ///
    /// # Errors
    /// Nobody speaks HTTP/2 there.
    pub async fn connect(
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<(Self, impl Future<Output = ()>), Failure> {
        /// Bytes of one stream that may be on the way: contexts are large.
        const WINDOW: u32 = 4 << 20;
        let made = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(io))
            .await;
        let (sender, connection) =
            made.map_err(|error| Failure::unavailable(format!("opening a session: {error}")))?;
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
    ) -> Result<Incomings, Failure> {
        let mut request = Request::post(format!("http://localhost{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers");
        for (name, value) in metadata {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return Err(Failure::internal(format!(
                    "metadata {name:?} cannot be sent"
                )));
            };
            request = request.header(name, value);
        }
        let request = request
            .body(body)
            .map_err(|error| Failure::internal(error.to_string()))?;
        let mut sender = self.sender.clone();
        let sent = tokio::spawn(async move { sender.send_request(request).await });
        let head = async move {
            match sent.await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) => Err(Failure::unavailable(format!(
                    "the client's session is gone: {error}"
                ))),
                Err(error) => Err(Failure::unavailable(error.to_string())),
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
    ///
    /// # Errors
    /// The other side's, or a connection that broke.
    pub async fn unary<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: &Q,
    ) -> Result<A, Failure> {
        self.unary_with(path, &[], request).await
    }

    /// The same with metadata.
    ///
    /// # Errors
    /// As [`Client::unary`].
    pub async fn unary_with<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        metadata: &[(String, String)],
        request: &Q,
    ) -> Result<A, Failure> {
        let mut answers = self.ask_with(path, metadata, request)?;
        let answer = answers.next().await?;
        answer.ok_or_else(|| Failure::internal(format!("{path} answered nothing")))
    }

    /// One message, many answers.
    ///
    /// # Errors
    /// A request that cannot be sent.
    pub fn ask<Q: Message>(&self, path: &str, request: &Q) -> Result<Incomings, Failure> {
        self.ask_with(path, &[], request)
    }

    /// The same with metadata.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_with<Q: Message>(
        &self,
        path: &str,
        metadata: &[(String, String)],
        request: &Q,
    ) -> Result<Incomings, Failure> {
        let frame = Ok(Frame::data(Bytes::from(encode(request))));
        let body = StreamBody::new(stream::iter([frame])).boxed_unsync();
        self.send(path, metadata, body)
    }

    /// Messages both ways; dropping the sender ends ours.
    ///
    /// # Errors
    /// A request that cannot be sent.
    pub async fn stream<Q: Message + 'static>(
        &self,
        path: &str,
        metadata: &[(String, String)],
    ) -> Result<(mpsc::Sender<Q>, Incomings), Failure> {
        let (sender, receiver) = mpsc::channel::<Q>(QUEUE);
        let frames = stream::unfold(receiver, |mut receiver| async move {
            let message = receiver.recv().await?;
            Some((Ok(Frame::data(Bytes::from(encode(&message)))), receiver))
        });
        let answers = self.send(path, metadata, StreamBody::new(frames).boxed_unsync())?;
        Ok((sender, answers))
    }
}
