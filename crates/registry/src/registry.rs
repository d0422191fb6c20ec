//! The registry: its storage and everything that serves from it.

use crate::{
    auth::Gate,
    config::{Config, StorageConfig},
    events::Events,
    metrics::Metrics,
    proxy::Upstreams,
    serve::ServeError,
    storage::{Bucket, Files, Storage},
    uploads::Uploads,
};
use std::sync::Arc;

/// A registry over its storage. Cheap to clone; all clones are one registry.
#[derive(Clone)]
pub struct Registry(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub storage: Storage,
    pub config: Config,
    pub gate: Gate,
    pub uploads: Uploads,
    pub upstreams: Upstreams,
    pub events: Events,
    pub metrics: Metrics,
}

impl Registry {
    /// Opens the storage and reads the files the configuration names. Web hooks are told
    /// by tasks of the runtime this is called in.
    pub fn open(config: Config) -> Result<Self, ServeError> {
        config.check()?;
        let storage = match &config.storage {
            StorageConfig::Directory(path) => Files::open(path).map(Storage::Files),
            StorageConfig::Bucket(bucket) => Bucket::open(bucket).map(Storage::Bucket),
        };
        let storage = storage.map_err(ServeError::Storage)?;
        Ok(Self(Arc::new(Inner {
            storage,
            gate: Gate::open(&config)?,
            uploads: Uploads::default(),
            upstreams: Upstreams::open(&config)?,
            events: Events::start(&config.hooks)?,
            metrics: Metrics::default(),
            config,
        })))
    }
}
