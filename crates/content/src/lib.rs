//! Blobs by digest: taken in, verified, made durable, leased, collected.
//!
//! Entry points: [`ContentStore::open`], [`ContentStore::ingest`] to write a blob (of a
//! known digest, resumable, or of one to be found out), [`ContentStore::open_blob`] to
//! read one, [`Lease`] to keep one, [`ContentStore::begin_collection`] to drop the rest.
//!
//! Invariants: a file under `blobs/` has the bytes its name says and was on disk before
//! it got that name (data, rename, directory, in this order); what is half written stands
//! under `ingest/`. A blob has one writer at a time. Nothing that a lease holds is ever
//! removed. Leases live in memory: they belong to work of this process, which a restart
//! ends.
//!
//! The interface is synchronous; callers run it on their blocking threads.
//!
//! Never knows: image names, registries, what a blob means.
//!
//! Specification: OCI image-layout 1.1 § Blobs, for the directory's shape.
#![forbid(unsafe_code)]

mod collect;
mod error;
mod ingest;
mod lease;
mod store;

pub use collect::{Collected, Collection};
pub use error::{Error, Result};
pub use ingest::{Begun, Finished, Ingest, IngestRequest};
pub use lease::Lease;
pub use store::{Blob, ContentStore};
