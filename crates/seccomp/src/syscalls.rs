//! Names and numbers of system calls, per architecture (Linux 6.18).
//!
//! The table is a text of facts, sorted by name: `name x86_64 x86 x32 aarch64 arm`, with `-`
//! where an architecture lacks a call.

use crate::Arch;
use std::collections::HashMap;

static TABLE: &str = include_str!("syscalls.tsv");

/// The bit that marks an x32 call (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// The numbers of every call of `arch`, by name; those of x32 carry [`X32_BIT`].
pub(crate) fn numbers(arch: Arch) -> HashMap<&'static str, u32> {
    let column = match arch {
        Arch::X86_64 => 0,
        Arch::X86 => 1,
        Arch::X32 => 2,
        Arch::Aarch64 => 3,
        Arch::Arm => 4,
    };
    let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
    let mut numbers = HashMap::with_capacity(512);
    for line in TABLE.lines().skip(1) {
        let mut fields = line.split('\t');
        let name = fields.next().unwrap_or_default();
        if let Some(number) = fields
            .nth(column)
            .and_then(|field| field.parse::<u32>().ok())
        {
            numbers.insert(name, number | bit);
        }
    }
    numbers
}

/// On 32-bit x86 the socket calls can also be made through `socketcall(2)` and those of
/// System V IPC through `ipc(2)`: the multiplexer's name and the value of its first
/// argument. (linux/net.h, linux/ipc.h)
pub(crate) fn multiplexed(arch: Arch, name: &str) -> Option<(&'static str, u64)> {
    if arch != Arch::X86 {
        return None;
    }
    let socketcall = [
        "socket",
        "bind",
        "connect",
        "listen",
        "accept",
        "getsockname",
        "getpeername",
        "socketpair",
        "send",
        "recv",
        "sendto",
        "recvfrom",
        "shutdown",
        "setsockopt",
        "getsockopt",
        "sendmsg",
        "recvmsg",
        "accept4",
        "recvmmsg",
        "sendmmsg",
    ];
    let ipc = [
        ("semop", 1),
        ("semget", 2),
        ("semctl", 3),
        ("semtimedop", 4),
        ("msgsnd", 11),
        ("msgrcv", 12),
        ("msgget", 13),
        ("msgctl", 14),
        ("shmat", 21),
        ("shmdt", 22),
        ("shmget", 23),
        ("shmctl", 24),
    ];
    if let Some(at) = socketcall.iter().position(|call| *call == name) {
        return Some(("socketcall", at as u64 + 1));
    }
    ipc.iter()
        .find(|(call, _)| *call == name)
        .map(|(_, number)| ("ipc", *number))
}

/// Whether the kernel takes only the low 32 bits of this argument (it is an `int`).
///
/// A comparison of all 64 bits could be passed by with a set high bit: `socket` with family
/// `0x1_0000_0028` is not equal to 40 as a 64-bit number, yet makes an AF_VSOCK socket.
pub(crate) fn is_narrow(name: &str, index: u32) -> bool {
    match name {
        "socket" | "socketpair" | "setsockopt" | "getsockopt" => index <= 2,
        "ioctl" | "fcntl" => index <= 1,
        "personality" | "prctl" | "bpf" | "keyctl" | "socketcall" | "ipc" => index == 0,
        _ => false,
    }
}
