//! A host of pure cgroup v2, as root. On other hosts these tests have nothing to look
//! at; `cargo xtask test` runs them in a guest as well.
#![forbid(unsafe_code)]
// A test has nobody to hand an error to.
#![allow(clippy::unwrap_used)]

use corten_cgroup::{Cgroup, CgroupError, Host, JoinHandles, Mode};
use corten_oci::runtime::{BlockIo, Cpu, LinuxResources, Memory, Pids};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs `test` with a group below two that are new, where the host has every controller.
fn with_group(name: &str, resources: &LinuxResources, test: impl FnOnce(&Cgroup, &Path)) {
    let host = Host::detect().unwrap();
    let has = host.unified_controllers();
    let needed = ["cpu", "memory", "pids", "cpuset"];
    if host.mode() != Mode::V2 || !needed.iter().all(|name| has.contains(&(*name).to_owned())) {
        return;
    }
    let parent = PathBuf::from(format!("/corten-test-{}-{name}", std::process::id()));
    let group = Cgroup::create(&parent.join("inner/most"), resources).unwrap();
    let directory = group.directories().next().unwrap().to_owned();
    test(&group, &directory);
    group.kill_all(9).unwrap();
    group.delete().unwrap();
    for parent in directory.ancestors().skip(1).take(2) {
        std::fs::remove_dir(parent).unwrap();
    }
}

fn read(directory: &Path, name: &str) -> String {
    std::fs::read_to_string(directory.join(name))
        .unwrap()
        .trim()
        .to_owned()
}

fn memory(limit: i64, swap: i64) -> LinuxResources {
    let memory = Memory {
        limit: Some(limit),
        swap: Some(swap),
        ..Memory::default()
    };
    LinuxResources {
        memory: Some(memory),
        ..LinuxResources::default()
    }
}

#[test]
fn limits_of_version_one_are_written_as_those_of_version_two() {
    let cpu = Cpu {
        shares: Some(1024),
        quota: Some(50_000),
        period: Some(200_000),
        cpus: "0".into(),
        ..Cpu::default()
    };
    let both = memory(64 << 20, 96 << 20).memory.unwrap();
    let resources = LinuxResources {
        cpu: Some(cpu),
        memory: Some(Memory {
            reservation: Some(32 << 20),
            ..both
        }),
        pids: Some(Pids { limit: 42 }),
        unified: BTreeMap::from([("memory.high".to_owned(), "60000000".to_owned())]),
        ..LinuxResources::default()
    };
    with_group("limits", &resources, |group, directory| {
        assert_eq!(read(directory, "memory.max"), (64 << 20).to_string());
        assert_eq!(read(directory, "memory.swap.max"), (32 << 20).to_string());
        assert_eq!(read(directory, "memory.low"), (32 << 20).to_string());
        assert_eq!(
            read(directory, "memory.high"),
            (60_000_000 / 4096 * 4096).to_string()
        );
        assert_eq!(read(directory, "cpu.weight"), "39");
        assert_eq!(read(directory, "cpu.max"), "50000 200000");
        assert_eq!(read(directory, "cpuset.cpus"), "0");
        assert_eq!(read(directory, "pids.max"), "42");
        let stats = group.stats().unwrap();
        assert!(stats.unified);
        assert_eq!((stats.memory.limit_bytes, stats.pids.limit), (64 << 20, 42));
        // An update changes what it names.
        group.update(&memory(-1, -1)).unwrap();
        let period = Cpu {
            period: Some(100_000),
            ..Cpu::default()
        };
        group
            .update(&LinuxResources {
                cpu: Some(period),
                ..Default::default()
            })
            .unwrap();
        assert_eq!(read(directory, "memory.max"), "max");
        assert_eq!(read(directory, "memory.swap.max"), "max");
        assert_eq!(read(directory, "cpu.max"), "50000 100000");
        assert_eq!(read(directory, "pids.max"), "42");
    });
}

#[test]
fn what_only_version_one_has_is_refused() {
    with_group("refused", &LinuxResources::default(), |group, _| {
        let swappiness = Memory {
            swappiness: Some(10),
            ..Memory::default()
        };
        let leaf = BlockIo {
            leaf_weight: Some(10),
            ..BlockIo::default()
        };
        for resources in [
            LinuxResources {
                memory: Some(swappiness),
                ..Default::default()
            },
            LinuxResources {
                block_io: Some(leaf),
                ..Default::default()
            },
        ] {
            let error = group.update(&resources).unwrap_err();
            assert!(
                matches!(error, CgroupError::MissingController { .. }),
                "{error}"
            );
        }
    });
}

#[test]
fn a_process_killed_for_lack_of_memory_is_told_on_version_two() {
    with_group("oom", &memory(8 << 20, 8 << 20), |group, directory| {
        assert!(matches!(
            group.join_handles().unwrap(),
            JoinHandles::CloneInto(_)
        ));
        let mut watch = group.oom_watch().unwrap().unwrap();
        let script = format!(
            "echo 0 >{}/cgroup.procs; head -c 50000000 /dev/zero | tail; exit 0",
            directory.display()
        );
        let mut child = Command::new("/bin/sh")
            .args(["-c", &script])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let limit = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        // memory.events changes for other reasons as well.
        loop {
            let mut polled = [PollFd::new(&watch, PollFlags::IN)];
            assert_eq!(
                poll(&mut polled, Some(&limit)).unwrap(),
                1,
                "nothing is told"
            );
            if watch.take().unwrap() {
                break;
            }
        }
        assert_eq!(group.oom_kills().unwrap(), 1);
        child.wait().unwrap();
    });
}
