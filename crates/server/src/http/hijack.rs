//! The connection itself handed over: attach and exec.
//!
//! ```text
//! client                              server
//!   POST …/attach, Upgrade: tcp  ──▶
//!   (bytes may follow at once)   ◀──  101 UPGRADED, Content-Type: …stream
//!   standard input, raw          ──▶
//!   half-close: end of stdin     ──▶
//!                                ◀──  frames, or raw bytes of a terminal
//!                                ◀──  close: end of the process, or detach keys
//! ```
//!
//! Without `Upgrade`, as old SDKs ask, the head says 200 and no length, and the same bytes
//! follow: HTTP has no name for that, so the connection is taken from it ([`taken_over`]).
//! The first byte after the head waits until the client has read the head, as
//! [`ClientStream::head_taken`] says why.
//! Engine API, "Attach to a container", Hijacking.

use super::{Body, Call, reply};
use crate::{ClientStream, first_line::FirstLine, limits};
use bytes::Bytes;
use corten_api::frame;
use corten_engine::{AttachStream, Duplex};
use http::{HeaderValue, Response, StatusCode, header};
use hyper::{ext::ReasonPhrase, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const RAW: &str = "application/vnd.docker.raw-stream";
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// What a stream's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A terminal's bytes.
    Raw,
    /// Docker's frames.
    Multiplexed,
}

impl Kind {
    pub fn of_tty(tty: bool) -> Self {
        if tty { Self::Raw } else { Self::Multiplexed }
    }

    /// Before 1.42 both had one name.
    pub fn content_type(self, call: &Call) -> &'static str {
        match self {
            Self::Multiplexed if call.since(42) => MULTIPLEXED,
            Self::Raw | Self::Multiplexed => RAW,
        }
    }
}

/// Answers the request with `streams`, both ways until the container's side ends.
pub(crate) fn hijack(mut call: Call, streams: AttachStream) -> Response<Body> {
    let content_type = Kind::of_tty(streams.tty).content_type(&call);
    let AttachStream { io, .. } = streams;
    match call.upgrade.take() {
        Some(upgrade) => {
            tokio::spawn(when_upgraded(upgrade, Raw::Streams(io)));
            upgraded(content_type)
        }
        None => raw(Raw::Streams(io)),
    }
}

/// Answers the request as if the stream had begun, with `message` as its only output:
/// that is how dockerd tells a failed exec.
pub(crate) fn hijack_with_message(mut call: Call, kind: Kind, message: String) -> Response<Body> {
    let content_type = kind.content_type(&call);
    let mut out = Vec::new();
    match kind {
        Kind::Raw => out.extend_from_slice(message.as_bytes()),
        Kind::Multiplexed => frame::append(&mut out, frame::Stream::Stdout, message.as_bytes()),
    }
    match call.upgrade.take() {
        Some(upgrade) => {
            tokio::spawn(when_upgraded(upgrade, Raw::Message(out)));
            upgraded(content_type)
        }
        None => raw(Raw::Message(out)),
    }
}

/// Takes the connection over as soon as hyper has sent the head.
async fn when_upgraded(upgrade: OnUpgrade, raw: Raw) {
    let client = match upgrade.await {
        Ok(client) => client,
        Err(error) => {
            tracing::debug!(%error, "the client left before the upgrade");
            return;
        }
    };
    // What the server serves is always a client's stream.
    let Ok(parts) = client.downcast::<TokioIo<FirstLine<ClientStream>>>() else {
        tracing::error!("a connection was upgraded that is no client's");
        return;
    };
    let (io, early) = parts.io.into_inner().with_read(&parts.read_buf);
    let error = raw.run(io, early).await.err();
    tracing::debug!(error = error.map(tracing::field::display), "stream ended");
}

/// 101: the connection speaks `protocol` from here on.
pub(crate) fn switched(protocol: &'static str) -> Response<Body> {
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static(protocol));
    response
}

