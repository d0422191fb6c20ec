//! Device rules as a program of BPF_PROG_TYPE_CGROUP_DEVICE.
//!
//! The kernel runs it at each open and mknod with a context of three words
//! (`struct bpf_cgroup_dev_ctx`): access type (kind in the lower half, rights in the
//! upper), major, minor. A result of 1 allows, 0 denies.

use crate::CgroupError;
use crate::device::{Access, Exception, NodeKind, Policy};
use corten_oci::runtime::DeviceRule;
use corten_sys::bpf::{self, Instruction};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::path::Path;

// linux/bpf.h: BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR.
const DEVICE_BLOCK: i32 = 1;
const DEVICE_CHARACTER: i32 = 2;

// Registers: r1 context, r2 kind, r3 rights, r4 major, r5 minor, r0 result, r6 scratch.
const KIND: u8 = 2;
const RIGHTS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// Puts the rules in force; a program put there before is replaced in one step.
pub(super) fn apply(directory: &Path, rules: &[DeviceRule]) -> Result<(), CgroupError> {
    if rules.is_empty() {
        return Ok(());
    }
    let policy = Policy::from_rules(rules)?;
    let failed = |source: io::Error| CgroupError::Devices {
        path: directory.to_owned(),
        source,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let group =
        rustix::fs::open(directory, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
    let old = bpf::attached_device_programs(&group).map_err(failed)?;
    if policy.allows_everything() && old.is_empty() {
        return Ok(());
    }
    let program = bpf::load_device_program(&program(&policy)).map_err(failed)?;
    let mut old = old.into_iter();
    bpf::attach_device_program(&group, &program, old.next().as_ref()).map_err(failed)?;
    // More than one program may only stand there when another tool put it.
    for stale in old {
        bpf::detach_device_program(&group, &stale).map_err(failed)?;
    }
    Ok(())
}

/// The exceptions one after another, then the default.
fn program(policy: &Policy) -> Vec<Instruction> {
    let default = i32::from(policy.allows_by_default());
    let mut code = vec![
        Instruction::load_word(KIND, 1, 0),
        Instruction::and(KIND, 0xffff),
        Instruction::load_word(RIGHTS, 1, 0),
        Instruction::shift_right(RIGHTS, 16),
        Instruction::load_word(MAJOR, 1, 4),
        Instruction::load_word(MINOR, 1, 8),
    ];
    for exception in policy.exceptions() {
        test(&mut code, exception, policy.allows_by_default());
    }
    code.push(Instruction::set(0, default));
    code.push(Instruction::exit());
    code
}

/// One exception: leaves the program with the other result when the access is meant.
fn test(code: &mut Vec<Instruction>, exception: &Exception, default: bool) {
    let start = code.len();
    let kind = match exception.kind {
        NodeKind::Block => DEVICE_BLOCK,
        NodeKind::Character => DEVICE_CHARACTER,
    };
    // Jump offsets are filled in below, when the block's end is known.
    code.push(Instruction::jump_if_not(KIND, kind, 0));
    if exception.access != Access::ALL {
        let rights = i32::from(exception.access.0);
        code.push(Instruction::copy(SCRATCH, RIGHTS));
        if default {
            // A denied right among those asked for is enough.
            code.push(Instruction::and(SCRATCH, rights));
            code.push(Instruction::jump_if(SCRATCH, 0, 0));
        } else {
            // All rights asked for must be among those allowed.
            code.push(Instruction::and(
                SCRATCH,
                i32::from(Access::ALL.0) & !rights,
            ));
            code.push(Instruction::jump_if_not(SCRATCH, 0, 0));
        }
    }
    for (register, number) in [(MAJOR, exception.major), (MINOR, exception.minor)] {
        if let Some(number) = number {
            // Numbers have at most 20 bits.
            code.push(Instruction::jump_if_not(register, number as i32, 0));
        }
    }
    code.push(Instruction::set(0, i32::from(!default)));
    code.push(Instruction::exit());
    let end = code.len();
    for (at, instruction) in code[start..end].iter_mut().enumerate() {
        if instruction.is_jump() {
            instruction.offset = (end - start - at - 1) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::rule;

    /// A machine for the few instructions that are used.
    fn run(code: &[Instruction], kind: i32, rights: u8, major: u32, minor: u32) -> bool {
        let context = [kind as u32 | u32::from(rights) << 16, major, minor];
        let mut registers = [0_u32; 10];
        let mut at = 0;
        loop {
            let instruction = code[at];
            let (to, from) = (instruction.destination(), instruction.source());
            let value = instruction.immediate as u32;
            at += 1;
            match instruction.code {
                Instruction::LOAD_WORD => {
                    registers[to] = context[instruction.offset as usize / 4];
                }
                Instruction::AND => registers[to] &= value,
                Instruction::SHIFT_RIGHT => registers[to] >>= value,
                Instruction::COPY => registers[to] = registers[from],
                Instruction::SET => registers[to] = value,
                Instruction::EXIT => return registers[0] == 1,
                Instruction::JUMP_IF if registers[to] == value => {
                    at += instruction.offset as usize;
                }
                Instruction::JUMP_IF_NOT if registers[to] != value => {
                    at += instruction.offset as usize;
                }
                _ => {}
            }
        }
    }

    #[test]
    fn the_program_decides_as_the_rules_say() {
        let rules = [
            "deny a",
            "allow c *:* m",
            "allow c 1:3 rwm",
            "allow b 8:* r",
        ];
        let rules: Vec<DeviceRule> = rules.iter().map(|text| rule(text)).collect();
        let code = program(&Policy::from_rules(&rules).unwrap());
        let (make, read, write) = (Access::MAKE, Access::READ, Access::WRITE);
        for (kind, rights, major, minor, allowed) in [
            (DEVICE_CHARACTER, read | write, 1, 3, true),
            (DEVICE_CHARACTER, read, 1, 5, false),
            (DEVICE_CHARACTER, make, 1, 5, true),
            (DEVICE_CHARACTER, make | read, 1, 5, false),
            (DEVICE_BLOCK, read, 8, 1, true),
            (DEVICE_BLOCK, read | write, 8, 1, false),
            (DEVICE_BLOCK, read, 1, 3, false),
        ] {
            let verdict = run(&code, kind, rights, major, minor);
            assert_eq!(verdict, allowed, "{kind} {rights} {major}:{minor}");
        }
    }

    #[test]
    fn a_deny_list_leaves_the_rest_open() {
        let rules: Vec<DeviceRule> = ["allow a", "deny c 10:200 w"]
            .iter()
            .map(|text| rule(text))
            .collect();
        let code = program(&Policy::from_rules(&rules).unwrap());
        assert!(run(&code, DEVICE_CHARACTER, Access::READ, 10, 200));
        assert!(!run(
            &code,
            DEVICE_CHARACTER,
            Access::READ | Access::WRITE,
            10,
            200
        ));
        assert!(run(&code, DEVICE_BLOCK, Access::WRITE, 10, 200));
    }
}
