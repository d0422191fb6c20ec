//! Profiles of users: the format, and compilation against a naive reading of the rules.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Data, naive, number, run};
use corten_oci::runtime::{LinuxSeccomp, SeccompArg, SeccompSyscall};
use corten_seccomp::{Arch, CompileError, Conditions, KernelVersion, Profile, compile};
use proptest::prelude::*;

fn conditions<'a>(capabilities: &'a [String], kernel: (u64, u64)) -> Conditions<'a> {
    let kernel = KernelVersion {
        major: kernel.0,
        minor: kernel.1,
    };
    Conditions {
        capabilities,
        arch: Arch::X86_64,
        kernel,
    }
}

#[test]
fn conditions_choose_the_rules() {
    let profile = Profile::from_json(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":null,"syscalls":[
            {"name":"read","action":"SCMP_ACT_ALLOW","args":null,"includes":{},"excludes":null},
            {"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF","CAP_SYS_ADMIN"]}},
            {"names":["mount"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_BPF"]}},
            {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
            {"names":["umount2"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm64"]}}]}"#,
    )
    .unwrap();
    let names = |capabilities: &[&str], kernel| -> Vec<String> {
        let capabilities: Vec<String> = capabilities.iter().map(|c| (*c).to_owned()).collect();
        let resolved = profile.resolve(&conditions(&capabilities, kernel)).unwrap();
        resolved
            .syscalls
            .into_iter()
            .flat_map(|rule| rule.names)
            .collect()
    };
    assert_eq!(names(&[], (6, 1)), ["read", "mount", "ptrace"]);
    assert_eq!(names(&["CAP_BPF"], (4, 7)), ["read"]);
    assert_eq!(
        names(&["CAP_BPF", "CAP_SYS_ADMIN"], (4, 8)),
        ["read", "bpf", "ptrace"]
    );
}

#[test]
fn contradictory_or_broken_profiles_are_refused() {
    for (text, words) in [
        ("{", "decoding seccomp profile failed"),
        (
            r#"{"architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"a"}]}"#,
            "'archMap'",
        ),
        (
            r#"{"syscalls":[{"name":"read","names":["write"]}]}"#,
            "'names'",
        ),
        (
            r#"{"syscalls":[{"includes":{"minKernel":"x"}}]}"#,
            "kernel version",
        ),
    ] {
        let error = Profile::from_json(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn unknown_words_are_named_and_unknown_calls_passed_over() {
    let base = LinuxSeccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        ..Default::default()
    };
    let with = |change: &dyn Fn(&mut LinuxSeccomp)| {
        let mut seccomp = base.clone();
        change(&mut seccomp);
        compile(&seccomp, Arch::X86_64).unwrap_err()
    };
    assert_eq!(
        with(&|s| s.default_action = "SCMP_ACT_X".into()),
        CompileError::UnknownAction("SCMP_ACT_X".into())
    );
    assert_eq!(
        with(&|s| s.architectures = vec!["SCMP_ARCH_X".into()]),
        CompileError::UnknownArchitecture("SCMP_ARCH_X".into())
    );
    assert_eq!(
        with(&|s| s.flags = vec!["X".into()]),
        CompileError::UnknownFlag("X".into())
    );
    assert_eq!(
        with(&|s| s.listener_path = "/x".into()),
        CompileError::Notify
    );
    let mut unknown = base.clone();
    unknown.architectures = vec!["SCMP_ARCH_RISCV64".into()];
    unknown.syscalls = vec![SeccompSyscall {
        names: vec!["no_such_call".into()],
        action: "SCMP_ACT_KILL".into(),
        ..Default::default()
    }];
    assert!(compile(&unknown, Arch::X86_64).is_ok());
}

#[test]
fn a_refused_socket_call_is_refused_through_the_multiplexer_too() {
    let seccomp = LinuxSeccomp {
        default_action: "SCMP_ACT_ALLOW".into(),
        architectures: vec!["SCMP_ARCH_X86".into()],
        syscalls: vec![SeccompSyscall {
            names: vec!["socket".into(), "shmget".into()],
            action: "SCMP_ACT_ERRNO".into(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let program = compile(&seccomp, Arch::X86_64).unwrap().instructions;
    for (call, first, answer) in [
        ("socketcall", 1, 0x50001),
        ("socketcall", 2, 0x7fff_0000),
        ("ipc", 23, 0x50001),
    ] {
        let number = number(Arch::X86, call).unwrap();
        let arguments = [first, 0, 0, 0, 0, 0];
        let data = Data {
            number,
            arch: Arch::X86.audit_number(),
            arguments,
        };
        assert_eq!(run(&program, &data).0, answer, "{call} {first}");
    }
}

const NAMES: [&str; 6] = ["read", "write", "mmap", "clone", "futex", "semop_unknown"];

fn value() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX];
    prop_oneof![proptest::sample::select(edges.to_vec()), any::<u64>()]
}

fn argument() -> impl Strategy<Value = SeccompArg> {
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"];
    (
        0..3_u32,
        value(),
        value(),
        proptest::sample::select(operators.to_vec()),
    )
        .prop_map(|(index, value, value_two, op)| SeccompArg {
            index,
            value,
            value_two,
            op: format!("SCMP_CMP_{op}"),
        })
}

fn rule() -> impl Strategy<Value = SeccompSyscall> {
    let names = proptest::sample::subsequence(NAMES.to_vec(), 1..4);
    let actions = ["ALLOW", "ERRNO", "LOG", "KILL_PROCESS", "TRAP"];
    let action = proptest::sample::select(actions.to_vec());
    (
        names,
        action,
        proptest::option::of(0..200_u32),
        proptest::collection::vec(argument(), 0..4),
    )
        .prop_map(|(names, action, errno_ret, args)| SeccompSyscall {
            names: names.into_iter().map(Into::into).collect(),
            action: format!("SCMP_ACT_{action}"),
            errno_ret,
            args,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn programs_answer_as_the_rules_say(
        rules in proptest::collection::vec(rule(), 1..12),
        allow in any::<bool>(),
        calls in proptest::collection::vec((0..5_usize, [value(), value(), value()]), 20),
    ) {
        let default = if allow { "SCMP_ACT_ALLOW" } else { "SCMP_ACT_ERRNO" };
        let seccomp = LinuxSeccomp {
            default_action: default.into(),
            architectures: vec!["SCMP_ARCH_X86".into(), "SCMP_ARCH_X32".into()],
            syscalls: rules,
            ..Default::default()
        };
        let program = compile(&seccomp, Arch::X86_64).unwrap().instructions;
        for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
            let named = |name: &&str| seccomp.syscalls.iter().any(|r| r.names.iter().any(|n| n == name));
            let last = NAMES.iter().filter(|n| named(n)).filter_map(|n| number(arch, n)).max();
            for (which, [a, b, c]) in &calls {
                let number = number(arch, NAMES[*which]).unwrap();
                let arguments = [*a, *b, *c, 0, 0, 0];
                let data = Data { number, arch: arch.audit_number(), arguments };
                let newer = !allow && last.is_none_or(|last| number > last);
                let wanted = if newer {
                    0x0005_0026
                } else {
                    naive(&seccomp, NAMES[*which], &arguments, arch == Arch::X86)
                };
                prop_assert_eq!(run(&program, &data).0, wanted, "{:?} {}", arch, NAMES[*which]);
            }
        }
    }
}
