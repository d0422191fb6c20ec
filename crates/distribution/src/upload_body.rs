//! The body of an upload: a stream of known length, watched for stalls.

use crate::{error::TransportError, limits::Timeouts};
use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};
use hyper::body::{Body, Frame, SizeHint};
use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{interval, timeout};

/// Bytes to push: a stream and how many it brings.
pub struct UploadBody {
    stream: BoxStream<'static, io::Result<Bytes>>,
    left: u64,
    state: Arc<UploadState>,
}

/// How far an upload is.
#[derive(Default)]
pub(crate) struct UploadState {
    sent: AtomicU64,
    done: AtomicBool,
}

impl UploadBody {
    /// A body of exactly `size` bytes.
    pub fn new(stream: impl Stream<Item = io::Result<Bytes>> + Send + 'static, size: u64) -> Self {
        Self {
            stream: Box::pin(stream),
            left: size,
            state: Arc::default(),
        }
    }

    pub(crate) fn state(&self) -> Arc<UploadState> {
        Arc::clone(&self.state)
    }

    pub(crate) fn size(&self) -> u64 {
        self.left
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = std::task::ready!(self.stream.as_mut().poll_next(context));
        Poll::Ready(match next {
            Some(Ok(chunk)) => {
                self.left = self.left.saturating_sub(chunk.len() as u64);
                self.state
                    .sent
                    .fetch_add(chunk.len() as u64, Ordering::Relaxed);
                // hyper does not ask for the end once the announced length is reached.
                self.state.done.fetch_or(self.left == 0, Ordering::Relaxed);
                Some(Ok(Frame::data(chunk)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => {
                self.state.done.store(true, Ordering::Relaxed);
                None
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl UploadState {
    /// Waits for the answer to an upload: as long as bytes go out, and then for the
    /// registry to take them in.
    pub async fn watch<T>(
        &self,
        answer: impl Future<Output = T>,
        timeouts: &Timeouts,
    ) -> Result<T, TransportError> {
        let mut answer = std::pin::pin!(answer);
        let mut tick = interval(timeouts.stall.max(Duration::from_millis(1)));
        tick.tick().await;
        let mut seen = 0;
        loop {
            tokio::select! {
                answer = &mut answer => return Ok(answer),
                _ = tick.tick() => {}
            }
            let sent = self.sent.load(Ordering::Relaxed);
            if self.done.load(Ordering::Relaxed) {
                return timeout(timeouts.commit, answer)
                    .await
                    .map_err(|_| TransportError::ResponseTimeout);
            }
            if sent == seen {
                return Err(TransportError::Stalled(timeouts.stall));
            }
            seen = sent;
        }
    }
}
