//! System calls that `rustix` lacks, and race-free access to hostile directory trees.
//!
//! Purpose: one safe function with owned descriptors for each call that the rooms need
//! and that `rustix` does not cover ([`clone`], [`exec`], [`namespace`], [`seccomp`],
//! [`signal`],
//! [`signal_state`], [`socket`], [`spawn`], [`task`], [`memory`], [`writeback`]), mounts as descriptors ([`mount`]) and put together ([`assembled`]), limits of
//! trees' sizes ([`quota`], [`projects`]), directory trees that an
//! adversary may change at any moment ([`root::Root`]), and a `/proc` nobody can put
//! anything over ([`procfs::Procfs`]). The only crate with `unsafe`: one call a
//! function, with the invariant of that call beside it.
//!
//! Never knows: OCI, Docker, policy.
//!
//! Documentation: <https://man7.org/linux/man-pages/dir_section_2.html>

pub mod assembled;
pub mod bpf;
pub mod clone;
pub mod exec;
pub mod inherited;
pub mod malloc;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod netlink;
pub mod procfs;
pub mod projects;
pub mod quota;
pub mod root;
pub mod seccomp;
pub mod signal;
pub mod signal_state;
pub mod signal_wait;
pub mod socket;
pub mod spawn;
pub mod task;
pub mod writeback;
