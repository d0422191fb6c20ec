//! A machine for classic BPF, and what a profile means, said naively.

use corten_oci::runtime::{LinuxSeccomp, SeccompArg};
use corten_seccomp::{Arch, Instruction};

/// What a filter sees of a call.
#[derive(Debug, Clone, Copy)]
pub struct Data {
    pub number: u32,
    pub arch: u32,
    pub arguments: [u64; 6],
}

impl Data {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch,
            16..64 => {
                let argument = self.arguments[(offset as usize - 16) / 8];
                if offset.is_multiple_of(8) {
                    argument as u32
                } else {
                    (argument >> 32) as u32
                }
            }
            _ => panic!("load from {offset}"),
        }
    }
}

/// Runs a program to its answer; counts the steps.
pub fn run(program: &[Instruction], data: &Data) -> (u32, usize) {
    let (mut at, mut accumulator) = (0, 0);
    for step in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        let mut jump = |taken: bool| at += 1 + usize::from(if taken { jt } else { jf });
        match code {
            0x20 => {
                accumulator = data.word(k);
                at += 1;
            }
            0x54 => {
                accumulator &= k;
                at += 1;
            }
            0x05 => at += 1 + k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x06 => return (k, step),
            other => panic!("operation {other:#x}"),
        }
    }
    unreachable!()
}

fn holds(arg: &SeccompArg, actual: u64, narrow: bool) -> bool {
    let cut = |value: u64| if narrow { value & 0xffff_ffff } else { value };
    let (actual, value) = (cut(actual), cut(arg.value));
    match arg.op.as_str() {
        "SCMP_CMP_NE" => actual != value,
        "SCMP_CMP_LT" => actual < value,
        "SCMP_CMP_LE" => actual <= value,
        "SCMP_CMP_EQ" => actual == value,
        "SCMP_CMP_GE" => actual >= value,
        "SCMP_CMP_GT" => actual > value,
        "SCMP_CMP_MASKED_EQ" => actual & value == cut(arg.value_two) & value,
        other => panic!("{other}"),
    }
}

pub fn action(name: &str, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match name {
        "SCMP_ACT_ALLOW" => 0x7fff_0000,
        "SCMP_ACT_ERRNO" => 0x0005_0000 | data,
        "SCMP_ACT_LOG" => 0x7ffc_0000,
        "SCMP_ACT_TRACE" => 0x7ff0_0000 | data,
        "SCMP_ACT_TRAP" => 0x0003_0000,
        "SCMP_ACT_KILL_PROCESS" => 0x8000_0000,
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => 0,
        other => panic!("{other}"),
    }
}

/// The answer to the call `name`, by reading the rules one after the other.
pub fn naive(seccomp: &LinuxSeccomp, name: &str, arguments: &[u64; 6], narrow: bool) -> u32 {
    let default = action(&seccomp.default_action, seccomp.default_errno_ret);
    let rules: Vec<_> = seccomp
        .syscalls
        .iter()
        .filter(|rule| rule.names.iter().any(|n| n == name))
        .filter(|rule| action(&rule.action, rule.errno_ret) != default)
        .collect();
    if let Some(rule) = rules.iter().find(|rule| rule.args.is_empty()) {
        return action(&rule.action, rule.errno_ret);
    }
    for rule in rules {
        let held = |arg: &SeccompArg| holds(arg, arguments[arg.index as usize], narrow);
        let mut indices: Vec<_> = rule.args.iter().map(|arg| arg.index).collect();
        indices.sort_unstable();
        indices.dedup();
        let alternatives = indices.len() < rule.args.len();
        let fits = if alternatives {
            rule.args.iter().any(held)
        } else {
            rule.args.iter().all(held)
        };
        if fits {
            return action(&rule.action, rule.errno_ret);
        }
    }
    default
}

/// The number of a call, from the same table of facts.
pub fn number(arch: Arch, name: &str) -> Option<u32> {
    let column = Arch::ALL.iter().position(|a| *a == arch)? + 1;
    let table = include_str!("../../src/syscalls.tsv");
    let line = table
        .lines()
        .find(|line| line.split('\t').next() == Some(name))?;
    let number: u32 = line.split('\t').nth(column)?.parse().ok()?;
    Some(if arch == Arch::X32 {
        number | 0x4000_0000
    } else {
        number
    })
}
