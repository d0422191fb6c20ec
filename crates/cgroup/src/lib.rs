//! Control groups, version 1, version 2 and both at once, from OCI resources.
//!
//! Purpose: make a container's groups, put limits on them, let a child join them, count
//! what it uses, freeze it, kill it, hear of its running out of memory, and remove the
//! groups again. The driver is Docker's `cgroupfs`: the kernel's files are written
//! directly.
//!
//! Entry points: [`Cgroup::create`], [`Cgroup::open`], then the methods of [`Cgroup`];
//! [`Host::detect`] tells what this machine has.
//!
//! Invariants:
//! - A controller that the host does not have is an error only when a limit for it was
//!   asked for, as with runc.
//! - A device allow list starts from "deny everything" (GO-2022-0396).
//! - A parent never moves a process: writing another's pid waits for a grace period
//!   (7 ms and more). The child joins itself; see [`JoinHandles`].
//! - What was made is removed when creation fails midway.
//!
//! Never knows: container names or states.
//!
//! Specifications: OCI runtime-spec 1.2 config-linux § Control groups; the kernel's
//! admin-guide/cgroup-v2.rst and admin-guide/cgroup-v1/.
#![forbid(unsafe_code)]

mod cgroup;
mod convert;
mod delete;
mod device;
mod error;
mod file;
mod freeze;
mod host;
mod oom;
mod stats;
mod v1;
mod v2;

pub use cgroup::{Cgroup, JoinHandles};
pub use error::CgroupError;
pub use freeze::FreezerState;
pub use host::{Hierarchy, Host, Mode};
pub use oom::OomWatch;
pub use stats::{
    BlockIoEntry, BlockIoStats, CpuStats, HugepageStats, MemoryStats, PidsStats, RdmaStats, Stats,
};
