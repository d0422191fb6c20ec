//! The OCI runtime: makes a container's first process, lets it go, adds processes to it.
//!
//! Purpose: turn a runtime specification and a root file system into a process that
//! stands before its `execve` in all its namespaces ([`create()`], [`Created`]), start it
//! ([`Created::start`]), and run further processes beside it ([`exec()`]). The shim calls
//! these as a library; the program `corten-runtime` gives them runc's command line.
//!
//! Entry points: [`create()`], [`exec()`], [`CreateRequest`], [`ExecRequest`].
//!
//! Invariants:
//! - The caller is a process of one thread; a child is a plain copy of it, which does
//!   its work with the descriptors prepared before the clone.
//! - No path of the container's tree is followed outside its root: targets are opened
//!   with openat2(2) RESOLVE_IN_ROOT and used by descriptor.
//! - Mounts are made in the container's mount namespace only.
//! - A failure before or at the user's `execve` is a [`StartError`] with its stage, the
//!   errno and the path.
//!
//! Never knows: Docker, images, networks, the daemon, tokio. It makes no cgroups; a
//! process joins the one that the caller has made.
//!
//! Specification: <https://github.com/opencontainers/runtime-spec/blob/v1.2.0/spec.md>
#![forbid(unsafe_code)]

mod cgroup_mount;
mod channel;
mod child_mount;
mod console;
mod copy_up;
mod create;
mod credentials;
mod device_rules;
mod devices;
mod error;
mod exec;
mod filter;
mod hooks;
mod ids;
mod image_mount;
mod init;
mod last_steps;
mod limits;
mod masks;
mod messages;
mod mount_target;
mod mounts;
mod namespace;
mod options;
mod plan;
mod process;
mod program;
mod request;
mod sysctl;
mod user;

pub use create::{Created, Running, create, start_through};
pub use credentials::capability_names;
pub use device_rules::default_device_rules;
pub use error::{Stage, StartError};
pub use exec::{Child, exec};
pub use filter::compile_filter;
pub use hooks::run_hooks;
pub use messages::errno_text;
pub use mounts::{RootUsers, bind_tree, root_tree};
pub use options::mount_option_names;
pub use request::{
    CgroupJoin, CreateRequest, ExecRequest, ExecTarget, Gate, Namespaces, Stdio, UserText,
    WindowSize,
};
pub use user::{Identity, find_user};
