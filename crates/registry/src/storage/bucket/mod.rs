//! Objects in an S3-compatible bucket, through the `object_store` crate over our own HTTP
//! client. Nothing is kept on this machine: any number of replicas serve one bucket.
//!
//! An upload is a row of pieces ([`pieces`]); a single piece becomes the blob by a copy
//! inside the store, several are put together in a multipart upload.

mod connect;
mod multiparts;
mod parts;
mod pieces;

use super::{ByteStream, Entry, Stat, failed, too_large};
use crate::{
    config::BucketConfig,
    error::{Error, Result},
    limits::PIECE_BYTES,
    outbound::Outbound,
};
use bytes::Bytes;
use connect::Connector;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use std::{io, ops::Range, sync::Arc};

/// A bucket as storage. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    piece_bytes: u64,
}

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
            // Keys that a role lends for some hours come with a token.
            if let Some(token) = config
                .access_key_id
                .is_none()
                .then(|| std::env::var("AWS_SESSION_TOKEN").ok())
                .flatten()
            {
                builder = builder.with_token(token);
            }
        }
        let store = builder.build().map_err(io::Error::other)?;
        Ok(Self {
            store: Arc::new(store),
            prefix: config.prefix.trim_matches('/').to_owned(),
            piece_bytes: PIECE_BYTES,
        })
    }

    /// The same with smaller pieces of uploads than [`PIECE_BYTES`]; whole parts.
    #[must_use]
    pub fn with_piece_bytes(mut self, piece_bytes: u64) -> Self {
        self.piece_bytes = piece_bytes;
        self
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
}

/// What sets an object apart from others of its kind.
fn number() -> Result<String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| failed("naming", "an object", io::Error::other(error)))?;
    Ok(hex::encode(bytes))
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
