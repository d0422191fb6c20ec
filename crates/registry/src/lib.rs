//! An OCI distribution registry server, alone or embedded.
//!
//! Purpose: hosts images for a team without a second product: pull, push, mount, delete,
//! tags, referrers and the catalogue; passwords or bearer tokens with rights per
//! repository; TLS; blobs on the file system or in S3-compatible object storage, where any
//! number of replicas serve one bucket; a pull-through cache for many upstream registries;
//! web hooks; collection and retention while it serves; metrics; a page to look at.
//!
//! Entry points: [`Config`] says what to serve, [`Registry::open`] opens the storage,
//! [`Registry::serve`] answers one listener, [`serve()`] is the whole program's life.
//!
//! Invariants:
//! - A record is written after what it speaks of: blob, link, manifest, referrer, tag. What
//!   was acknowledged is on disk (or in the bucket).
//! - All state lies in the storage. What memory holds is a cache: replicas need not know of
//!   each other.
//! - A blob belongs to a repository through a link of that repository; having it elsewhere
//!   gives no right to it.
//! - A blob's bytes are removed by [`collect`] only: mark, then look for links; who links
//!   looks for the mark after linking (the drawing stands there).
//! - Nothing from a client becomes a part of a path before it has passed the grammar of
//!   names, tags, digests or upload identifiers.
//!
//! Never knows: containers, the engine, its store.
//!
//! Specifications: <https://github.com/opencontainers/distribution-spec> (1.1),
//! <https://distribution.github.io/distribution/spec/> (authentication, `_catalog`,
//! notifications).
#![forbid(unsafe_code)]

mod auth;
mod blobs;
mod catalog;
pub mod collect;
mod config;
mod error;
mod events;
mod in_flight;
mod layout;
pub mod limits;
mod listen;
mod manifests;
mod metrics;
mod name;
mod outbound;
mod outlet;
mod page;
mod patient;
mod proxy;
mod records;
mod referrers;
mod registry;
mod reply;
mod routes;
mod serve;
pub mod storage;
mod uploads;

pub use config::{
    AccessRule, BucketConfig, Config, ConfigError, HookConfig, Retention, Right, StorageConfig,
    TlsConfig, TokenConfig, UpstreamConfig,
};
pub use error::{Code, Error, Result};
pub use listen::Listener;
pub use name::{RepositoryName, Tag, Target};
pub use registry::Registry;
pub use serve::{ServeError, serve};
