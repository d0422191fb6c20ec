//! From rules to a program: what each system call's answer is, per architecture.

use crate::{
    Arch,
    action::Action,
    arch::WITHOUT_TABLE,
    bpf::{Assembler, Instruction},
    syscalls::{self, Row},
};
use corten_oci::runtime::{LinuxSeccomp, SeccompArg, SeccompSyscall};
use std::collections::BTreeMap;
use thiserror::Error;

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
    /// An architecture nobody knows.
    #[error("seccomp: unknown architecture {0:?}")]
    UnknownArchitecture(String),
    /// A comparison nobody knows.
    #[error("seccomp: unknown operator {0:?}")]
    UnknownOperator(String),
    /// A flag nobody knows.
    #[error("seccomp: unknown flag {0:?}")]
    UnknownFlag(String),
    /// An argument beyond the sixth.
    #[error("seccomp: argument {0} does not exist, the last is 5")]
    Argument(u32),
    /// An error number that does not fit.
    #[error("seccomp: error number {0} is above 65535")]
    Errno(u32),
    /// `SCMP_ACT_NOTIFY` and its listener.
    #[error("seccomp: notifying a listener is not supported")]
    Notify,
    /// Longer than the kernel takes.
    #[error("seccomp: the filter has {0} instructions, the kernel takes {max}", max = Program::MAX_INSTRUCTIONS)]
    TooLong(usize),
}

/// A comparison of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Condition {
    pub index: u32,
    pub operator: Operator,
    pub value: u64,
    /// Only for [`Operator::MaskedEqual`].
    pub mask: u64,
    /// Only the low half of the argument counts.
    pub narrow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    MaskedEqual,
}

/// The answer to one call: the action of the first case whose conditions all hold, else
/// `otherwise`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Answer {
    pub cases: Vec<(Vec<Condition>, Action)>,
    pub otherwise: Action,
}

/// The answers of one architecture as adjacent ranges: the first number and its answer,
/// from 0 to `u32::MAX`.
pub(crate) type Ranges = Vec<(u32, Answer)>;

/// Compiles resolved rules for a kernel whose native architecture is `arch`, which always
/// is among the filtered ones.
pub fn compile(seccomp: &LinuxSeccomp, arch: Arch) -> Result<Program, CompileError> {
    if !seccomp.listener_path.is_empty() {
        return Err(CompileError::Notify);
    }
    let default = Action::parse(&seccomp.default_action, seccomp.default_errno_ret)?;
    let known: Known = seccomp.syscalls.iter().map(known).collect();
    let mut ranges = Vec::new();
    for arch in architectures(seccomp, arch)? {
        ranges.push((arch, answers(seccomp, &known, arch, default)?));
    }
    let instructions = Assembler::program(&ranges);
    if instructions.len() > Program::MAX_INSTRUCTIONS {
        return Err(CompileError::TooLong(instructions.len()));
    }
    Ok(Program {
        instructions,
        flags: flags(&seccomp.flags)?,
    })
}

/// For each rule the rows of its names, looked up once for all architectures.
type Known = Vec<Vec<Option<&'static Row>>>;

fn known(rule: &SeccompSyscall) -> Vec<Option<&'static Row>> {
    rule.names.iter().map(|name| syscalls::find(name)).collect()
}

fn architectures(seccomp: &LinuxSeccomp, native: Arch) -> Result<Vec<Arch>, CompileError> {
    let mut all = vec![native];
    for name in &seccomp.architectures {
        match Arch::from_scmp_name(name) {
            Some(arch) if !all.contains(&arch) => all.push(arch),
            Some(_) => {}
            None if WITHOUT_TABLE.contains(&name.as_str()) => {}
            None => return Err(CompileError::UnknownArchitecture(name.clone())),
        }
    }
    Ok(all)
}

// linux/seccomp.h. TSYNC is for the loader, which has one thread; it is accepted and has
// no effect, as in runc.
fn flags(names: &[String]) -> Result<u32, CompileError> {
    names.iter().try_fold(0, |bits, name| {
        Ok(bits
            | match name.as_str() {
                "SECCOMP_FILTER_FLAG_TSYNC" => 0,
                "SECCOMP_FILTER_FLAG_LOG" => 1 << 1,
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => 1 << 2,
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => 1 << 5,
                _ => return Err(CompileError::UnknownFlag(name.clone())),
            })
    })
}

/// What is known of one call while rules are read.
#[derive(Default)]
struct Call {
    cases: Vec<(Vec<Condition>, Action)>,
    always: Option<Action>,
}

impl Call {
    // A rule without conditions supersedes those with conditions, and the first one stays,
    // as in libseccomp.
    fn add(&mut self, conditions: Vec<Condition>, action: Action) {
        if conditions.is_empty() {
            self.always.get_or_insert(action);
        } else if !self.cases.iter().any(|case| case.0 == conditions) {
            self.cases.push((conditions, action));
        }
    }

    fn answer(self, default: Action) -> Answer {
        match self.always {
            Some(otherwise) => Answer {
                cases: Vec::new(),
                otherwise,
            },
            None => Answer {
                cases: self.cases,
                otherwise: default,
            },
        }
    }
}

