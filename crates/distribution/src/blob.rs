//! Blobs read as a stream that goes on where it broke.

use crate::{
    error::{Error, Result, TransportError},
    http::Response,
    repository::{Ask, Repository, Server},
    url::Url,
};
use bytes::Bytes;
use corten_oci::Descriptor;
use http::{HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// The bytes of a blob, in order. When the connection breaks or stalls the rest is asked
/// for again. The length is checked here, the digest by whoever keeps the bytes.
pub struct BlobReader {
    repository: Arc<Repository>,
    descriptor: Descriptor,
    /// Of the next byte.
    offset: u64,
    open: Option<Open>,
    /// Failures since bytes last came.
    failures: u32,
    attempts_max: u32,
}

struct Open {
    response: Response,
    /// Bytes to drop: the registry started from the beginning.
    skip: u64,
}

impl Repository {
    /// Opens a blob at `offset`; bytes before it are known already. `attempts_max` failures
    /// in a row without a byte between them end it.
    pub async fn blob(
        self: &Arc<Self>,
        descriptor: &Descriptor,
        offset: u64,
        attempts_max: u32,
    ) -> Result<BlobReader> {
        let mut reader = BlobReader {
            repository: Arc::clone(self),
            descriptor: descriptor.clone(),
            offset,
            open: None,
            failures: 0,
            attempts_max: attempts_max.max(1),
        };
        if offset < descriptor.size {
            reader.reopen().await?;
        }
        Ok(reader)
    }

    async fn open_blob(&self, server: &Server, blob: &Descriptor, offset: u64) -> Result<Open> {
        let url = self.url(server, &format!("blobs/{}", blob.digest));
        let mut ask = Ask::new(Method::GET, url.clone(), &self.scope);
        if offset > 0 {
            let range = format!("bytes={offset}-");
            ask.headers.insert(
                header::RANGE,
                HeaderValue::from_str(&range).expect("digits are header text"),
            );
        }
        let response = self.ask(server, ask).await?;
        let skip = match response.status {
            StatusCode::PARTIAL_CONTENT => offset - range_start(&response, &url, offset)?,
            _ => offset,
        };
        Ok(Open { response, skip })
    }
}

/// Where a partial answer starts: at the byte asked for or before it. RFC 9110 § 14.4.
fn range_start(response: &Response, url: &Url, offset: u64) -> Result<u64> {
    let start = response
        .header(header::CONTENT_RANGE)
        .and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start.filter(|start| *start <= offset).ok_or_else(|| {
        Error::Protocol(format!(
            "{url} answered a request from byte {offset} with another range"
        ))
    })
}

impl BlobReader {
    /// The offset of the byte that [`BlobReader::next`] gives first.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if self.offset == self.descriptor.size {
                self.open = None;
                return Ok(None);
            }
            match self.try_next().await {
                Ok(Some(bytes)) => {
                    self.failures = 0;
                    return Ok(Some(bytes));
                }
                Ok(None) => {}
                Err(error) => {
                    self.open = None;
                    self.failures += 1;
                    if !error.is_transient() || self.failures >= self.attempts_max {
                        return Err(error);
                    }
                    tracing::debug!(
                        blob = %self.descriptor.digest, offset = self.offset, %error,
                        "a download goes on after a failure"
                    );
                    tokio::time::sleep(self.repository.pause(self.failures)).await;
                }
            }
        }
    }

    async fn reopen(&mut self) -> Result<()> {
        let repository = &self.repository;
        let (blob, offset) = (&self.descriptor, self.offset);
        let open = repository
            .on_servers(|server| repository.open_blob(server, blob, offset))
            .await?;
        self.open = Some(open);
        Ok(())
    }

    async fn try_next(&mut self) -> Result<Option<Bytes>> {
        if self.open.is_none() {
            self.reopen().await?;
        }
        let Some(open) = &mut self.open else {
            return Ok(None);
        };
        let failed = |open: &Open, e| Error::transport(&Method::GET, &open.response.url, e);
        let chunk = open.response.chunk().await;
        let Some(mut bytes) = chunk.map_err(|e| failed(open, e))? else {
            // Fewer bytes than announced: the rest may come with another request.
            let source = TransportError::Io("unexpected EOF".into());
            return Err(failed(open, source));
        };
        let skipped = open.skip.min(bytes.len() as u64);
        open.skip -= skipped;
        let bytes = bytes.split_off(skipped as usize);
        if bytes.is_empty() {
            return Ok(None);
        }
        self.offset += bytes.len() as u64;
        if self.offset > self.descriptor.size {
            let what = format!("blob {}", self.descriptor.digest);
            return Err(Error::Size {
                what,
                expected: self.descriptor.size,
                actual: self.offset,
            });
        }
        Ok(Some(bytes))
    }
}
