//! The messages between the engine and a container's shim, and the engine's end of
//! the conversation.
//!
//! Purpose: one shim supervises one container. It listens on a unix stream socket
//! (mode 0600, in a directory of mode 0700) and answers [`Request`]s with one
//! [`Reply`] each, in order. A connection that sent [`Request::Subscribe`] carries
//! [`Event`]s from then on. Standard streams travel on sockets of their own, which are
//! handed over as descriptors, so that a control connection never waits for bytes of a
//! container.
//!
//! ```text
//!  engine                                  shim
//!    │ spawn: its end of a socket pair is     │
//!    │ the shim's descriptor 0                │
//!    ├── Start {spec, …} + netns, streams ───▶│ create, start
//!    │◀─────────────── Started {pid} ─────────┤ listens at `socket` from here on
//!    ├── connect(socket), Subscribe ─────────▶│
//!    │◀────────────── Subscribed {state} ─────┤
//!    │◀───────── Event::Exit, after exit.json │ goes away when all is told
//! ```
//!
//! Entry points: [`Request`], [`Reply`], [`Event`]; [`frame`] for the wire;
//! [`ExitRecord`] for the durable status; `client` (feature `client`) for the engine.
//!
//! Invariants: a frame is a little-endian `u32` length and that many bytes of JSON, at
//! most [`frame::MAX_MESSAGE_BYTES`]. Unknown fields are ignored and new ones have
//! defaults, so that an engine may talk to a shim of the release before it.
//!
//! Never knows: how a container is made.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
mod event;
mod exit;
mod failure;
pub mod frame;
mod request;
mod stream;

pub use event::{Event, ExecState, State, Status};
pub use exit::{Exit, ExitFileError, ExitRecord};
pub use failure::{Failure, FailureStage};
pub use request::{
    AttachOptions, ExecRequest, ExternalRuntime, JsonFileLog, Log, PROTOCOL_VERSION, RemoteLimit,
    RemoteLog, Reply, Request, StartRequest, Started, Stdin, TerminalSize,
};
pub use stream::{Stream, header};
