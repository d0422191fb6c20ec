//! Volumes: directories that outlive containers.
//!
//! Purpose: named and anonymous volumes of the `local` driver, who uses them, and the
//! copy of the image's files into a new one.
//!
//! Entry points: [`Volumes`], [`CreateRequest`], [`Volume`], [`copy_up()`].
//!
//! Invariants: a volume's files are in `<root>/<name>/_data`; the record is durable before
//! the volume is told of; a volume with references is not removed; removal never enters a
//! mount below the volume. Calls block for disk work; callers on an async runtime use a
//! blocking pool.
//!
//! Never knows: containers beyond an ID that refers to a volume.
#![forbid(unsafe_code)]

mod copy_up;
mod create;
mod error;
mod messages;
mod name;
mod remove;
mod tree;
mod volumes;

pub use copy_up::copy_up;
pub use create::CreateRequest;
pub use error::VolumeError;
pub use name::is_valid_name;
pub use remove::Pruned;
pub use volumes::{ANONYMOUS_LABEL, LOCAL_DRIVER, Volume, Volumes};