fn answers(
    seccomp: &LinuxSeccomp,
    known: &Known,
    arch: Arch,
    default: Action,
) -> Result<Ranges, CompileError> {
    let mut calls: BTreeMap<u32, Call> = BTreeMap::new();
    let mut last_known = None;
    for (rule, rows) in seccomp.syscalls.iter().zip(known) {
        let action = Action::parse(&rule.action, rule.errno_ret)?;
        for (name, row) in rule.names.iter().zip(rows) {
            let number = row.and_then(|row| row.number(arch));
            last_known = last_known.max(number);
            // Rules that say what holds anyway make no difference, also not to others.
            if action == default {
                continue;
            }
            if let Some(number) = number {
                let call = calls.entry(number).or_default();
                for conditions in cases(rule, name, arch)? {
                    call.add(conditions, action);
                }
            }
            if let Some((multiplexer, value)) = syscalls::multiplexed(arch, name)
                && rule.args.is_empty()
                && let Some(number) = syscalls::find(multiplexer).and_then(|row| row.number(arch))
            {
                let operator = Operator::Equal;
                let which = Condition {
                    index: 0,
                    operator,
                    value,
                    mask: 0,
                    narrow: true,
                };
                calls.entry(number).or_default().add(vec![which], action);
            }
        }
    }
    let beyond = newer_calls(seccomp, default, arch, last_known);
    Ok(to_ranges(calls, default, arch, beyond))
}

// runc: calls newer than everything the profile names are answered with ENOSYS, so that
// programs fall back; unless the default lets calls through or says ENOSYS anyway.
fn newer_calls(
    seccomp: &LinuxSeccomp,
    default: Action,
    arch: Arch,
    last_known: Option<u32>,
) -> Option<u32> {
    let same = default == Action::NO_SUCH_CALL;
    if default.is_permissive() || same || seccomp.syscalls.is_empty() {
        return None;
    }
    let base = if arch == Arch::X32 {
        syscalls::X32_BIT
    } else {
        0
    };
    Some(last_known.map_or(base, |last| last + 1))
}

fn to_ranges(
    calls: BTreeMap<u32, Call>,
    default: Action,
    arch: Arch,
    beyond: Option<u32>,
) -> Ranges {
    // Within 64-bit x86 the x32 numbers are foreign unless x32 has a table of its own.
    let foreign = (arch == Arch::X86_64).then_some(syscalls::X32_BIT);
    let unnamed = |number: u32| Answer {
        cases: Vec::new(),
        otherwise: if foreign.is_some_and(|first| number >= first) {
            Action::FOREIGN
        } else if beyond.is_some_and(|first| number >= first) {
            Action::NO_SUCH_CALL
        } else {
            default
        },
    };
    // After a call goes on what would be there without it.
    let mut firsts: Vec<u32> = calls
        .keys()
        .flat_map(|&number| [number, number + 1])
        .collect();
    firsts.extend([Some(0), beyond, foreign].into_iter().flatten());
    firsts.sort_unstable();
    firsts.dedup();
    let mut calls = calls.into_iter().peekable();
    let mut ranges: Ranges = Vec::new();
    for first in firsts {
        let answer = match calls.next_if(|(number, _)| *number == first) {
            Some((_, call)) => call.answer(default),
            None => unnamed(first),
        };
        if ranges.last().is_none_or(|(_, last)| *last != answer) {
            ranges.push((first, answer));
        }
    }
    ranges
}

// runc: several conditions on the same argument are alternatives, one rule each; conditions
// on different arguments must all hold.
fn cases(
    rule: &SeccompSyscall,
    name: &str,
    arch: Arch,
) -> Result<Vec<Vec<Condition>>, CompileError> {
    let all: Vec<Condition> = rule
        .args
        .iter()
        .map(|arg| condition(arg, name, arch))
        .collect::<Result<_, _>>()?;
    let repeated = all
        .iter()
        .enumerate()
        .any(|(i, a)| all[..i].iter().any(|b| a.index == b.index));
    Ok(if repeated {
        all.into_iter().map(|one| vec![one]).collect()
    } else {
        vec![all]
    })
}

fn condition(arg: &SeccompArg, name: &str, arch: Arch) -> Result<Condition, CompileError> {
    if arg.index > 5 {
        return Err(CompileError::Argument(arg.index));
    }
    let operator = match arg.op.as_str() {
        "SCMP_CMP_NE" => Operator::NotEqual,
        "SCMP_CMP_LT" => Operator::Less,
        "SCMP_CMP_LE" => Operator::LessOrEqual,
        "SCMP_CMP_EQ" => Operator::Equal,
        "SCMP_CMP_GE" => Operator::GreaterOrEqual,
        "SCMP_CMP_GT" => Operator::Greater,
        "SCMP_CMP_MASKED_EQ" => Operator::MaskedEqual,
        _ => return Err(CompileError::UnknownOperator(arg.op.clone())),
    };
    let (value, mask) = match operator {
        Operator::MaskedEqual => (arg.value_two & arg.value, arg.value),
        _ => (arg.value, u64::MAX),
    };
    let narrow = arch.is_32_bit() || syscalls::is_narrow(name, arg.index);
    Ok(Condition {
        index: arg.index,
        operator,
        value,
        mask,
        narrow,
    })
}
