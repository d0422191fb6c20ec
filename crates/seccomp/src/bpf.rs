//! Classic BPF: a binary search over the call numbers.
//!
//! The program is put together from its end to its beginning, since jumps only lead
//! forward and what a jump leads to must be known: a [`Label`] is a distance from the end.
//!
//! ```text
//! ld arch ── x86_64 ── ld nr ── jge 0x40000000 ─┬─ tree of x86_64
//!         │                                     └─ tree of x32
//!         ├─ x86 ───── ld nr ── tree of x86
//!         └─ else ──── ret KILL
//! ```

use crate::{
    Arch,
    action::Action,
    compile::{Answer, Condition, Operator, Ranges},
    syscalls::X32_BIT,
};
use std::collections::HashMap;

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

// linux/bpf_common.h
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// struct seccomp_data: nr, arch, instruction_pointer, args[6]; little-endian machines.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;

/// Where an instruction stands, counted from the end of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Label(usize);

#[derive(Default)]
pub(crate) struct Assembler {
    /// In reverse order.
    reversed: Vec<Instruction>,
    returns: HashMap<Action, Label>,
}

impl Assembler {
    /// The whole program for the given architectures. The first is the native one.
    pub fn program(architectures: &[(Arch, Ranges)]) -> Vec<Instruction> {
        let mut assembler = Self::default();
        let find = |wanted| {
            architectures
                .iter()
                .find(|(arch, _)| *arch == wanted)
                .map(|(_, ranges)| ranges)
        };
        // Last comes what is reached when no architecture fits.
        let mut next = assembler.ret(Action::FOREIGN);
        let x32 = find(Arch::X32).map(|ranges| within(ranges, X32_BIT, u32::MAX));
        for (arch, ranges) in architectures.iter().rev() {
            let has_64 = find(Arch::X86_64).is_some();
            let ranges = match arch {
                // Sharing an audit number, x32 is a part of x86_64's number space.
                Arch::X32 if has_64 => continue,
                Arch::X32 => {
                    let mut all = vec![(0, simple(Action::FOREIGN))];
                    all.extend(within(ranges, X32_BIT, u32::MAX));
                    all
                }
                Arch::X86_64 if x32.is_some() => {
                    let mut all = within(ranges, 0, X32_BIT - 1);
                    all.extend(x32.clone().unwrap_or_default());
                    all
                }
                _ => ranges.clone(),
            };
            // Far returns do not help the next architecture's tree.
            assembler.returns.clear();
            let tree = assembler.tree(&merged(ranges));
            let entry = assembler.fall_into(tree, LOAD, OFFSET_NUMBER);
            next = assembler.branch(JUMP_EQUAL, arch.audit_number(), entry, next);
        }
        assembler.fall_into(next, LOAD, OFFSET_ARCH);
        assembler.reversed.reverse();
        assembler.reversed
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }

    /// How many instructions lie between the next one and `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - target.0 - 1
    }

    /// An instruction that goes on at `next`, which need not follow it.
    fn fall_into(&mut self, next: Label, code: u16, k: u32) -> Label {
        let distance = self.distance(next);
        if distance > 0 {
            self.push(JUMP, 0, 0, distance as u32);
        }
        self.push(code, 0, 0, k)
    }

    /// A label near enough for a conditional jump, which reaches 255 instructions. `slack`
    /// instructions may still come in between.
    fn near(&mut self, target: Label, slack: usize) -> Label {
        let distance = self.distance(target);
        if distance + slack <= 255 {
            return target;
        }
        match self.reversed[target.0] {
            Instruction {
                code: RETURN, k, ..
            } => self.push(RETURN, 0, 0, k),
            _ => self.push(JUMP, 0, 0, distance as u32),
        }
    }

    /// A conditional jump.
    fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        let yes = self.near(yes, 1);
        let no = self.near(no, 0);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push(code, jt, jf, k)
    }

    /// A return, shared while it is near.
    fn ret(&mut self, action: Action) -> Label {
        // Not farther than a tree can have leaves on one side before `near` copies it.
        if let Some(label) = self.returns.get(&action)
            && self.distance(*label) <= 200
        {
            return *label;
        }
        let label = self.push(RETURN, 0, 0, action.0);
        self.returns.insert(action, label);
        label
    }

    fn tree(&mut self, ranges: &[(u32, Answer)]) -> Label {
        if let [(_, answer)] = ranges {
            return self.answer(answer);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let right = self.tree(high);
        let left = self.tree(low);
        self.branch(JUMP_GREATER_OR_EQUAL, high[0].0, right, left)
    }

    fn answer(&mut self, answer: &Answer) -> Label {
        let mut next = self.ret(answer.otherwise);
        for (conditions, action) in answer.cases.iter().rev() {
            let mut yes = self.ret(*action);
            for condition in conditions.iter().rev() {
                yes = self.condition(condition, yes, next);
            }
            next = yes;
        }
        next
    }

    /// Code that goes on at `yes` or `no`, from a state where anything may be loaded.
    fn condition(&mut self, condition: &Condition, yes: Label, no: Label) -> Label {
        let Condition {
            operator,
            value,
            mask,
            narrow,
            ..
        } = *condition;
        let (high, low) = ((value >> 32) as u32, value as u32);
        let offset = OFFSET_ARGUMENTS + 8 * condition.index;
        let (yes, no, operator) = match operator {
            Operator::NotEqual => (no, yes, Operator::Equal),
            Operator::Less => (no, yes, Operator::GreaterOrEqual),
            Operator::LessOrEqual => (no, yes, Operator::Greater),
            other => (yes, no, other),
        };
        let low_code = match operator {
            Operator::Greater => JUMP_GREATER,
            Operator::GreaterOrEqual => JUMP_GREATER_OR_EQUAL,
            _ => JUMP_EQUAL,
        };
        let masked = operator == Operator::MaskedEqual;
        let mut test = self.branch(low_code, low, yes, no);
        if masked && mask as u32 != u32::MAX {
            test = self.fall_into(test, AND, mask as u32);
        }
        let low_half = self.fall_into(test, LOAD, offset);
        if narrow {
            return low_half;
        }
        // The high half decides unless it is equal.
        let mut test = self.branch(JUMP_EQUAL, high, low_half, no);
        if matches!(operator, Operator::Greater | Operator::GreaterOrEqual) {
            test = self.branch(JUMP_GREATER, high, yes, test);
        }
        if masked {
            if mask >> 32 == 0 {
                return low_half;
            }
            test = self.fall_into(test, AND, (mask >> 32) as u32);
        }
        self.fall_into(test, LOAD, offset + 4)
    }
}

fn simple(action: Action) -> Answer {
    Answer {
        cases: Vec::new(),
        otherwise: action,
    }
}

/// The part of `ranges` between two numbers.
fn within(ranges: &Ranges, first: u32, last: u32) -> Ranges {
    let before = ranges.iter().rev().find(|(start, _)| *start <= first);
    let mut part: Ranges = before
        .map(|(_, answer)| (first, answer.clone()))
        .into_iter()
        .collect();
    part.extend(
        ranges
            .iter()
            .filter(|(start, _)| *start > first && *start <= last)
            .cloned(),
    );
    part
}

fn merged(ranges: Ranges) -> Ranges {
    let mut all: Ranges = Vec::with_capacity(ranges.len());
    for (first, answer) in ranges {
        if all.last().is_none_or(|(_, last)| *last != answer) {
            all.push((first, answer));
        }
    }
    all
}
