//! Streams that operations hand out.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};

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
