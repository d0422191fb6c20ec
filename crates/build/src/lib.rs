//! The builder: a Dockerfile becomes a graph of content-addressed steps, and the graph an
//! image.
//!
//! ```text
//! Dockerfile ─lower─▶ vertices ─solve─▶ layers ─export─▶ image store, tar, directory
//!                        │                ▲
//!                        └─ key ─▶ cache ─┘     Session: files, secrets, agents of the client
//!                                 ops ─────────▶ Executor: runs one process on a root
//! ```
//!
//! Entry points: [`Builder`] with [`Builder::build`]; [`Cache`], opened before the image
//! store so that nothing it needs is collected; [`Session`] and [`Executor`], which who
//! embeds the builder implements.
//!
//! Invariants:
//! - a step's key covers its definition and the content it reads, never times or names of
//!   the client; equal keys are run once, also by builds at the same time;
//! - only what the target needs is solved: of steps that the cache has, nothing below is
//!   done, pulled or looked at but what their keys cover; steps that do not need each other
//!   run together;
//! - a step that is done anew on request is never taken for what it was: what stands on it
//!   is found in the cache by content only;
//! - a step's result is a layer made of overlay's upper directory, on disk and recorded
//!   before anybody builds on it; a step that failed leaves nothing;
//! - secrets, agents and registry credentials are in no key, layer, record or message;
//! - a context that comes as one stream is known by its digest and unpacked only for steps
//!   that no record answers;
//! - paths of contexts and root file systems are walked by descriptors that do not leave
//!   their tree.
//!
//! Never knows: HTTP, gRPC, containers, the shim.
//!
//! Sources: docker/dockerfile 1.20, OCI image-spec 1.1, what BuildKit in docker 28.5 does.
#![forbid(unsafe_code)]

mod archive_context;
mod artifact;
mod build;
mod cache;
mod cache_manifest;
mod cache_mount;
mod commit;
mod config;
mod context;
mod copy;
mod error;
mod exec;
mod exec_cache;
mod executor;
mod export;
mod fetch;
mod filter;
mod fresh_file;
mod git;
mod graph;
mod inline_cache;
mod instructions;
mod inventory;
mod key;
mod known;
mod layout;
mod lower;
mod make;
mod materials;
mod order;
mod outline;
mod owner;
mod platforms;
mod program;
mod progress;
mod provenance;
mod prune;
mod put;
mod request;
mod sbom;
mod scope;
mod send;
mod session;
mod solve;
mod squash;
mod stamp;
mod step;
mod steps;
mod sync;
mod tree;
mod vertex;

pub use archive_context::{ArchiveContext, ArchiveKind};
pub use build::{Builder, BuilderConfig, Failure};
pub use cache::{Cache, CacheEntry};
pub use cache_manifest::{CachePlace, CacheTarget};
pub use cache_mount::{CacheMount, CacheMountUse, CacheMounts, KeptKind};
pub use corten_dockerfile::{Location, Warning};
pub use corten_images::{
    Annotations, Artifact, ArtifactImage, ArtifactRequest, Attestation, BlobStore, BlobStream,
    Compression, Credentials, Error as ImagesError, LayerCompression,
};
pub use error::{Error, Result};
pub use executor::{ExecRequest, Executor, Network, Output as StepOutput, OutputStream};
pub use export::{parse_names, tell_export};
pub use filter::{Filter, Subject};
pub use inventory::{Inventory, Synced};
pub use materials::{Material, Materials, redacted};
pub use outline::{ArgumentOutline, Described, Outline, Question, StageOutline};
pub use progress::{
    Event, LogStream, ProgressReceiver, ProgressSender, Status, ToldInstruction, VertexState,
    WarningEvent,
};
pub use provenance::{Invocation, ProvenanceRequest, Slsa};
pub use prune::{Keep, PruneOptions, Pruned};
pub use request::{
    BuildRequest, BuildResult, CacheSource, ContextSource, PullMode, Ulimit, shown_names,
};
pub use send::TreeSend;
pub use session::{Duplex, LocalRequest, RequestSession, Session};
pub use stamp::Stamp;
pub use sync::{FileStat, TreeSync};
