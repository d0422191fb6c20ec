//! Between the user's standard streams and a container's.

use crate::{error::CliError, terminal::Raw};
use bytes::Bytes;
use corten_client::{Hijacked, stream};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf},
    sync::mpsc,
};

/// At most so much is read from stdin at once.
const INPUT_CHUNK_BYTES: usize = 32 << 10;
/// So many chunks may wait for the engine.
const INPUT_QUEUE: usize = 4;

/// What to connect.
pub struct Wiring {
    /// The container has a terminal: bytes are raw, not framed.
    pub tty: bool,
    /// Whether the user's stdin is sent.
    pub input: bool,
    /// Whether output is awaited.
    pub output: bool,
    /// Sequence that leaves the container; only with a terminal.
    pub detach_keys: Vec<u8>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The container's streams ended.
    Streams,
    /// The user typed the detach keys.
    Detached,
}

/// Copies both ways until the container's output ends or the user detaches.
pub async fn connect(hijacked: Hijacked, wiring: Wiring) -> Result<Ended, CliError> {
    // In raw mode even Ctrl-C is a byte for the container.
    let _raw = (wiring.tty && wiring.input).then(Raw::enter).flatten();
    let multiplexed = hijacked.multiplexed.unwrap_or(!wiring.tty);
    let (mut from, to) = tokio::io::split(hijacked);
    let input = async {
        if wiring.input {
            let escape = wiring.tty.then(|| Escape::new(wiring.detach_keys.clone()));
            copy_input(to, escape).await
        } else {
            // The write side stays open: closing it would end the container's input.
            let _to = to;
            std::future::pending::<bool>().await
        }
    };
    let output = async {
        if multiplexed {
            stream::demultiplex(&mut from, Standard::Output, Standard::Error).await
        } else {
            copy_raw(&mut from).await
        }
    };
    tokio::pin!(input, output);
    if !wiring.output {
        let detached = input.await;
        return Ok(if detached {
            Ended::Detached
        } else {
            Ended::Streams
        });
    }
    tokio::select! {
        result = &mut output => {
            result.map_err(broken)?;
            Ok(Ended::Streams)
        }
        detached = &mut input => {
            if detached {
                return Ok(Ended::Detached);
            }
            output.await.map_err(broken)?;
            Ok(Ended::Streams)
        }
    }
}

/// A stream that broke: mostly the reader of our output went away.
fn broken(error: io::Error) -> CliError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::Text("write /dev/stdout: broken pipe".into()),
        _ => CliError::Text(error.to_string()),
    }
}

async fn copy_raw(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<()> {
    let mut buffer = vec![0; INPUT_CHUNK_BYTES];
    loop {
        match from.read(&mut buffer).await? {
            0 => return Ok(()),
            length => Standard::Output.write_all(&buffer[..length]).await?,
        }
    }
}

/// Sends stdin; true when the user detached.
async fn copy_input(mut to: WriteHalf<Hijacked>, mut escape: Option<Escape>) -> bool {
    let mut chunks = read_stdin();
    while let Some(chunk) = chunks.recv().await {
        let (bytes, detached) = match &mut escape {
            Some(escape) => escape.feed(&chunk),
            None => (chunk, false),
        };
        // The container may have closed its input; its output goes on.
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return detached;
        }
        if detached {
            return true;
        }
    }
    // Nobody can be told that the far side is closed already.
    let _ = to.shutdown().await;
    false
}

/// Reads stdin on a thread of its own: a terminal or a file cannot be polled alike.
fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(INPUT_QUEUE);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; INPUT_CHUNK_BYTES];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    if sender
                        .blocking_send(Bytes::copy_from_slice(&buffer[..length]))
                        .is_err()
                    {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    });
    receiver
}

/// Finds the detach keys in what the user types. Bytes of a begun sequence are held back
/// until it is complete or broken.
struct Escape {
    keys: Vec<u8>,
    matched: usize,
}

impl Escape {
    fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// What goes on to the container, and whether the sequence is complete.
    fn feed(&mut self, bytes: &[u8]) -> (Bytes, bool) {
        let mut out = Vec::with_capacity(bytes.len() + self.matched);
        for byte in bytes {
            if self.keys.get(self.matched) == Some(byte) {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    self.matched = 0;
                    return (out.into(), true);
                }
                continue;
            }
            out.extend_from_slice(&self.keys[..self.matched]);
            self.matched = 0;
            if self.keys.first() == Some(byte) {
                self.matched = 1;
            } else {
                out.push(*byte);
            }
        }
        (out.into(), false)
    }
}

/// The bytes of `ctrl-p,ctrl-q` or `a,b`.
pub fn detach_keys(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Ok(vec![16, 17]);
    }
    text.split(',')
        .map(|key| {
            let unknown = || format!("Unknown character: '{key}'");
            if let [single] = key.as_bytes() {
                return Ok(*single);
            }
            match key.strip_prefix("ctrl-").map(str::as_bytes) {
                Some([letter @ b'a'..=b'z']) => Ok(letter - b'a' + 1),
                Some(b"@") => Ok(0),
                Some(b"[") => Ok(27),
                Some(b"\\") => Ok(28),
                Some(b"]") => Ok(29),
                Some(b"^") => Ok(30),
                Some(b"_") => Ok(31),
                _ => Err(unknown()),
            }
        })
        .collect()
}

/// stdout or stderr, written at once.
///
/// Writes block: nothing else is worth doing while the reader of our output is slow.
pub enum Standard {
    Output,
    Error,
}

impl Standard {
    /// Waits without a limit, as a blocking write would.
    fn wait_until_writable(&self) {
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let descriptor = match self {
            Standard::Output => PollFd::new(&stdout, PollFlags::OUT),
            Standard::Error => PollFd::new(&stderr, PollFlags::OUT),
        };
        // A failure shows at the next write.
        let _ = poll(&mut [descriptor], None);
    }
}

impl AsyncWrite for Standard {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(loop {
            let written = match *self {
                Standard::Output => rustix::io::write(io::stdout(), buf),
                Standard::Error => rustix::io::write(io::stderr(), buf),
            };
            match written {
                Err(rustix::io::Errno::INTR) => {}
                // Another program made the shared description non-blocking.
                Err(rustix::io::Errno::AGAIN) => self.wait_until_writable(),
                other => break other.map_err(io::Error::from),
            }
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_detach_keys_are_found_across_reads_and_held_back_bytes_are_not_lost() {
        let mut escape = Escape::new(detach_keys("").unwrap());
        assert_eq!(escape.feed(b"a\x10"), (Bytes::from_static(b"a"), false));
        assert_eq!(escape.feed(b"b"), (Bytes::from_static(b"\x10b"), false));
        assert_eq!(
            escape.feed(b"\x10\x10\x11x"),
            (Bytes::from_static(b"\x10"), true)
        );
    }

    #[test]
    fn keys_have_names() {
        assert_eq!(detach_keys("ctrl-a,x").unwrap(), [1, b'x']);
        assert!(detach_keys("foo").is_err());
    }
}
