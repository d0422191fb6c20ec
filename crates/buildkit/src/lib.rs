//! BuildKit's wire: the messages of its gRPC services and gRPC's framing.
//!
//! Entry points: [`control`], [`history`] and [`gateway`] (what clients ask the builder),
//! [`llb`] (graphs), [`session`], [`content`]
//! and [`fsutil`] (what the builder asks its clients), [`Decoder`] and [`encode`] for
//! frames.
//!
//! Invariants: no I/O; fields nobody here reads are left out (a decoder skips them);
//! numbers and names are those of the public `.proto` files of moby/buildkit 0.25 and
//! tonistiigi/fsutil. A frame has at most [`FRAME_BYTES_MAX`].
//!
//! Never knows: HTTP/2, what a message leads to.
//!
//! Sources: <https://github.com/moby/buildkit> (`*.proto`),
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.
#![forbid(unsafe_code)]

pub mod content;
pub mod control;
mod frame;
pub mod fsutil;
pub mod gateway;
pub mod history;
pub mod llb;
pub mod session;

pub use frame::{Decoder, FRAME_BYTES_MAX, FrameError, encode};
pub use prost::Message;
