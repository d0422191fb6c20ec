//! Names and numbers of system calls, per architecture (Linux 6.18).
//!
//! The table is a text of facts, sorted by name: `name x86_64 x86 x32 aarch64 arm`, with `-`
//! where an architecture lacks a call.

use crate::Arch;
use std::sync::LazyLock;

static TABLE: &str = include_str!("syscalls.tsv");

/// The bit that marks an x32 call (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

/// A call's name and its number in each column of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    numbers: [Option<u32>; 5],
}

impl Row {
    /// The call's number on `arch`; those of x32 carry [`X32_BIT`].
    pub(crate) fn number(&self, arch: Arch) -> Option<u32> {
        match arch {
            Arch::X86_64 => self.numbers[0],
            Arch::X86 => self.numbers[1],
            Arch::X32 => self.numbers[2].map(|number| number | X32_BIT),
            Arch::Aarch64 => self.numbers[3],
            Arch::Arm => self.numbers[4],
        }
    }
}

/// The table, read once.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows = Vec::with_capacity(512);
    rows.extend(TABLE.lines().skip(1).map(row));
    rows
});

fn row(line: &'static str) -> Row {
    let (name, rest) = line.split_at(line.find('\t').unwrap_or(line.len()));
    let (mut numbers, mut column) = ([None; 5], 0);
    for byte in rest.bytes().skip(1) {
        match byte {
            b'\t' => column = (column + 1).min(numbers.len() - 1),
            b'0'..=b'9' => {
                let before = numbers[column].unwrap_or(0);
                numbers[column] = Some(before * 10 + u32::from(byte - b'0'));
            }
            _ => {}
        }
    }
    Row { name, numbers }
}

/// The row of a call; `None` for names that this build does not know.
pub(crate) fn find(name: &str) -> Option<&'static Row> {
    let found = ROWS.binary_search_by(|row| row.name.cmp(name));
    found.ok().map(|index| &ROWS[index])
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
