//! Images: names to manifests to layers; everything Docker does with them.
//!
//! Entry point: [`Images`], one method a verb. [`Image`] is what a container is made of:
//! an ID, a configuration and layers. Long work tells its [`Progress`] through a channel;
//! dropping the future that does the work cancels it.
//!
//! Invariants: an image's ID is the digest of its configuration, whose bytes are never
//! changed; a name is recorded after everything it stands for is durable; whatever a
//! killed daemon left half done is cleaned at the next [`Images::open`] or used by the
//! next pull.
//!
//! A layer is kept as its files and what these do not tell of its tar: `save` gives back the
//! exact tar of each diff ID, a layer can be unpacked anew and held against its digest. Its
//! compressed blob is given up when the layer gets its name, before it has cost the disk
//! anything; it is kept where the files do not give the tar, where an index that is kept
//! lists it, and where the user says so ([`Config::keep_layer_blobs`]). Its digest stays on
//! record: a registry that has it needs nothing. Another one gets the layer compressed anew,
//! once, see `layer_bytes.rs`.
//!
//! A name may keep an index, too: images for several platforms and what is said about them.
//! It means the one of these that fits this machine best; the others are unpacked when
//! somebody asks for their platform, see `kept_index.rs` and `kept_image.rs`.
//!
//! Never knows: containers (the caller says which are in use), the HTTP server.
//!
//! Specifications: <https://github.com/opencontainers/image-spec> (1.1),
//! `docker save` archives (`manifest.json`, `repositories`) as docker 28 writes them.
#![forbid(unsafe_code)]

mod archive_index;
mod artifact;
mod artifact_bases;
mod artifact_layer;
mod artifact_out;
mod blob_store;
mod bridge;
mod built;
mod cache;
mod changes;
mod cleanup;
mod cleanup_run;
mod commit;
mod distribution;
mod download;
mod error;
mod facade;
mod healthcheck;
mod kept_image;
mod kept_index;
mod layer_bytes;
mod layer_stack;
mod layer_stream;
mod limit;
mod list;
mod load;
mod load_index;
mod load_members;
mod manifest_list;
mod messages;
mod origin;
mod pattern;
mod piece;
mod progress;
mod prune;
mod pull;
mod pull_documents;
mod pull_layers;
mod push;
mod push_layer;
mod record;
mod remote;
mod remove;
mod remove_kept;
mod repair;
mod resolve;
mod rooms;
mod save;
mod state;
mod tag;
mod take_in;
mod types;
mod verify;
mod verify_kept;
mod verify_layer;

pub use artifact::{
    Annotations, Artifact, ArtifactImage, ArtifactRequest, Attestation, LayerCompression,
    StepLayers, package_url,
};
pub use artifact_bases::PushedArtifact;
pub use blob_store::{BlobStore, BlobStream, LayoutImage};
pub use cache::{CacheBlobs, RemoteCache};
pub use cleanup::{CleanupPolicy, CleanupReason, Doomed};
pub use corten_archive::Compression;
pub use corten_distribution::{
    Config as RegistryConfig, Credentials, Download, InsecureRegistry, ProxyConfig, RegistryRules,
    SearchHit,
};
pub use error::{Error, Result};
pub use facade::Images;
pub use manifest_list::{ManifestKind, ManifestSummary};
pub use origin::{BuildOrigin, Origins};
pub use progress::{Action, PROGRESS_QUEUE, Progress, ProgressSender};
pub use remote::RemoteImage;
pub use rooms::Rooms;
pub use types::*;
