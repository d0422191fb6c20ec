//! Seccomp profiles to BPF programs. Pure.
//!
//! Purpose: [`Profile`] is Docker's profile format (`--security-opt seccomp=FILE`) with
//! [`default_profile`] as data; [`Profile::resolve`] settles its conditions for one
//! container (capabilities, architecture, kernel) into the OCI form; [`compile()`] turns that
//! into a classic BPF program with a binary search on the system call number.
//!
//! Invariants: the program never allows what the profile denies, and is at most
//! [`Program::MAX_INSTRUCTIONS`] long. Names of system calls that this build does not know
//! are ignored, as runc does.
//!
//! Never knows: how filters are loaded.
//!
//! Sources: seccomp(2), OCI runtime-spec 1.2 config-linux § Seccomp.
#![forbid(unsafe_code)]

mod action;
mod arch;
mod bpf;
mod compile;
mod profile;
mod syscalls;

pub use arch::Arch;
pub use bpf::Instruction;
pub use compile::{CompileError, Program, compile};
pub use profile::{
    ArchMapEntry, Conditions, Filter, KernelVersion, Profile, ProfileError, ProfileRule,
    default_profile,
};
