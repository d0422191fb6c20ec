//! Loading a system call filter, seccomp(2).

use std::io;

/// One classic BPF instruction, `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// At most 4096 instructions.
    pub instructions: Vec<Instruction>,
    /// `SECCOMP_FILTER_FLAG_…` bits.
    pub flags: u32,
}

/// Puts `filter` in force for this thread, for good. Needs no_new_privs or
/// CAP_SYS_ADMIN.
///
/// # Errors
/// EINVAL for a program the kernel refuses, EACCES without the privilege.
pub fn load(filter: &Filter) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.instructions.len())
            .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?,
        filter: filter.instructions.as_ptr().cast_mut().cast(),
    };
    // SAFETY: `program` points at `len` instructions of the kernel's layout (repr(C)),
    // which the kernel only reads during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            filter.flags,
            &program,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
