//! `logs`.

use super::streams::Standard;
use crate::{app::Call, error::CliError};
use corten_api::container::Inspect;
use corten_client::{Client, Response, stream};
use futures_util::TryStreamExt;
use std::io;
use tokio::io::AsyncWriteExt;

/// Prints a container's log; `--follow` goes on until it ends.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let name = Client::segment(call.arg(0));
    let client = call.client().await?;
    let container: Inspect = client
        .get(format!("/containers/{name}/json"))
        .send()
        .await?
        .json()
        .await?;
    let response = client
        .get(format!("/containers/{}/logs", container.id))
        .query("stdout", "1")
        .query("stderr", "1")
        .query_if("since", crate::times::for_query(parsed.text("since"))?)
        .query_if("until", crate::times::for_query(parsed.text("until"))?)
        .flag("timestamps", parsed.is_on("timestamps"))
        .flag("follow", parsed.is_on("follow"))
        .flag("details", parsed.is_on("details"))
        .query("tail", parsed.get("tail").unwrap_or("all"))
        .send()
        .await?;
    print(response, container.config.tty).await?;
    Ok(0)
}

/// Prints a body that is raw (tty) or framed.
async fn print(mut response: Response, raw: bool) -> Result<(), CliError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::BrokenPipe => CliError::Closed,
        _ => CliError::Text(error.to_string()),
    };
    if raw {
        while let Some(chunk) = response.chunk().await? {
            Standard::Output.write_all(&chunk).await.map_err(failed)?;
        }
        return Ok(());
    }
    stream::demultiplex(body(response), Standard::Output, Standard::Error)
        .await
        .map_err(failed)
}

/// A body to be read as it comes.
pub fn body(response: Response) -> impl tokio::io::AsyncRead + Unpin {
    let pieces = futures_util::stream::try_unfold(response, |mut response| async move {
        let chunk = response.chunk().await.map_err(io::Error::other)?;
        Ok::<_, io::Error>(chunk.map(|chunk| (chunk, response)))
    });
    Pieces {
        pieces: Box::pin(pieces.into_stream()),
        held: bytes::Bytes::new(),
    }
}

struct Pieces<S> {
    pieces: std::pin::Pin<Box<S>>,
    held: bytes::Bytes,
}

impl<S: futures_util::Stream<Item = io::Result<bytes::Bytes>>> tokio::io::AsyncRead for Pieces<S> {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        use std::task::{Poll, ready};
        while self.held.is_empty() {
            match ready!(self.pieces.as_mut().poll_next(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(piece) => self.held = piece?,
            }
        }
        let length = self.held.len().min(buf.remaining());
        buf.put_slice(&self.held.split_to(length));
        Poll::Ready(Ok(()))
    }
}
