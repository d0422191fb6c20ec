//! What the programs `cortend` and `corten` are made of, beside the rooms.
//!
//! Purpose: the daemon's command line and daemon.json ([`flags`], [`settings`],
//! [`config`]), its life from start to end ([`daemon`]), and the one place where the rooms
//! are put together ([`assemble`]).
//!
//! Invariants: a setting that dockerd knows is honoured or refused by name; nothing is
//! read and dropped. The daemon's end leaves containers alone: they live on, and the next
//! start finds them again.
//!
//! Never knows: what a room does.
#![forbid(unsafe_code)]

mod activation;
pub mod assemble;
pub mod config;
pub mod daemon;
mod descriptors;
pub mod flags;
mod hosts;
mod pid_file;
pub mod registry;
pub mod settings;
