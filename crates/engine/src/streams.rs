//! Streams that operations hand out.

use crate::blocking::Pool;
use bytes::{Buf, Bytes};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    net::UnixStream,
    sync::{mpsc, oneshot},
};

/// Bytes of a body, in or out.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Both directions of a connection. `poll_shutdown` closes the writing half only.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A container's or an exec process's standard streams, to be copied from and to the
/// client as they are.
///
/// Read from it: Docker's multiplexed frames, or raw bytes with a terminal; the end of
/// file is the end of the process or the detach keys. Write to it: standard input, raw;
/// shutting down the writing half is the end of standard input.
pub struct AttachStream {
    /// The connection.
    pub io: Box<dyn Duplex>,
    /// Raw bytes (a terminal) instead of frames: decides the content type.
    pub tty: bool,
}

/// Logs as the client gets them.
pub struct LogsStream {
    /// Docker's multiplexed frames, or raw bytes with a terminal.
    pub body: ByteStream,
    /// Raw bytes (a terminal) instead of frames: decides the content type.
    pub tty: bool,
}

/// A client that attached before the start. The start sends it its stream; dropping the
/// sender is the end of the client's stream.
pub(crate) struct PendingAttach {
    pub(crate) options: corten_shim_proto::AttachOptions,
    pub(crate) stream: oneshot::Sender<UnixStream>,
}

/// A stream that is not there yet.
pub(crate) struct Deferred {
    state: DeferredState,
    /// Both directions may wait, in different tasks.
    wakers: [Option<Waker>; 2],
}

enum DeferredState {
    Waiting(oneshot::Receiver<UnixStream>),
    Ready(UnixStream),
    Never,
}

impl Deferred {
    pub(crate) fn new() -> (oneshot::Sender<UnixStream>, Self) {
        let (sender, receiver) = oneshot::channel();
        (
            sender,
            Self {
                state: DeferredState::Waiting(receiver),
                wakers: [None, None],
            },
        )
    }

    /// The stream once it is there; `None` when it never will be.
    fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
        direction: usize,
    ) -> Poll<Option<Pin<&mut UnixStream>>> {
        if let DeferredState::Waiting(receiver) = &mut self.state {
            self.wakers[direction] = Some(cx.waker().clone());
            self.state = match ready!(receiver.poll_unpin(cx)) {
                Ok(stream) => DeferredState::Ready(stream),
                Err(_) => DeferredState::Never,
            };
            self.wakers
                .iter_mut()
                .filter_map(Option::take)
                .for_each(Waker::wake);
        }
        match &mut self.state {
            DeferredState::Ready(stream) => Poll::Ready(Some(Pin::new(stream))),
            _ => Poll::Ready(None),
        }
    }
}

