//! One connection to a shim.

use super::{REPLY_TIMEOUT, ShimError};
use crate::frame::{self, Decoder};
use crate::{Event, Reply, Request};
use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// How many bytes are read at once.
const READ_BYTES: usize = 16 << 10;

/// A connection and what it received so far.
#[derive(Debug)]
pub(super) struct Connection {
    socket: PathBuf,
    stream: UnixStream,
    decoder: Decoder,
}

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, ShimError> {
        let gone = |source| ShimError::Gone {
            socket: socket.to_owned(),
            source,
        };
        // unix(7): an address holds 107 bytes, so the path goes through the directory's
        // descriptor.
        let (parent, name) = match (socket.parent(), socket.file_name()) {
            (Some(parent), Some(name)) => (parent, name),
            _ => return Err(gone(io::Error::from(io::ErrorKind::InvalidInput))),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(parent, flags, Mode::empty()).map_err(|errno| gone(errno.into()))?;
        let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        let stream = UnixStream::connect(short).await.map_err(gone)?;
        Ok(Self::new(stream, socket))
    }

    pub(super) fn new(stream: UnixStream, socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            stream,
            decoder: Decoder::default(),
        }
    }

    /// Whether the peer has not closed it: an idle connection carries nothing, so that
    /// anything readable is its end.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    pub(super) async fn ask(
        &mut self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Reply, ShimError> {
        let exchange = async {
            self.send(request, descriptors).await?;
            self.receive().await
        };
        match tokio::time::timeout(REPLY_TIMEOUT, exchange).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Ok(None)) => Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(ShimError::Timeout {
                socket: self.socket.clone(),
            }),
        }
    }

    async fn send(
        &self,
        request: &Request,
        mut descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ShimError> {
        let bytes = frame::encode(request).map_err(|source| self.frame(source))?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let sent = self
                .stream
                .async_io(Interest::WRITABLE, || {
                    Ok(frame::send(&self.stream, rest, descriptors)?)
                })
                .await
                .map_err(|source| self.broken(source))?;
            rest = &rest[sent..];
            descriptors = &[];
        }
        Ok(())
    }

    /// The next message, `None` at the connection's end.
    async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ShimError> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let next = self.decoder.message();
            if let Some(message) = next.map_err(|source| self.frame(source))? {
                return Ok(Some(message));
            }
            self.stream
                .readable()
                .await
                .map_err(|source| self.broken(source))?;
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(source) => return Err(self.broken(source)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> ShimError {
        ShimError::Broken {
            socket: self.socket.clone(),
            source,
        }
    }

    fn frame(&self, source: frame::FrameError) -> ShimError {
        ShimError::Frame {
            socket: self.socket.clone(),
            source,
        }
    }
}

/// What happens in a container, as it happens.
#[derive(Debug)]
pub struct Events {
    connection: Connection,
}

impl Events {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    /// The next event. `None` when the shim is gone: after [`Event::Exit`] that is its
    /// regular end, else it was killed, and `exit.json` or its absence tells the rest.
    /// Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Option<Event>, ShimError> {
        self.connection.receive().await
    }
}
