//! The Docker Engine API over HTTP.
//!
//! Purpose: listens on unix sockets and TCP (with TLS), negotiates the API version, finds
//! the endpoint, turns wire values into the model's and back, and errors into statuses;
//! carries hijacked and long streams.
//!
//! Entry points: [`Server`] (serves connections for one [`Engine`](corten_engine::Engine)),
//! [`Listener`] (a bound address), [`ServerOptions`].
//!
//! Invariants: every endpoint of `corten_api::endpoint` has an answer (one exhaustive
//! match); a conversion takes a value apart field by field, so that the compiler notices a
//! forgotten one; bodies, headers and connections have limits with names ([`limits`]); work
//! for a client ends when the client leaves.
//!
//! Never knows: the kernel, the disk, drivers.
//!
//! Source: Docker Engine API 1.51, and what dockerd 28.5 answers.
#![forbid(unsafe_code)]

mod client_stream;
mod convert;
mod error;
mod first_line;
mod grpc;
mod http;
mod inherited;
pub mod limits;
mod listen;
mod messages;
mod metrics;
mod routes;
mod server;

pub use client_stream::ClientStream;
pub use listen::{ListenError, Listener, TlsFiles};
pub use server::{Server, ServerOptions};
