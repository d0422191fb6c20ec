//! Loading and attaching programs that decide on devices, bpf(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// One instruction, `struct bpf_insn`: the kernel's bpf/instruction-set.rst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u8,
    /// Destination in the lower four bits, source in the upper.
    pub registers: u8,
    /// Of a memory access, in bytes, or of a jump, in instructions.
    pub offset: i16,
    /// The operand.
    pub immediate: i32,
}

impl Instruction {
    /// `destination = *(u32 *)(source + offset)`
    pub const LOAD_WORD: u8 = 0x61;
    /// `destination &= immediate`, 32 bits.
    pub const AND: u8 = 0x54;
    /// `destination >>= immediate`, 32 bits.
    pub const SHIFT_RIGHT: u8 = 0x74;
    /// `destination = source`, 32 bits.
    pub const COPY: u8 = 0xbc;
    /// `destination = immediate`, 64 bits.
    pub const SET: u8 = 0xb7;
    /// `if destination == immediate`
    pub const JUMP_IF: u8 = 0x15;
    /// `if destination != immediate`
    pub const JUMP_IF_NOT: u8 = 0x55;
    /// Ends with register 0 as the result.
    pub const EXIT: u8 = 0x95;

    const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        Self {
            code,
            registers: destination | source << 4,
            offset,
            immediate,
        }
    }

    /// `destination = *(u32 *)(source + offset)`
    pub const fn load_word(destination: u8, source: u8, offset: i16) -> Self {
        Self::new(Self::LOAD_WORD, destination, source, offset, 0)
    }

    /// `destination &= value`
    pub const fn and(destination: u8, value: i32) -> Self {
        Self::new(Self::AND, destination, 0, 0, value)
    }

    /// `destination >>= bits`
    pub const fn shift_right(destination: u8, bits: i32) -> Self {
        Self::new(Self::SHIFT_RIGHT, destination, 0, 0, bits)
    }

    /// `destination = source`
    pub const fn copy(destination: u8, source: u8) -> Self {
        Self::new(Self::COPY, destination, source, 0, 0)
    }

    /// `destination = value`
    pub const fn set(destination: u8, value: i32) -> Self {
        Self::new(Self::SET, destination, 0, 0, value)
    }

    /// Skips `offset` instructions when `register == value`.
    pub const fn jump_if(register: u8, value: i32, offset: i16) -> Self {
        Self::new(Self::JUMP_IF, register, 0, offset, value)
    }

    /// Skips `offset` instructions when `register != value`.
    pub const fn jump_if_not(register: u8, value: i32, offset: i16) -> Self {
        Self::new(Self::JUMP_IF_NOT, register, 0, offset, value)
    }

    /// Ends the program.
    pub const fn exit() -> Self {
        Self::new(Self::EXIT, 0, 0, 0, 0)
    }

    /// Whether it is one of the two jumps.
    pub const fn is_jump(&self) -> bool {
        matches!(self.code, Self::JUMP_IF | Self::JUMP_IF_NOT)
    }

    /// The number of the destination register.
    pub const fn destination(&self) -> usize {
        (self.registers & 15) as usize
    }

    /// The number of the source register.
    pub const fn source(&self) -> usize {
        (self.registers >> 4) as usize
    }
}

// linux/bpf.h
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_PROG_ATTACH: libc::c_int = 8;
const BPF_PROG_DETACH: libc::c_int = 9;
const BPF_PROG_GET_FD_BY_ID: libc::c_int = 13;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 1 << 1;
const BPF_F_REPLACE: u32 = 1 << 2;

/// More programs than this are never attached to one group (BPF_CGROUP_MAX_PROGS).
const MAX_PROGRAMS: usize = 64;

/// The union of `bpf_attr`, as far as these commands use it; 128 bytes of which unused
/// ones must be zero.
#[derive(Default, Clone, Copy)]
#[repr(C, align(8))]
struct Attributes {
    words: [u32; 32],
}

impl Attributes {
    fn set_pointer<T>(&mut self, word: usize, pointer: *const T) {
        let address = pointer as u64;
        self.words[word] = address as u32;
        self.words[word + 1] = (address >> 32) as u32;
    }
}

