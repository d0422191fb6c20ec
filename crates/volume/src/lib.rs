//! Volumes: directories that outlive containers.
//!
//! Purpose: named and anonymous volumes of the `local` driver and of plugins, who uses
//! them, what is mounted over them meanwhile, the copy of the image's files into a new
//! one, and beyond Docker another name or a copy of a volume.
//!
//! Entry points: [`Volumes`], [`CreateRequest`], [`Volume`], [`copy_up()`].
//!
//! Invariants: a local volume's files are in `<root>/<name>/_data`; a volume whose options
//! name a device is mounted there, once, while containers that have it run, and never
//! travels back to where it came from; the record is durable before the volume is told of;
//! a volume with references is not removed; removal never enters a mount below the volume
//! (moby#35323); a volume with a size is limited from before its record is written until
//! its files are gone. Calls block for disk work; callers on an async runtime use a
//! blocking pool.
//!
//! Never knows: containers beyond an ID that refers to a volume.
#![forbid(unsafe_code)]

mod copy_up;
mod create;
mod duplicate;
mod error;
mod local;
mod messages;
mod mount;
mod name;
mod plugin;
mod quota;
mod remove;
mod rename;
mod tree;
mod volumes;
mod with_container;

pub use copy_up::{copy_up, has_directory};
pub use corten_sys::projects::WithinLimits;
pub use create::CreateRequest;
pub use duplicate::SNAPSHOT_LABEL;
pub use error::{PlainOperation, VolumeError};
pub use name::is_valid_name;
pub use plugin::PluginVolume;
pub use remove::Pruned;
pub use volumes::{ANONYMOUS_LABEL, LOCAL_DRIVER, Volume, Volumes};
pub use with_container::TakenOut;