impl AsyncRead for Deferred {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx, 0)) {
            Some(stream) => stream.poll_read(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Deferred {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(self.poll_stream(cx, 1)) {
            Some(stream) => stream.poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx, 1)) {
            Some(stream) => stream.poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_stream(cx, 1)) {
            Some(stream) => stream.poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// A connection around which something happens: bytes come before its own, and its end is
/// held back until something else has happened (an exec's exit is known).
pub(crate) struct Framed<T> {
    inner: T,
    before: Option<ByteStream>,
    rest: Bytes,
    end: Option<BoxFuture<'static, ()>>,
}

impl<T: Duplex> Framed<T> {
    pub(crate) fn new(
        inner: T,
        before: Option<ByteStream>,
        end: Option<BoxFuture<'static, ()>>,
    ) -> Self {
        Self {
            inner,
            before,
            rest: Bytes::new(),
            end,
        }
    }
}

impl<T: Duplex> AsyncRead for Framed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.rest.has_remaining() {
                let count = self.rest.len().min(buffer.remaining());
                buffer.put_slice(&self.rest.split_to(count));
                return Poll::Ready(Ok(()));
            }
            let Some(before) = &mut self.before else {
                break;
            };
            match ready!(before.as_mut().poll_next(cx)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => self.before = None,
            }
        }
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() == filled
            && buffer.remaining() > 0
            && let Some(end) = &mut self.end
        {
            ready!(end.as_mut().poll(cx));
            self.end = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Duplex> AsyncWrite for Framed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Nothing to read, and what is written is lost: an attach that asked for no stream.
pub(crate) struct Empty;

impl AsyncRead for Empty {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Empty {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Bytes that wait between a producer and a slow client.
const PIPE_BYTES: usize = 256 << 10;

/// What `work` writes, as a stream; its failure is the stream's last item. The work runs in
/// a task of its own and gets a broken pipe when the stream is dropped.
pub(crate) fn from_writer(
    work: impl FnOnce(DuplexStream) -> BoxFuture<'static, crate::Result<()>>,
) -> ByteStream {
    let (writer, reader) = tokio::io::duplex(PIPE_BYTES);
    let work = tokio::spawn(work(writer));
    stream::unfold(Some((reader, work)), |state| async {
        let (mut reader, work) = state?;
        let mut buffer = bytes::BytesMut::with_capacity(PIPE_BYTES);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => match work.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((Err(io::Error::other(corten_base::chain(&error))), None)),
                Err(error) => Some((Err(io::Error::other(error)), None)),
            },
            Ok(_) => Some((Ok(buffer.freeze()), Some((reader, work)))),
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

/// As [`from_writer`], for work that blocks; it gets a thread of `pool`.
pub(crate) fn from_blocking_writer(
    pool: Pool,
    work: impl FnOnce(SyncIoWriter) -> crate::Result<()> + Send + 'static,
) -> ByteStream {
    let runtime = tokio::runtime::Handle::current();
    from_writer(move |writer| {
        pool.run_owned(move || work(SyncIoWriter { writer, runtime }))
            .boxed()
    })
}

/// The blocking face of an asynchronous writer, for threads outside of the runtime's own.
pub(crate) struct SyncIoWriter {
    writer: DuplexStream,
    runtime: tokio::runtime::Handle,
}

impl io::Write for SyncIoWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.runtime.block_on(self.writer.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.writer.flush())
    }
}

/// Pieces of a body that come ahead of its reader: the connection is read while the reader
/// writes what it has.
const PIECES_AHEAD: usize = 8;

/// A body, for threads outside of the runtime's own.
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
    /// What came behind bytes that were told first.
    end: Option<io::Result<()>>,
}

impl BodyReader {
    /// To be called on the runtime.
    pub(crate) fn new(mut body: ByteStream) -> Self {
        let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
        tokio::spawn(async move {
            while let Some(piece) = body.next().await {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        });
        Self {
            pieces,
            rest: Bytes::new(),
            end: None,
        }
    }

    fn take(&mut self, next: Option<io::Result<Bytes>>) {
        match next {
            Some(Ok(bytes)) => self.rest = bytes,
            Some(Err(error)) => self.end = Some(Err(error)),
            None => self.end = Some(Ok(())),
        }
    }
}

impl io::BufRead for BodyReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.rest.is_empty() {
            match &self.end {
                None => {
                    let next = self.pieces.blocking_recv();
                    self.take(next);
                }
                Some(_) => break,
            }
        }
        match self.end.take_if(|_| self.rest.is_empty()) {
            Some(end) => {
                self.end = Some(Ok(()));
                end.map(|()| &self.rest[..])
            }
            None => Ok(&self.rest),
        }
    }

    fn consume(&mut self, count: usize) {
        self.rest.advance(count);
    }
}

impl io::Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        while count < buffer.len() {
            if !self.rest.is_empty() {
                let length = self.rest.len().min(buffer.len() - count);
                buffer[count..count + length].copy_from_slice(&self.rest.split_to(length));
                count += length;
                continue;
            }
            if self.end.is_some() {
                break;
            }
            // What is there already comes along: the thread sleeps once for many pieces.
            let next = match count {
                0 => self.pieces.blocking_recv(),
                _ => match self.pieces.try_recv() {
                    Ok(next) => Some(next),
                    Err(mpsc::error::TryRecvError::Disconnected) => None,
                    Err(mpsc::error::TryRecvError::Empty) => break,
                },
            };
            self.take(next);
        }
        match self.end.take_if(|_| count == 0) {
            Some(Err(error)) => Err(error),
            Some(Ok(())) => {
                self.end = Some(Ok(()));
                Ok(0)
            }
            None => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_is_read_whole_and_its_failure_comes_last() {
        let pieces = ["ab", "", "cde"].map(|it| Ok(Bytes::from_static(it.as_bytes())));
        let broken = [Err(io::ErrorKind::UnexpectedEof.into())];
        let body = stream::iter(pieces.into_iter().chain(broken)).boxed();
        let mut reader = BodyReader::new(body);
        let read = tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            let end = io::Read::read_to_end(&mut reader, &mut text);
            (text, end)
        });
        let (text, end) = read.await.expect("joins");
        assert_eq!(text, b"abcde");
        assert_eq!(
            end.expect_err("broken off").kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[tokio::test]
    async fn both_directions_of_a_stream_wait_for_it() {
        let (sender, deferred) = Deferred::new();
        let (mut reader, mut writer) = tokio::io::split(deferred);
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            reader.read_to_string(&mut text).await.map(|_| text)
        });
        let writing = tokio::spawn(async move {
            writer.write_all(b"in").await?;
            writer.shutdown().await
        });
        let (near, mut far) = UnixStream::pair().expect("a pair");
        sender.send(near).expect("somebody waits");
        far.write_all(b"out").await.expect("writes");
        far.shutdown().await.expect("ends");
        assert_eq!(reading.await.expect("joins").expect("reads"), "out");
        writing.await.expect("joins").expect("writes");
        let mut text = String::new();
        far.read_to_string(&mut text).await.expect("reads");
        assert_eq!(text, "in");
    }

    #[tokio::test]
    async fn a_stream_that_never_comes_is_an_end() {
        let (sender, mut deferred) = Deferred::new();
        drop(sender);
        let mut text = String::new();
        assert_eq!(deferred.read_to_string(&mut text).await.expect("ends"), 0);
    }

    #[tokio::test]
    async fn bytes_come_before_and_the_end_waits() {
        let before = futures_util::stream::iter([Ok(Bytes::from_static(b"old "))]).boxed();
        let (near, mut far) = UnixStream::pair().expect("a pair");
        let (sender, receiver) = oneshot::channel::<()>();
        let end = async move { receiver.await.unwrap_or(()) }.boxed();
        let mut framed = Framed::new(near, Some(before), Some(end));
        far.write_all(b"new").await.expect("writes");
        drop(far);
        let reading = tokio::spawn(async move {
            let mut text = String::new();
            framed.read_to_string(&mut text).await.map(|_| text)
        });
        tokio::task::yield_now().await;
        assert!(!reading.is_finished());
        sender.send(()).expect("somebody waits");
        assert_eq!(reading.await.expect("joins").expect("reads"), "old new");
    }
}
