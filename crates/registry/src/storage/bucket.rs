//! Objects in an S3-compatible bucket, through the `object_store` crate over our own HTTP
//! client. Nothing is kept on this machine: any number of replicas serve one bucket.
//!
//! An upload is a row of pieces, one for each request, named by their offsets; a single
//! piece becomes the blob by a copy inside the store, several are put together in a
//! multipart upload.

use super::{ByteStream, Entry, Stat, Sum, failed, past_limit, too_large};
use crate::{
    config::BucketConfig,
    error::{Error, Result},
    layout,
    limits::{COPY_BYTES, PART_BYTES, PARTS, STORE_TIME},
    outbound::Outbound,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use corten_oci::Digest;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use object_store::{
    ClientOptions, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
    aws::AmazonS3Builder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
    path::Path,
};
use std::{io, ops::Range, sync::Arc};
use tokio::task::JoinSet;

/// A bucket as storage. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
}

/// Where a piece of an upload begins, in its name: digits enough for any offset, so that
/// names sort as numbers.
const OFFSET_DIGITS: usize = 16;

impl Bucket {
    /// Opens the bucket. Nothing is asked of it yet.
    pub fn open(config: &BucketConfig) -> io::Result<Self> {
        let outbound = Outbound::new(config.authority.as_deref())?;
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Connector(outbound))
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_virtual_hosted_style_request(config.virtual_hosted)
            .with_allow_http(
                config
                    .endpoint
                    .as_deref()
                    .is_some_and(|e| e.starts_with("http://")),
            );
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        let from =
            |value: &Option<String>, name: &str| value.clone().or_else(|| std::env::var(name).ok());
        let key = from(&config.access_key_id, "AWS_ACCESS_KEY_ID");
        let secret = config
            .secret()?
            .or_else(|| std::env::var("AWS_SECRET_ACCESS_KEY").ok());
        if let (Some(key), Some(secret)) = (key, secret) {
            builder = builder
                .with_access_key_id(key)
                .with_secret_access_key(secret);
        }
        let store = builder.build().map_err(io::Error::other)?;
        Ok(Self {
            store: Arc::new(store),
            prefix: config.prefix.trim_matches('/').to_owned(),
        })
    }

    fn path(&self, key: &str) -> Path {
        match self.prefix.as_str() {
            "" => Path::from(key),
            prefix => Path::from(format!("{prefix}/{key}")),
        }
    }

    pub(super) async fn read(&self, key: &str, limit: u64) -> Result<Option<Bytes>> {
        let got = self.store.get(&self.path(key)).await;
        let Some(got) = found("reading", key, got)? else {
            return Ok(None);
        };
        if got.meta.size > limit {
            return Err(too_large(key, limit));
        }
        let bytes = got.bytes().await;
        bytes.map(Some).map_err(|e| refused("reading", key, e))
    }

    pub(super) async fn write(&self, key: &str, bytes: Bytes) -> Result<()> {
        let put = self
            .store
            .put(&self.path(key), PutPayload::from_bytes(bytes))
            .await;
        put.map(drop).map_err(|e| refused("writing", key, e))
    }

    pub(super) async fn remove(&self, key: &str) -> Result<bool> {
        let was_there = self.stat(key).await?.is_some();
        if was_there {
            found("removing", key, self.store.delete(&self.path(key)).await)?;
        }
        Ok(was_there)
    }

    pub(super) async fn stat(&self, key: &str) -> Result<Option<Stat>> {
        let meta = found("reading", key, self.store.head(&self.path(key)).await)?;
        Ok(meta.map(|meta| Stat {
            size: meta.size,
            modified: meta.last_modified.into(),
        }))
    }

    pub(super) async fn read_stream(&self, key: &str, range: Range<u64>) -> Result<ByteStream> {
        if range.is_empty() {
            return Ok(stream::empty().boxed());
        }
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&self.path(key), options).await;
        let got = got.map_err(|e| refused("reading", key, e))?;
        Ok(got.into_stream().map_err(io::Error::other).boxed())
    }

    pub(super) async fn entries(&self, prefix: &str) -> Result<Vec<Entry>> {
        let listed = self
            .store
            .list_with_delimiter(Some(&self.path(prefix)))
            .await;
        let listed = listed.map_err(|e| refused("listing", prefix, e))?;
        let mut entries: Vec<Entry> = listed
            .objects
            .into_iter()
            .filter_map(|meta| {
                let name = meta.location.filename()?.to_owned();
                let stat = Stat {
                    size: meta.size,
                    modified: meta.last_modified.into(),
                };
                Some(Entry { name, stat })
            })
            .collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    pub(super) async fn directories(&self, prefix: &str) -> Result<Vec<String>> {
        let listed = self
            .store
            .list_with_delimiter(Some(&self.path(prefix)))
            .await;
        let listed = listed.map_err(|e| refused("listing", prefix, e))?;
        let names = listed.common_prefixes.iter();
        let mut names: Vec<String> = names
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// The pieces of an upload: offset, size.
    async fn pieces(&self, upload: &str) -> Result<Vec<(u64, u64)>> {
        let entries = self.entries(&pieces(upload)).await?;
        let offset = |entry: &Entry| Some((entry.name.parse().ok()?, entry.stat.size));
        Ok(entries.iter().filter_map(offset).collect())
    }

    pub(super) async fn upload_size(&self, upload: &str) -> Result<u64> {
        // What does not join on to what is before it was left by a request that lost.
        let pieces = self.pieces(upload).await?;
        Ok(pieces
            .iter()
            .fold(0, |end, (offset, size)| match *offset == end {
                true => end + size,
                false => end,
            }))
    }

    pub(super) async fn upload_append(
        &self,
        upload: &str,
        stream: ByteStream,
        sum: &mut Sum,
        limit: u64,
    ) -> Result<()> {
        let from = sum.offset;
        let key = format!("{}/{from:0OFFSET_DIGITS$}", pieces(upload));
        let mut counted = (sum.hasher.clone(), sum.offset);
        let stream = stream.map_err(|error| Error::Body(error.to_string()));
        let write = self.write_stream(&key, stream.boxed(), |bytes| {
            counted.0.update(bytes);
            counted.1 += bytes.len() as u64;
            match counted.1 > limit {
                true => Err(past_limit(limit)),
                false => Ok(()),
            }
        });
        write.await?;
        if counted.1 == from {
            return Ok(());
        }
        if sum.from == 0 {
            // For a replica that did not see all bytes and shall end the upload.
            let note = format!("{} {}", counted.1, counted.0.clone().finish());
            self.write(&noted(upload), note.into()).await?;
        }
        (sum.hasher, sum.offset) = counted;
        Ok(())
    }

    pub(super) async fn upload_open(&self, upload: &str) -> Result<ByteStream> {
        let mut streams = Vec::new();
        for (offset, size) in self.pieces(upload).await? {
            let key = format!("{}/{offset:0OFFSET_DIGITS$}", pieces(upload));
            let this = self.clone();
            streams.push(async move {
                this.read_stream(&key, 0..size)
                    .await
                    .map_err(io::Error::other)
            });
        }
        Ok(stream::iter(streams)
            .then(|opening| opening)
            .try_flatten()
            .boxed())
    }

    pub(super) async fn upload_digest(&self, upload: &str) -> Result<Option<Digest>> {
        let Some(note) = self.read(&noted(upload), 1024).await? else {
            return Ok(None);
        };
        let note = String::from_utf8_lossy(&note);
        let size = self.upload_size(upload).await?;
        let fits = note.split_once(' ').filter(|(n, _)| *n == size.to_string());
        Ok(fits.and_then(|(_, digest)| digest.parse().ok()))
    }

    pub(super) async fn upload_commit(&self, upload: &str, key: &str) -> Result<()> {
        match &self.pieces(upload).await?[..] {
            [] => self.write(key, Bytes::new()).await?,
            [(0, size)] if *size <= COPY_BYTES => {
                let from = self.path(&format!("{}/{:0OFFSET_DIGITS$}", pieces(upload), 0));
                let copied = self.store.copy(&from, &self.path(key)).await;
                copied.map_err(|e| refused("copying", key, e))?;
            }
            _ => {
                let stream = self.upload_open(upload).await?;
                let stream = stream.map_err(|e| failed("reading", key, e)).boxed();
                self.write_stream(key, stream, |_| Ok(())).await?;
            }
        }
        self.upload_remove(upload).await
    }

    pub(super) async fn upload_remove(&self, upload: &str) -> Result<()> {
        let prefix = self.path(&layout::upload(upload));
        let objects = self.store.list(Some(&prefix)).map_ok(|meta| meta.location);
        let removed = self.store.delete_stream(objects.boxed());
        let removed = removed.try_for_each(|_| async { Ok(()) }).await;
        found("removing", upload, removed).map(drop)
    }

    /// Writes a stream as one object: whole in one request when it is short, else in
    /// parts. Nothing of it is seen before its end, or when it breaks.
    async fn write_stream(
        &self,
        key: &str,
        mut stream: stream::BoxStream<'_, Result<Bytes>>,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let first = next_part(&mut stream, &mut each).await?;
        if first.len() < PART_BYTES {
            return match first.is_empty() {
                true => Ok(()),
                false => self.write(key, first).await,
            };
        }
        let begun = self.store.put_multipart(&self.path(key)).await;
        let mut parts = begun.map_err(|e| refused("writing", key, e))?;
        let written = send_parts(key, first, &mut stream, &mut each, parts.as_mut()).await;
        match written {
            Ok(()) => parts
                .complete()
                .await
                .map(drop)
                .map_err(|e| refused("writing", key, e)),
            Err(error) => {
                if let Err(error) = parts.abort().await {
                    tracing::warn!(key, %error, "parts of an upload stay in the bucket");
                }
                Err(error)
            }
        }
    }
}

async fn send_parts(
    key: &str,
    first: Bytes,
    stream: &mut stream::BoxStream<'_, Result<Bytes>>,
    each: &mut impl FnMut(&[u8]) -> Result<()>,
    parts: &mut dyn MultipartUpload,
) -> Result<()> {
    let mut sending = JoinSet::new();
    let mut part = first;
    loop {
        let last = part.len() < PART_BYTES;
        if !part.is_empty() {
            sending.spawn(parts.put_part(PutPayload::from_bytes(part)));
        }
        let room = if last { 0 } else { PARTS - 1 };
        while sending.len() > room {
            let Some(sent) = sending.join_next().await else {
                break;
            };
            let sent = sent.map_err(|e| failed("writing", key, io::Error::other(e)))?;
            sent.map_err(|e| refused("writing", key, e))?;
        }
        if last {
            return Ok(());
        }
        part = next_part(stream, each).await?;
    }
}

/// Gathers one part; shorter than [`PART_BYTES`] only at the end of the stream.
async fn next_part(
    stream: &mut stream::BoxStream<'_, Result<Bytes>>,
    each: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<Bytes> {
    let mut part = BytesMut::new();
    while part.len() < PART_BYTES {
        let Some(bytes) = stream.try_next().await? else {
            break;
        };
        each(&bytes)?;
        part.extend_from_slice(&bytes);
    }
    Ok(part.freeze())
}

fn pieces(upload: &str) -> String {
    format!("{}/pieces", layout::upload(upload))
}

fn noted(upload: &str) -> String {
    format!("{}/digest", layout::upload(upload))
}

fn refused(operation: &'static str, key: &str, error: object_store::Error) -> Error {
    failed(operation, key, io::Error::other(error))
}

fn found<T>(
    operation: &'static str,
    key: &str,
    result: object_store::Result<T>,
) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(refused(operation, key, error)),
    }
}

/// Our HTTP client, as `object_store` wants it.
#[derive(Debug)]
struct Connector(Outbound);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(Outbound);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent = self.0.send(request, STORE_TIME).await;
        let response = sent.map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                io::ErrorKind::NotConnected => HttpErrorKind::Connect,
                _ => HttpErrorKind::Interrupted,
            };
            HttpError::new(kind, error)
        })?;
        Ok(response.map(|body| {
            let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
            HttpResponseBody::new(body)
        }))
    }
}
