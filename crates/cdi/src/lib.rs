//! The Container Device Interface: devices that vendors describe in files, put into a
//! container's OCI specification.
//!
//! Purpose: `vendor.com/class=name` stands for device nodes, mounts, variables and hooks
//! that a file below /etc/cdi or /var/run/cdi lists; a container that asks for the device
//! gets them.
//!
//! Entry points: [`Registry::load`] reads the directories, [`Registry::inject`] edits a
//! specification.
//!
//! Invariants: files are read when a container starts, so that a new one counts at once.
//! A file that cannot be understood takes nothing from the others. Either all devices
//! asked for are there, or the specification is left as it was.
//!
//! Never knows: Docker's requests, who starts the container.
//!
//! Specification: CNCF Container Device Interface 1.0.0, SPEC.md.
#![forbid(unsafe_code)]

mod error;
mod inject;
mod registry;
mod spec;
mod yaml;

pub use error::CdiError;
pub use registry::Registry;
