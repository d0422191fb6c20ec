//! The body of a request, which is taken off the connection also where nobody wants it.

use crate::limits;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::runtime::Handle;

/// A body on its way. What is left of it when it is dropped is read and thrown away, as far
/// as [`limits::LEFT_BODY_BYTES`]: a connection that is closed with a body still to come
/// breaks the client's write, and the client never sees why it was refused.
pub(crate) struct RequestBody {
    body: Option<Incoming>,
    /// It may be dropped on a thread that knows of none.
    runtime: Handle,
}

impl RequestBody {
    /// Within a runtime.
    pub(crate) fn new(body: Incoming) -> Self {
        Self {
            body: Some(body),
            runtime: Handle::current(),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            self.runtime.spawn(async {
                // The connection is closed on what takes longer.
                drop(tokio::time::timeout(limits::LEFT_BODY_TIME, pass_over(body)).await);
            });
        }
    }
}

async fn pass_over(mut body: Incoming) {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > limits::LEFT_BODY_BYTES {
            return;
        }
    }
}
