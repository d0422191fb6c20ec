//! Layered file systems: layers kept by diff ID, containers' writable directories on
//! top of them.
//!
//! Entry points: [`LayerStore`] keeps unpacked layers ([`LayerStore::begin`],
//! [`LayerStore::commit`], [`LayerStore::begin_collection`]); a [`Snapshotter`] ([`Overlay`],
//! [`Plain`]) puts a container's root together from them.
//!
//! Invariants: a directory under its diff ID is complete and was on disk before it got
//! that name. Roots are not mounted here: a snapshotter returns values
//! ([`corten_oci::RootMount`]) that the runtime mounts in the container's own namespace.
//! The mounts of indexed layers ([`Form::Indexed`]) are on no mount table; the kernel keeps
//! each as long as this process or a container uses it, and nothing is left of them after
//! a crash.
//! Removal is a rename into a trash directory, which a thread empties.
//!
//! Never knows: image names, tar, containers beyond a key.
//!
//! Specification: Linux `Documentation/filesystems/overlayfs.rst`; OCI image-spec 1.1
//! `config.md` § Layer DiffID, § Layer ChainID.
#![forbid(unsafe_code)]

mod disk;
mod error;
mod indexed;
mod layer;
mod layers;
mod lease;
mod limit;
mod open_root;
mod overlay;
mod pending;
mod plain;
mod roots;
mod snapshots;
mod snapshotter;
mod trash;

pub use error::{Error, Result};
pub use layer::{Form, Layer, Tar};
pub use layers::{FileSystem, LayerStore, NewLayer};
pub use lease::{Collected, LayerCollection, LayerLease};
pub use open_root::{AssembledRoot, MountedIn, assemble_root, open_root};
pub use overlay::Overlay;
pub use pending::PendingLayer;
pub use plain::Plain;
pub use snapshotter::{Snapshotter, Usage};
