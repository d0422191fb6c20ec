//! The Open Container Initiative's types, as far as several rooms share them.
//!
//! [`Digest`] names content, [`Reference`] an image, [`Platform`] what it runs on;
//! [`Descriptor`], [`Manifest`], [`Index`] and [`ImageConfig`] are the documents an image
//! is made of; [`RootMount`] is the value in which a snapshot tells the runtime how a
//! root file system is put together.
//!
//! The types are our own rather than the `oci-spec` crate's: an image's configuration
//! carries fields of Docker that must survive a round trip byte for byte in meaning
//! (`OnBuild`, `Healthcheck`, `Shell`), and the shim parses a runtime specification on
//! the start path, where unknown enumerators must be refused by name and not at parse.
//!
//! Never knows: where bytes live, API versions.
//!
//! Specifications: <https://github.com/opencontainers/image-spec> (1.1),
//! <https://github.com/opencontainers/distribution-spec> (1.1),
//! <https://github.com/opencontainers/runtime-spec> (1.2).
#![forbid(unsafe_code)]

mod descriptor;
mod digest;
pub mod image;
pub mod manifest;
mod platform;
pub mod reference;
mod root_mount;
pub mod runtime;

pub use descriptor::{Descriptor, media_type};
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use image::{Healthcheck, History, ImageConfig, RootFs, RunConfig, chain_id};
pub use manifest::{Index, Manifest, ManifestError, ManifestOrIndex};
pub use platform::{Platform, PlatformError};
pub use reference::{Reference, ReferenceError};
pub use root_mount::RootMount;
