//! The Open Container Initiative's types, as far as several rooms share them.
//!
//! [`Digest`] names content; [`RootMount`] is the value in which a snapshot tells the
//! runtime how a root file system is put together. The image, distribution and runtime
//! types stand in modules of their own.
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

mod digest;
mod root_mount;
pub mod runtime;

pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use root_mount::RootMount;
