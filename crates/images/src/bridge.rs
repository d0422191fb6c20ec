//! Async streams read and written on blocking threads.

use std::io::{self, Read, Write};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    runtime::Handle,
};

/// Bytes gathered before a write goes to the async side.
const WRITE_BYTES: usize = 256 << 10;

/// Reads an async stream from a blocking thread.
pub(crate) struct BlockingRead<R> {
    inner: R,
    runtime: Handle,
}

impl<R> BlockingRead<R> {
    /// Called on the runtime; used on a blocking thread.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            runtime: Handle::current(),
        }
    }
}

impl<R: AsyncRead + Unpin> Read for BlockingRead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.runtime.block_on(self.inner.read(buffer))
    }
}

/// Writes an async stream from a blocking thread.
pub(crate) struct BlockingWrite<W> {
    inner: W,
    runtime: Handle,
    gathered: Vec<u8>,
}

impl<W> BlockingWrite<W> {
    /// Called on the runtime; used on a blocking thread.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            runtime: Handle::current(),
            gathered: Vec::new(),
        }
    }
}

impl<W: AsyncWrite + Unpin> Write for BlockingWrite<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= WRITE_BYTES {
            self.runtime
                .block_on(self.inner.write_all(&self.gathered))?;
            self.gathered.clear();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.runtime.block_on(async {
            self.inner.write_all(&self.gathered).await?;
            self.inner.flush().await
        })?;
        self.gathered.clear();
        Ok(())
    }
}
