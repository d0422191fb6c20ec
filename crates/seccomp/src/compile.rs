//! From rules to a BPF program.

use crate::Arch;
use corten_oci::runtime::LinuxSeccomp;
use thiserror::Error;

/// One instruction, laid out as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if true.
    pub jt: u8,
    /// Instructions to skip if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A compiled filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// The instructions, for `seccomp(SECCOMP_SET_MODE_FILTER)`.
    pub instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_…` bits.
    pub flags: u32,
}

impl Program {
    /// The kernel's limit, `BPF_MAXINSNS`.
    pub const MAX_INSTRUCTIONS: usize = 4096;
}

/// Rules that cannot be compiled.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CompileError {
    /// An action nobody knows.
    #[error("seccomp: unknown action {0:?}")]
    UnknownAction(String),
}

/// Compiles resolved rules for a kernel whose native architecture is `arch`.
pub fn compile(seccomp: &LinuxSeccomp, arch: Arch) -> Result<Program, CompileError> {
    let _ = arch;
    Err(CompileError::UnknownAction(seccomp.default_action.clone()))
}
