//! Client of the Docker Engine API.
//!
//! Purpose: reach an engine over a unix socket, tcp, tcp with TLS or ssh, agree on an API
//! version, and carry requests, streams and hijacked connections.
//!
//! Entry points: [`Endpoint::parse`], [`Client::new`], [`Client::request`],
//! [`Request::send`], [`Request::hijack`], [`stream::demultiplex`].
//!
//! Invariants: one idle connection is kept and used again; a hijacked connection is never
//! used again. Every failure is a [`ClientError`] whose text is the one that users of
//! Docker know.
//!
//! Never knows: the engine's insides, command lines, configuration files.
//!
//! Specification: Docker Engine API 1.51; `docker system dial-stdio` for ssh.
#![forbid(unsafe_code)]

pub mod build;
mod client;
mod endpoint;
mod error;
pub mod messages;
mod request;
mod response;
mod ssh;
pub mod stream;
mod tls;
mod transport;

pub use client::{Client, MAXIMUM_API_VERSION, Options, Ping};
pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use request::Request;
pub use response::{Lines, Response};
pub use stream::Hijacked;
pub use tls::TlsFiles;

/// One HTTP method of those the API uses.
pub use http::Method;
