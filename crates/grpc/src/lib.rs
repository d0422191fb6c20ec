//! gRPC over a connection that exists already, either side of it.
//!
//! BuildKit's sessions turn an HTTP/1 connection round: the daemon becomes the client of
//! what its client serves. Both ends are here.
//!
//! Entry points: [`Client::connect`] for calls, [`serve()`] with a [`Service`] for answers;
//! [`send_files`] for a tree of files.
//!
//! Invariants: a message is at most [`corten_buildkit::FRAME_BYTES_MAX`]; no compression;
//! a call that is dropped is dropped on the other side, too; a failure of the other side is
//! a [`Failure`] with its code and sentence.
//!
//! Never knows: what a method means, how the connection came about.
//!
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
#![forbid(unsafe_code)]

mod client;
mod failure;
mod files;
mod incoming;
mod serve;

/// Bytes of all streams of a connection together that may be on the way: what bounds is the
/// window of each stream. h2 ends a connection whose small frames that nobody has read yet
/// outgrow half of this, 256 bytes counted for each (`too_many_data_frames`); the list of a
/// context's files is tens of thousands of them.
pub const CONNECTION_WINDOW_BYTES: u32 = 1 << 30;

pub use client::Client;
pub use failure::Failure;
pub use files::{Files, send_files};
pub use incoming::Incomings;
pub use serve::{Answer, Call, Service, answers, one, serve};
