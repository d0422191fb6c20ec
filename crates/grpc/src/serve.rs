//! Answers to calls of the other side.

use crate::{CONNECTION_WINDOW_BYTES, Failure, Incomings};
use bytes::Bytes;
use corten_buildkit::{Decoder, Message, encode};
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{convert::Infallible, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// Calls at the same time on one connection.
const STREAMS: u32 = 256;

/// A call of the other side.
pub struct Call {
    /// `/package.Service/Method`.
    pub path: String,
    headers: HeaderMap,
    /// Its messages.
    pub messages: Incomings,
}

impl Call {
    /// Every value of a piece of metadata.
    pub fn metadata(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values
            .filter_map(|it| it.to_str().ok().map(str::to_owned))
            .collect()
    }

    /// The only message of a call that has one.
    ///
    /// # Errors
    /// There is none.
    pub async fn message<M: Message + Default>(&mut self) -> Result<M, Failure> {
        let message = self.messages.next().await?;
        message.ok_or_else(|| Failure::internal(format!("{} without a message", self.path)))
    }
}

/// The messages of an answer, each encoded; a failure ends it.
pub type Answer = BoxStream<'static, Result<Vec<u8>, Failure>>;

/// One message as an answer.
pub fn one<M: Message>(message: &M) -> Answer {
    stream::iter([Ok(encode(message))]).boxed()
}

/// A stream of messages as an answer.
pub fn answers<M: Message + 'static>(
    messages: impl Stream<Item = Result<M, Failure>> + Send + 'static,
) -> Answer {
    messages
        .map(|it| it.map(|message| encode(&message)))
        .boxed()
}

/// Who answers.
pub trait Service: Send + Sync + 'static {
    /// Answers one call.
    fn call(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Answer, Failure>>;
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves the other side of `io` until the connection ends.
pub async fn serve(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Arc<impl Service>,
) {
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(answer(service, request).await) }
    });
    let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .serve_connection(TokioIo::new(io), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a session ended");
    }
}

async fn answer(service: Arc<impl Service>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let call = Call {
        path: parts.uri.path().to_owned(),
        headers: parts.headers,
        messages: Incomings {
            head: None,
            body: Some(body),
            decoder: Decoder::default(),
            headers: HeaderMap::new(),
        },
    };
    let messages = match service.call(call).await {
        Ok(messages) => messages,
        Err(failure) => stream::iter([Err(failure)]).boxed(),
    };
    // Frames until the first failure, then the trailers that tell it or that all is well.
    let frames = stream::unfold(Some(messages), |messages| async move {
        let mut messages = messages?;
        Some(match messages.next().await {
            Some(Ok(message)) => (Frame::data(Bytes::from(message)), Some(messages)),
            Some(Err(failure)) => (Frame::trailers(failure.trailers()), None),
            None => (Frame::trailers(ok()), None),
        })
    });
    let mut response = Response::new(StreamBody::new(frames.map(Ok)).boxed_unsync());
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, grpc);
    response
}

fn ok() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("grpc-status", HeaderValue::from_static("0"));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;
    use corten_buildkit::session::BytesMessage;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    const MESSAGES: usize = 60_000;

    fn small() -> BytesMessage {
        BytesMessage { data: vec![7] }
    }

    /// Answers with many messages, then counts those that came meanwhile.
    #[derive(Default)]
    struct Slow {
        answered: Notify,
        sent: Notify,
        counted: AtomicUsize,
    }

    impl Service for Slow {
        fn call(self: Arc<Self>, mut call: Call) -> BoxFuture<'static, Result<Answer, Failure>> {
            Box::pin(async move {
                let ours = Arc::clone(&self);
                let many = stream::iter(0..MESSAGES).map(|_| Ok(small()));
                let last = stream::once(async move {
                    ours.answered.notify_one();
                    ours.sent.notified().await;
                    while call.messages.next::<BytesMessage>().await?.is_some() {
                        ours.counted.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(small())
                });
                Ok(answers(many.chain(last)))
            })
        }
    }

    #[tokio::test]
    async fn small_messages_wait_in_any_number_for_who_reads_them_late() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let service = Arc::new(Slow::default());
        tokio::spawn(serve(far, Arc::clone(&service)));
        let (client, connection) = Client::connect(near).await.unwrap();
        tokio::spawn(connection);
        let (sender, mut incoming) = client.stream::<BytesMessage>("/a/b", &[]).await.unwrap();
        service.answered.notified().await;
        for _ in 0..MESSAGES {
            sender.send(small()).await.unwrap();
        }
        drop(sender);
        service.sent.notify_one();
        let mut count = 0;
        while incoming.next::<BytesMessage>().await.unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count, MESSAGES + 1);
        assert_eq!(service.counted.load(Ordering::Relaxed), MESSAGES);
    }
}
