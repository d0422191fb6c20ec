//! The system call filter of a specification, compiled.

use crate::{Stage, StartError};
use corten_oci::runtime::LinuxSeccomp;
use corten_seccomp::Arch;
use corten_sys::seccomp::{Filter, Instruction};

/// Compiles a filter for the machine's architecture.
///
/// # Errors
/// An action, an operator or an architecture that does not exist, or a filter that is
/// too long for the kernel.
pub fn compile_filter(seccomp: &LinuxSeccomp) -> Result<Filter, StartError> {
    let refused = |sentence: String| StartError::refused(Stage::Seccomp, "", sentence);
    let native = Arch::native()
        .ok_or_else(|| refused("no system call table for this architecture".to_owned()))?;
    let program =
        corten_seccomp::compile(seccomp, native).map_err(|error| refused(error.to_string()))?;
    let instruction = |i: corten_seccomp::Instruction| Instruction {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    let instructions = program.instructions.into_iter().map(instruction).collect();
    Ok(Filter {
        instructions,
        flags: program.flags,
    })
}
