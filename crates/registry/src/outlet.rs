//! Blobs that go from the page cache to a socket by sendfile(2), past this program's memory.
//!
//! hyper only knows bodies of bytes. The body of such an answer is made of *blanks*: slices
//! of one buffer of zeros that nobody reads and that therefore takes no memory. Each blank
//! stands for a part of a file, and the parts lie in the connection's queue in the order of
//! their blanks. The connection's stream ([`Outlet`]) knows a blank by its address, and has
//! the kernel send the part instead.
//!
//! Invariants: a part is in the queue before hyper has its blank, and hyper hands blanks on
//! as they are, since the stream takes vectored writes; the pages of a part have been read
//! by a thread that may wait, so that sending does not wait for the disk.
//!
//! Never knows: requests, blobs, storage. Connections with TLS have none.

use bytes::Bytes;
use futures_util::{Stream, stream};
use hyper::body::Frame;
use rustix::{fs::sendfile, io::Errno};
use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, IoSlice},
    ops::Range,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// Bytes of the longest part: what is read ahead of the one that is being sent.
const PART_BYTES: u64 = 4 << 20;

/// Zeros that are never touched, so that no page stands behind them.
static BLANK: LazyLock<Bytes> = LazyLock::new(|| vec![0; PART_BYTES as usize].into());

/// What is to be sent of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    left: Range<u64>,
}

/// The files that a connection is about to send. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<VecDeque<Part>>>);

impl Queue {
    // Lock: the queue only; the body and the stream of one connection take turns anyway.
    fn parts(&self) -> MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The frames of an answer that consists of a range of a file.
    ///
    /// # Errors
    /// The stream ends with those of reading the file.
    pub fn frames(
        &self,
        file: File,
        range: Range<u64>,
    ) -> impl Stream<Item = io::Result<Frame<Bytes>>> + use<> {
        let (queue, file) = (self.clone(), Arc::new(file));
        let first = range.start..range.end.min(range.start + PART_BYTES);
        let reading = read_ahead(&file, first.clone());
        let state = (first, reading);
        stream::try_unfold(state, move |(part, reading)| {
            let (queue, file) = (queue.clone(), Arc::clone(&file));
            let end = range.end;
            async move {
                if part.is_empty() {
                    return Ok(None);
                }
                reading.await.unwrap_or_else(|e| Err(io::Error::other(e)))?;
                let next = part.end..end.min(part.end + PART_BYTES);
                let reading = read_ahead(&file, next.clone());
                let blank = BLANK.slice(..(part.end - part.start) as usize);
                queue.parts().push_back(Part { file, left: part });
                Ok(Some((Frame::data(blank), (next, reading))))
            }
        })
    }
}

/// Brings a range into the page cache: the kernel "sends" it where nothing is copied.
fn read_ahead(file: &Arc<File>, range: Range<u64>) -> tokio::task::JoinHandle<io::Result<()>> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || {
        if range.is_empty() {
            return Ok(());
        }
        let nowhere = OpenOptions::new().write(true).open("/dev/null")?;
        let mut offset = range.start;
        while offset < range.end {
            let left = (range.end - offset) as usize;
            match sendfile(&nowhere, &*file, Some(&mut offset), left) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    })
}

/// A connection that sends the parts of its queue where hyper writes blanks.
#[derive(Debug)]
pub(crate) struct Outlet {
    tcp: TcpStream,
    queue: Queue,
}

impl Outlet {
    /// The queue is the one that answers to this connection's requests are given.
    pub fn new(tcp: TcpStream) -> (Self, Queue) {
        let queue = Queue::default();
        let own = queue.clone();
        (Self { tcp, queue: own }, queue)
    }

    /// Sends up to so many bytes of the part that is the next.
    fn poll_send(&self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        let mut parts = self.queue.parts();
        let Some(part) = parts.front_mut() else {
            return Poll::Ready(Err(io::Error::other("a blank without its part")));
        };
        let length = length.min((part.left.end - part.left.start) as usize);
        loop {
            ready!(self.tcp.poll_write_ready(cx))?;
            let sent = self.tcp.try_io(Interest::WRITABLE, || {
                let mut offset = part.left.start;
                Ok(sendfile(&self.tcp, &*part.file, Some(&mut offset), length)?)
            });
            match sent {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(sent) => {
                    part.left.start += sent as u64;
                    if part.left.is_empty() {
                        parts.pop_front();
                    }
                    return Poll::Ready(Ok(sent));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    let blanks = BLANK.as_ptr_range();
    !bytes.is_empty() && blanks.contains(&bytes.as_ptr())
}

impl AsyncWrite for Outlet {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if is_blank(bytes) {
            return self.poll_send(cx, bytes.len());
        }
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // What stands before the first blank, such as an answer's head, goes first.
        let bytes = slices.iter().take_while(|slice| !is_blank(slice)).count();
        match slices.get(bytes) {
            Some(blank) if slices[..bytes].iter().all(|slice| slice.is_empty()) => {
                self.poll_send(cx, blank.len())
            }
            _ => Pin::new(&mut self.tcp).poll_write_vectored(cx, &slices[..bytes]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl AsyncRead for Outlet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}
