//! Answers: whole, as JSON, or as a stream of lines.

use crate::{ClientError, client::Idle};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Largest answer that is held in memory: lists of many thousand containers fit.
const LIMIT_BYTES: usize = 256 << 20;

/// An answer whose status was a success.
pub struct Response {
    pub(crate) inner: http::Response<Incoming>,
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) idle: Option<(Arc<Idle>, crate::client::Sender)>,
}

impl Response {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.inner.status().as_u16()
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.inner.body_mut().frame().await {
                None => return Ok(None),
                Some(Err(source)) => {
                    return Err(ClientError::Http {
                        method: self.method.clone(),
                        path: self.path.clone(),
                        source,
                    });
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub async fn bytes(mut self) -> Result<Bytes, ClientError> {
        let mut all = BytesMut::new();
        let mut single = None;
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > LIMIT_BYTES {
                return Err(ClientError::TooLarge {
                    path: self.path,
                    limit_bytes: LIMIT_BYTES,
                });
            }
            match single.take() {
                None if all.is_empty() => single = Some(chunk),
                Some(first) => {
                    let first: Bytes = first;
                    all.extend_from_slice(&first);
                    all.extend_from_slice(&chunk);
                }
                None => all.extend_from_slice(&chunk),
            }
        }
        if let Some((idle, sender)) = self.idle.take() {
            idle.put(sender);
        }
        Ok(single.unwrap_or_else(|| all.freeze()))
    }

    /// The body as JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let path = self.path.clone();
        let bytes = self.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|source| ClientError::Json { path, source })
    }

    /// The body as one JSON value a line.
    pub fn lines(self) -> Lines {
        Lines {
            response: self,
            held: BytesMut::new(),
            ended: false,
        }
    }
}

/// A body of JSON values, one a line, read as they arrive.
pub struct Lines {
    response: Response,
    held: BytesMut,
    ended: bool,
}

impl Lines {
    /// The next value; `None` at the end of the stream.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.held[searched..].iter().position(|b| *b == b'\n') {
                let line = self.held.split_to(searched + at + 1);
                searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return self.value(&line).map(Some);
            }
            searched = self.held.len();
            if self.ended {
                let rest = self.held.split();
                return if rest.trim_ascii().is_empty() {
                    Ok(None)
                } else {
                    self.value(&rest).map(Some)
                };
            }
            match self.response.chunk().await? {
                Some(chunk) if self.held.len() + chunk.len() > LIMIT_BYTES => {
                    let path = self.response.path.clone();
                    return Err(ClientError::TooLarge {
                        path,
                        limit_bytes: LIMIT_BYTES,
                    });
                }
                Some(chunk) => self.held.extend_from_slice(&chunk),
                None => self.ended = true,
            }
        }
    }

    fn value<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(line).map_err(|source| ClientError::Json {
            path: self.response.path.clone(),
            source,
        })
    }
}