/// # Safety
/// Addresses in `attributes` must be those the command may read or write.
unsafe fn bpf(command: libc::c_int, attributes: &mut Attributes) -> io::Result<libc::c_long> {
    let size = size_of::<Attributes>();
    // SAFETY: `attributes` is alive and of this size; the caller answers for what it
    // points to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, size) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn descriptor(result: libc::c_long) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
    unsafe { OwnedFd::from_raw_fd(result as RawFd) }
}

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
///
/// # Errors
/// EPERM without CAP_BPF, EINVAL and EACCES for a program that the verifier refuses.
pub fn load_device_program(code: &[Instruction]) -> io::Result<OwnedFd> {
    let licence = c"Apache-2.0";
    let mut attributes = Attributes::default();
    attributes.words[0] = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.words[1] = code.len() as u32;
    attributes.set_pointer(2, code.as_ptr());
    attributes.set_pointer(4, licence.as_ptr());
    // SAFETY: instructions and licence are alive during the call and only read.
    unsafe { bpf(BPF_PROG_LOAD, &mut attributes) }.map(descriptor)
}

/// Attaches a program to a version 2 control group. `replace`: one that is attached and
/// whose place it takes in the same step (Linux 5.6).
///
/// # Errors
/// EPERM, EINVAL; ENOENT when `replace` is not attached.
pub fn attach_device_program(
    group: impl AsFd,
    program: impl AsFd,
    replace: Option<&OwnedFd>,
) -> io::Result<()> {
    let mut attributes = Attributes::default();
    attributes.words[0] = group.as_fd().as_raw_fd() as u32;
    attributes.words[1] = program.as_fd().as_raw_fd() as u32;
    attributes.words[2] = BPF_CGROUP_DEVICE;
    attributes.words[3] = BPF_F_ALLOW_MULTI;
    if let Some(old) = replace {
        attributes.words[3] |= BPF_F_REPLACE;
        attributes.words[4] = old.as_raw_fd() as u32;
    }
    // SAFETY: this command takes numbers only.
    unsafe { bpf(BPF_PROG_ATTACH, &mut attributes) }.map(|_| ())
}

/// Detaches a program from a group.
///
/// # Errors
/// ENOENT when it is not attached, EPERM.
pub fn detach_device_program(group: impl AsFd, program: impl AsFd) -> io::Result<()> {
    let mut attributes = Attributes::default();
    attributes.words[0] = group.as_fd().as_raw_fd() as u32;
    attributes.words[1] = program.as_fd().as_raw_fd() as u32;
    attributes.words[2] = BPF_CGROUP_DEVICE;
    // SAFETY: this command takes numbers only.
    unsafe { bpf(BPF_PROG_DETACH, &mut attributes) }.map(|_| ())
}

/// The device programs attached to this very group.
///
/// # Errors
/// EPERM, EBADF when `group` is no control group of version 2.
pub fn attached_device_programs(group: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut ids = [0_u32; MAX_PROGRAMS];
    let mut attributes = Attributes::default();
    attributes.words[0] = group.as_fd().as_raw_fd() as u32;
    attributes.words[1] = BPF_CGROUP_DEVICE;
    attributes.set_pointer(4, ids.as_mut_ptr());
    attributes.words[6] = MAX_PROGRAMS as u32;
    // SAFETY: the kernel writes at most MAX_PROGRAMS words to `ids`, which is alive.
    unsafe { bpf(BPF_PROG_QUERY, &mut attributes) }?;
    let count = (attributes.words[6] as usize).min(MAX_PROGRAMS);
    ids[..count].iter().map(|&id| program_by_id(id)).collect()
}

fn program_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attributes = Attributes::default();
    attributes.words[0] = id;
    // SAFETY: this command takes a number only.
    unsafe { bpf(BPF_PROG_GET_FD_BY_ID, &mut attributes) }.map(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_an_end_is_refused() {
        assert!(load_device_program(&[Instruction::set(0, 1)]).is_err());
        assert!(load_device_program(&[Instruction::set(0, 1), Instruction::exit()]).is_ok());
    }

    #[test]
    fn a_directory_that_is_no_group_has_no_programs() {
        let root = std::fs::File::open("/").unwrap();
        assert_eq!(
            attached_device_programs(&root).unwrap_err().raw_os_error(),
            Some(libc::EBADF)
        );
    }
}
