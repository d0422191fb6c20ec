//! A client for OCI and Docker registries: names to manifests, blobs in and out.
//!
//! Entry points: [`Registries`] holds what the machine's configuration says (mirrors,
//! insecure registries, certificates, proxies) and opens a [`Repository`] for one name;
//! [`Credentials`] are what the user gave; [`Registries::download`] fetches a plain file.
//!
//! Invariants: bytes are checked against their digest before they are handed on as
//! right; credentials go to the host they were given for (and the token server it
//! names, see `token_server.rs`) and nowhere else; TLS never falls back to plain HTTP unless the registry is
//! loopback or configured insecure; every wait on a registry has a limit.
//!
//! Never knows: disk, the image store.
//!
//! Specifications: <https://github.com/opencontainers/distribution-spec> (1.1),
//! <https://distribution.github.io/distribution/spec/auth/>, RFC 7233 (ranges).
#![forbid(unsafe_code)]

mod answer;
mod blob;
mod challenge;
mod config;
mod connect;
mod download;
mod error;
mod http;
pub mod limits;
mod login;
mod manifest;
mod pool;
mod post;
mod registries;
mod repository;
mod search;
mod tls;
mod token;
mod token_server;
mod upload;
mod upload_body;
mod url;

pub use blob::BlobReader;
pub use challenge::{Challenge, challenges};
pub use config::{Config, Credentials, InsecureRegistry, ProxyConfig, RegistryRules};
pub use download::Download;
pub use error::{Error, RegistryError, RegistryErrorEntry, Result, TransportError};
pub use manifest::FetchedManifest;
pub use post::{Answer, Message};
pub use registries::Registries;
pub use repository::{Access, Repository};
pub use search::SearchHit;
pub use upload::{Begun, UploadUrl};
pub use upload_body::UploadBody;
