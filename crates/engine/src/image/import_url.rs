//! `POST /images/create?fromSrc=URL`: a tree that the daemon itself fetches.

use crate::{ByteStream, Engine, EngineError, ImportRequest, Result, messages};
use corten_images::Download;
use corten_model::Progress;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use std::{io, sync::Arc};

/// Bytes of a refusal's document that are told.
const REFUSAL_BYTES_MAX: usize = 64 << 10;

impl Engine {
    /// `POST /images/create?fromSrc=URL`. Without a scheme it is plain HTTP, as with dockerd;
    /// certificates must be vouched for by the system's authorities.
    pub async fn image_import_url(
        self: &Arc<Self>,
        request: ImportRequest,
        url: &str,
    ) -> Result<BoxStream<'static, Progress>> {
        let url = match url.contains("://") {
            true => url.to_owned(),
            false => format!("http://{url}"),
        };
        let download = self.images.download(&url).await?;
        if download.status() >= 400 {
            return Err(refusal(&url, download).await);
        }
        let line = Progress {
            status: format!("Downloading from {url}"),
            ..Progress::default()
        };
        let importing = self.image_import(request, chunks(download)).await?;
        Ok(stream::iter([line]).chain(importing).boxed())
    }
}

/// A server's refusal with dockerd's sentence and status.
async fn refusal(url: &str, mut download: Download) -> EngineError {
    let status = download.status();
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = download.chunk().await {
        text.extend_from_slice(&chunk[..chunk.len().min(REFUSAL_BYTES_MAX - text.len())]);
        if text.len() == REFUSAL_BYTES_MAX {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text);
    let sentence = messages::failed_get(url, status, text.trim());
    match status {
        400 => EngineError::Invalid(sentence),
        403 => EngineError::Forbidden(sentence),
        404 => EngineError::NotFound(sentence),
        _ => EngineError::Failed(sentence),
    }
}

fn chunks(download: Download) -> ByteStream {
    stream::try_unfold(download, |mut download| async move {
        let chunk = download.chunk().await.map_err(io::Error::other)?;
        Ok(chunk.map(|chunk| (chunk, download)))
    })
    .boxed()
}
