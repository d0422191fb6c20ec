//! System calls that `rustix` lacks, and race-free access to hostile directory trees.
//!
//! Purpose: one safe function with owned descriptors for each call that the rooms need
//! and that `rustix` does not cover. The only crate with `unsafe`: one call a function,
//! with the invariant of that call beside it.
//!
//! Never knows: OCI, Docker, policy.
//!
//! Documentation: <https://man7.org/linux/man-pages/dir_section_2.html>

pub mod bpf;
pub mod netlink;
pub mod seccomp;
pub mod signal;
