//! What Docker's default profile lets through.
#![allow(clippy::unwrap_used)] // a failed step is a failed test

mod common;

use common::{Data, naive, number, run};
use corten_oci::runtime::LinuxSeccomp;
use corten_seccomp::{Arch, Conditions, KernelVersion, Program, compile, default_profile};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;

fn resolved(capabilities: &[&str]) -> LinuxSeccomp {
    let capabilities: Vec<String> = capabilities.iter().map(|c| (*c).to_owned()).collect();
    default_profile()
        .resolve(&Conditions {
            capabilities: &capabilities,
            arch: Arch::X86_64,
            kernel: KernelVersion {
                major: 6,
                minor: 18,
            },
        })
        .unwrap()
}

fn compiled(capabilities: &[&str]) -> Program {
    compile(&resolved(capabilities), Arch::X86_64).unwrap()
}

fn ask(program: &Program, arch: Arch, name: &str, arguments: &[u64]) -> u32 {
    let number = number(arch, name).unwrap();
    ask_number(program, arch, number, arguments)
}

fn ask_number(program: &Program, arch: Arch, number: u32, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    run(
        &program.instructions,
        &Data {
            number,
            arch: arch.audit_number(),
            arguments: all,
        },
    )
    .0
}

#[test]
fn ordinary_calls_pass_and_dangerous_ones_are_refused() {
    let program = compiled(&["CAP_SYS_CHROOT"]);
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        for name in [
            "read", "execve", "openat2", "clone", "chroot", "ptrace", "mseal",
        ] {
            assert_eq!(ask(&program, arch, name, &[]), ALLOW, "{arch:?} {name}");
        }
        for name in [
            "mount",
            "bpf",
            "unshare",
            "setns",
            "keyctl",
            "add_key",
            "reboot",
            "kexec_load",
        ] {
            assert_eq!(ask(&program, arch, name, &[]), EPERM, "{arch:?} {name}");
        }
    }
    for name in [
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "userfaultfd",
    ] {
        assert_eq!(ask(&program, Arch::X86_64, name, &[]), EPERM, "{name}");
    }
}

#[test]
fn clone_may_not_make_namespaces_without_the_capability() {
    let program = compiled(&[]);
    for flag in [
        0x0002_0000_u64,
        0x0200_0000,
        0x0400_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ] {
        assert_eq!(
            ask(&program, Arch::X86_64, "clone", &[flag | 17]),
            EPERM,
            "{flag:#x}"
        );
    }
    assert_eq!(ask(&program, Arch::X86_64, "clone", &[0x003d_0f00]), ALLOW);
    assert_eq!(ask(&program, Arch::X86_64, "clone3", &[]), ENOSYS);
    let program = compiled(&["CAP_SYS_ADMIN"]);
    assert_eq!(ask(&program, Arch::X86_64, "clone", &[0x1000_0000]), ALLOW);
    assert_eq!(ask(&program, Arch::X86_64, "clone3", &[]), ALLOW);
    assert_eq!(ask(&program, Arch::X86_64, "unshare", &[]), ALLOW);
}

// CVE-2026-31431: the kernel's ciphers (AF_ALG) and other machines' (AF_VSOCK).
#[test]
fn sockets_of_two_families_are_refused_also_with_a_high_bit_set() {
    let program = compiled(&[]);
    for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
        for family in [38, 40] {
            assert_eq!(ask(&program, arch, "socket", &[family]), EPERM, "{arch:?}");
        }
        for family in [1, 2, 10, 16, 17, 37, 39, 41, 44] {
            let answer = ask(&program, arch, "socket", &[family]);
            assert_eq!(answer, ALLOW, "{arch:?} {family}");
        }
    }
    for family in [38, 40] {
        let high = family | 1 << 32;
        assert_eq!(ask(&program, Arch::X86_64, "socket", &[high]), EPERM);
    }
}

#[test]
fn personality_takes_the_five_known_values() {
    let program = compiled(&[]);
    for value in [0, 8, 0x20000, 0x20008, 0xffff_ffff] {
        assert_eq!(
            ask(&program, Arch::X86_64, "personality", &[value]),
            ALLOW,
            "{value:#x}"
        );
    }
    assert_eq!(
        ask(&program, Arch::X86_64, "personality", &[0x0040_0000]),
        EPERM
    );
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    let program = compiled(&[]);
    let last = number(Arch::X86_64, "removexattrat").unwrap();
    assert_eq!(ask_number(&program, Arch::X86_64, last, &[]), ALLOW);
    assert_eq!(ask_number(&program, Arch::X86_64, last + 1, &[]), ENOSYS);
    assert_eq!(ask_number(&program, Arch::X86_64, 1000, &[]), ENOSYS);
    assert_eq!(ask_number(&program, Arch::X86, 1000, &[]), ENOSYS);
    // A gap between known numbers stays refused.
    assert_eq!(ask_number(&program, Arch::X86_64, 400, &[]), EPERM);
}

#[test]
fn a_foreign_architecture_is_killed() {
    let program = compiled(&[]);
    assert_eq!(ask(&program, Arch::Aarch64, "read", &[]), 0);
    let mut only_64 = resolved(&[]);
    only_64.architectures.clear();
    let program = compile(&only_64, Arch::X86_64).unwrap();
    assert_eq!(ask(&program, Arch::X86, "read", &[]), 0);
    assert_eq!(ask(&program, Arch::X32, "read", &[]), 0);
    assert_eq!(ask(&program, Arch::X86_64, "read", &[]), ALLOW);
}

#[test]
fn the_program_is_short_and_its_answers_come_soon() {
    let program = compiled(&["CAP_SYS_CHROOT"]);
    let one = LinuxSeccomp {
        architectures: Vec::new(),
        ..resolved(&["CAP_SYS_CHROOT"])
    };
    let one = compile(&one, Arch::X86_64).unwrap().instructions.len();
    let all = program.instructions.len();
    assert!(
        one <= 100 && all <= 360,
        "{one} for x86_64, {all} for three architectures"
    );
    let steps = (0..470).map(|number| {
        let arch = Arch::X86_64.audit_number();
        run(
            &program.instructions,
            &Data {
                number,
                arch,
                arguments: [0; 6],
            },
        )
        .1
    });
    assert!(steps.max().unwrap() <= 20);
}

#[test]
fn every_call_of_every_architecture_is_answered_as_the_rules_say() {
    for capabilities in [&[][..], &["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_BPF"]] {
        let rules = resolved(capabilities);
        let program = compiled(capabilities);
        for arch in [Arch::X86_64, Arch::X86, Arch::X32] {
            let newest = number(arch, "removexattrat")
                .or_else(|| number(arch, "preadv2"))
                .unwrap();
            for name in include_str!("../src/syscalls.tsv").lines().skip(1) {
                let name = name.split('\t').next().unwrap();
                let Some(number) = number(arch, name) else {
                    continue;
                };
                if number > newest {
                    continue;
                }
                for arguments in [[0; 6], [40; 6], [0x1000_0000; 6], [u64::MAX; 6]] {
                    let narrow = arch == Arch::X86 || ["socket", "personality"].contains(&name);
                    let data = Data {
                        number,
                        arch: arch.audit_number(),
                        arguments,
                    };
                    assert_eq!(
                        run(&program.instructions, &data).0,
                        naive(&rules, name, &arguments, narrow),
                        "{arch:?} {name} {arguments:?}"
                    );
                }
            }
        }
    }
}
