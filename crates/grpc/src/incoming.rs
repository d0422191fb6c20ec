use crate::Failure;
use corten_buildkit::{Decoder, FrameError, Message};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// Messages from the other side.
pub struct Incomings {
    /// The answer's head, which a server may send only when it has something to say.
    pub(crate) head: Option<BoxFuture<'static, Result<Response<Incoming>, Failure>>>,
    pub(crate) body: Option<Incoming>,
    pub(crate) decoder: Decoder,
    pub(crate) headers: HeaderMap,
}

impl Incomings {
    /// The next message, none at the end; a failure of the other side is one here.
    ///
    /// # Errors
    /// The other side's, or a connection that broke.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Failure> {
        loop {
            let next = self.decoder.message();
            if let Some(message) = next.map_err(unreadable)? {
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
                None => return Failure::of(&self.headers).map(|()| None),
                Some(Err(error)) => {
                    return Err(Failure::unavailable(format!(
                        "the client's session is gone: {error}"
                    )));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.decoder.push(&data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            return Failure::of(&trailers).map(|()| None);
                        }
                    }
                },
            }
        }
    }
}

fn unreadable(error: FrameError) -> Failure {
    let cause = std::error::Error::source(&error).map(|it| format!(": {it}"));
    Failure::internal(format!("{error}{}", cause.unwrap_or_default()))
}