fn upgraded(content_type: &'static str) -> Response<Body> {
    let mut response = reply::empty(StatusCode::SWITCHING_PROTOCOLS);
    response
        .extensions_mut()
        .insert(ReasonPhrase::from_static(b"UPGRADED"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    response
}

/// What follows a head without upgrade.
enum Raw {
    Streams(Box<dyn Duplex>),
    Message(Vec<u8>),
}

/// Stands in the extensions of an answer that is not for hyper to send.
#[derive(Clone)]
struct Slot(Arc<Mutex<Option<Raw>>>);

fn raw(what: Raw) -> Response<Body> {
    let mut response = reply::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(RAW));
    let slot = Slot(Arc::new(Mutex::new(Some(what))));
    response.extensions_mut().insert(slot);
    response
}

/// A head and what follows it, on a connection that is no longer hyper's.
pub(crate) struct TakeOver {
    head: Vec<u8>,
    raw: Raw,
}

/// The part of an answer that hyper shall not send, if it is such an answer.
pub(crate) fn taken_over(response: &mut Response<Body>) -> Option<TakeOver> {
    let Slot(slot) = response.extensions_mut().remove()?;
    let raw = slot.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    for (name, value) in response.headers() {
        head.extend_from_slice(title_case(name.as_str()).as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    Some(TakeOver { head, raw })
}

/// `Content-Type`, as Go writes names.
fn title_case(name: &str) -> String {
    let mut first = true;
    name.chars()
        .map(|letter| {
            let upper = std::mem::replace(&mut first, letter == '-');
            if upper {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        })
        .collect()
}

impl TakeOver {
    /// Sends the head and what follows, until the container's side ends. `early` is what
    /// the client has sent behind its request already.
    pub async fn run(self, mut client: ClientStream, early: Bytes) -> io::Result<()> {
        client.write_all(&self.head).await?;
        self.raw.run(client, early).await
    }
}

impl Raw {
    /// What follows the head that was just sent.
    async fn run(self, mut client: ClientStream, early: Bytes) -> io::Result<()> {
        client.head_taken().await;
        match self {
            Self::Streams(container) => copy_both(client, early, container).await,
            Self::Message(message) => {
                client.write_all(&message).await?;
                client.shutdown().await
            }
        }
    }
}

/// Copies both ways, `early` first. The end of the client's bytes closes the container's input only; the
/// end of the container's output ends everything.
async fn copy_both(
    client: impl AsyncRead + AsyncWrite + Unpin,
    early: Bytes,
    container: Box<dyn Duplex>,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_container, mut to_container) = tokio::io::split(container);
    let input = async {
        to_container.write_all(&early).await?;
        let copied = copy(&mut from_client, &mut to_container).await;
        // End of standard input; where the container has closed it already, all is said.
        let _ = to_container.shutdown().await;
        copied
    };
    let output = async {
        copy(&mut from_container, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(input, output);
    tokio::select! {
        ended = &mut output => ended,
        gone = &mut input => match gone {
            // Half-closed: output goes on.
            Ok(()) => output.await,
            // Either side failed: a client that is gone must not stop the container's
            // output, which others may read; a closed input is no failure.
            Err(_) => output.await,
        },
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
) -> io::Result<()> {
    let mut chunk = bytes::BytesMut::with_capacity(limits::COPY_BYTES);
    loop {
        chunk.clear();
        if from.read_buf(&mut chunk).await? == 0 {
            return Ok(());
        }
        to.write_all(&chunk).await?;
        to.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixStream;

    /// A client's end, a container's end, and the copying between them.
    fn connected() -> (
        UnixStream,
        UnixStream,
        tokio::task::JoinHandle<io::Result<()>>,
    ) {
        let (client, from_client) = UnixStream::pair().expect("a pair of sockets");
        let (container, to_container) = UnixStream::pair().expect("a pair of sockets");
        let copying = tokio::spawn(copy_both(
            from_client,
            Bytes::from_static(b"early "),
            Box::new(to_container),
        ));
        (client, container, copying)
    }

    #[tokio::test]
    async fn output_goes_on_after_the_clients_half_close() -> io::Result<()> {
        let (mut client, mut container, copying) = connected();
        client.write_all(b"input").await?;
        client.shutdown().await?;
        let mut input = String::new();
        container.read_to_string(&mut input).await?;
        assert_eq!(input, "early input");
        container.write_all(b"output").await?;
        drop(container);
        let mut output = String::new();
        client.read_to_string(&mut output).await?;
        assert_eq!(output, "output");
        copying.await?
    }

    #[tokio::test]
    async fn without_an_upgrade_a_head_is_followed_by_the_bytes_themselves() -> io::Result<()> {
        let mut response = raw(Raw::Message(b"no such thing".to_vec()));
        let take_over = taken_over(&mut response).expect("it is not hyper's");
        assert!(taken_over(&mut response).is_none());
        let (mut client, server) = UnixStream::pair()?;
        let running = tokio::spawn(take_over.run(server.into(), Bytes::new()));
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        running.await??;
        assert_eq!(
            answer,
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nno such thing"
        );
        Ok(())
    }

    #[tokio::test]
    async fn the_end_of_the_container_ends_the_clients_stream() -> io::Result<()> {
        let (mut client, mut container, copying) = connected();
        container.write_all(b"bye").await?;
        drop(container);
        let mut output = String::new();
        client.read_to_string(&mut output).await?;
        assert_eq!(output, "bye");
        copying.await?
    }
}
