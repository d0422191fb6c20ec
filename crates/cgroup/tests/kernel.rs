//! Control groups of the kernel the tests run on, as root.
#![forbid(unsafe_code)]
// A test has nobody to hand an error to.
#![allow(clippy::unwrap_used)]

use corten_cgroup::{Cgroup, CgroupError, FreezerState, Host, JoinHandles, Mode};
use corten_oci::runtime::{Cpu, DeviceRule, HugepageLimit, LinuxResources, Memory, Pids};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A group of this test alone, removed at its end.
struct Sandbox {
    group: Cgroup,
}

impl Sandbox {
    fn on(host: &Host, name: &str, resources: &LinuxResources) -> Self {
        let path = PathBuf::from(format!("/corten-test-{}-{name}", std::process::id()));
        Self {
            group: Cgroup::create_on(host, &path.join("inner"), resources).unwrap(),
        }
    }

    fn directory(&self, host: &Host, controller: &str) -> PathBuf {
        let root = host.controller(controller).unwrap();
        self.group
            .directories()
            .find(|path| path.starts_with(root))
            .unwrap()
            .to_owned()
    }

    /// A shell that joins the group as the handles ask, says so, and goes on.
    fn run(&self, script: &str) -> Child {
        let file = match self.group.join_handles().unwrap() {
            JoinHandles::Write(files) => {
                assert_eq!(files.len(), self.group.directories().count());
                "tasks"
            }
            JoinHandles::CloneInto(_) => "cgroup.procs",
        };
        let join: String = self
            .group
            .directories()
            .map(|directory| format!("echo 0 >{}/{file} || exit 1; ", directory.display()))
            .collect();
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(format!("{join}echo in; {script}"))
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 3])
            .unwrap();
        child
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let parents: Vec<PathBuf> = self
            .group
            .directories()
            .filter_map(Path::parent)
            .map(Path::to_owned)
            .collect();
        self.group.kill_all(9).unwrap();
        self.group.delete().unwrap();
        for parent in parents {
            std::fs::remove_dir(parent).unwrap();
        }
    }
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn memory(limit: i64, both: i64) -> LinuxResources {
    let memory = Memory {
        limit: Some(limit),
        swap: Some(both),
        ..Memory::default()
    };
    LinuxResources {
        memory: Some(memory),
        ..LinuxResources::default()
    }
}

/// The version 1 hosts that can be tested: this one, unless it is version 2 only.
fn v1() -> Option<Host> {
    let host = Host::detect().unwrap();
    (host.mode() != Mode::V2).then_some(host)
}

/// The version 2 hierarchy of this host by itself.
fn v2() -> Option<Host> {
    let host = Host::detect().unwrap();
    host.unified.map(|root| Host {
        hierarchies: Vec::new(),
        unified: Some(root),
    })
}

#[test]
fn limits_stand_in_the_kernels_files_and_follow_an_update() {
    let Some(host) = v1() else { return };
    let cpu = Cpu {
        shares: Some(512),
        quota: Some(50_000),
        period: Some(200_000),
        cpus: "0".into(),
        ..Cpu::default()
    };
    let resources = LinuxResources {
        cpu: Some(cpu),
        pids: Some(Pids { limit: 42 }),
        ..memory(64 << 20, 128 << 20)
    };
    let sandbox = Sandbox::on(&host, "limits", &resources);
    let (memory_dir, cpu_dir) = (
        sandbox.directory(&host, "memory"),
        sandbox.directory(&host, "cpu"),
    );
    assert_eq!(
        read(memory_dir.join("memory.limit_in_bytes")),
        (64 << 20).to_string()
    );
    assert_eq!(read(cpu_dir.join("cpu.shares")), "512");
    assert_eq!(read(cpu_dir.join("cpu.cfs_quota_us")), "50000");
    assert_eq!(read(cpu_dir.join("cpu.cfs_period_us")), "200000");
    assert_eq!(
        read(sandbox.directory(&host, "cpuset").join("cpuset.cpus")),
        "0"
    );
    let stats = sandbox.group.stats().unwrap();
    assert_eq!((stats.pids.limit, stats.memory.limit_bytes), (42, 64 << 20));
    // Up past the old limit of both, then down below it.
    for (limit, both) in [(256 << 20, 512 << 20), (16 << 20, 32 << 20)] {
        sandbox.group.update(&memory(limit, both)).unwrap();
        assert_eq!(
            read(memory_dir.join("memory.limit_in_bytes")),
            limit.to_string()
        );
    }
    assert_eq!(read(cpu_dir.join("cpu.shares")), "512");
}

#[test]
fn a_group_is_joined_counted_frozen_killed_and_removed() {
    for host in [v1(), v2()].into_iter().flatten() {
        let sandbox = Sandbox::on(&host, "life", &LinuxResources::default());
        let mut child = sandbox.run("while :; do :; done");
        assert_eq!(sandbox.group.pids().unwrap(), [child.id()]);
        until("usage", || sandbox.group.stats().unwrap().cpu.usage_ns > 0);
        sandbox.group.freeze().unwrap();
        assert_eq!(sandbox.group.freezer_state().unwrap(), FreezerState::Frozen);
        sandbox.group.thaw().unwrap();
        until("thaw", || {
            sandbox.group.freezer_state().unwrap() == FreezerState::Thawed
        });
        sandbox.group.kill_all(15).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(15));
        let mut child = sandbox.run("sleep 1000 & sleep 1000 & wait");
        sandbox.group.freeze().unwrap();
        sandbox.group.thaw().unwrap();
        sandbox.group.kill_all(9).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        until("all ended", || sandbox.group.pids().unwrap().is_empty());
    }
}

#[test]
fn a_process_killed_for_lack_of_memory_is_told() {
    let Some(host) = v1() else { return };
    let sandbox = Sandbox::on(&host, "oom", &memory(8 << 20, 8 << 20));
    let mut watch = sandbox.group.oom_watch().unwrap().unwrap();
    let mut child = sandbox.run("head -c 50000000 /dev/zero | tail; exit 0");
    let mut polled = [PollFd::new(&watch, PollFlags::IN)];
    let limit = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    assert_eq!(poll(&mut polled, Some(&limit)).unwrap(), 1);
    until("count", || sandbox.group.oom_kills().unwrap() == 1);
    assert!(watch.take().unwrap());
    assert!(!watch.take().unwrap());
    child.wait().unwrap();
}

fn rule(allow: bool, kind: &str, major: Option<i64>, minor: Option<i64>) -> DeviceRule {
    DeviceRule {
        allow,
        kind: kind.into(),
        major,
        minor,
        access: "rwm".into(),
    }
}

#[test]
fn devices_outside_the_allow_list_are_refused_in_both_versions() {
    for host in [v1(), v2()].into_iter().flatten() {
        let devices = vec![rule(true, "c", Some(1), Some(3))];
        let resources = LinuxResources {
            devices,
            ..LinuxResources::default()
        };
        let sandbox = Sandbox::on(&host, "devices", &resources);
        let script = "head -c1 /dev/zero 2>/dev/null && echo zero; echo x >/dev/null && echo null";
        let output = sandbox.run(script).wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "null\n");
        let devices = vec![
            rule(true, "c", Some(1), Some(3)),
            rule(true, "c", Some(1), Some(5)),
        ];
        sandbox
            .group
            .update(&LinuxResources {
                devices,
                ..Default::default()
            })
            .unwrap();
        let output = sandbox
            .run("head -c1 /dev/zero | wc -c")
            .wait_with_output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
    }
}

#[test]
fn a_missing_controller_is_an_error_only_when_it_is_needed() {
    let Some(host) = v1() else { return };
    let without = Host {
        hierarchies: host
            .hierarchies
            .iter()
            .filter(|hierarchy| !hierarchy.controllers.iter().any(|name| name == "pids"))
            .cloned()
            .collect(),
        unified: None,
    };
    drop(Sandbox::on(&without, "missing", &LinuxResources::default()));
    let resources = LinuxResources {
        pids: Some(Pids { limit: 5 }),
        ..Default::default()
    };
    let path = PathBuf::from(format!("/corten-test-refused-{}", std::process::id()));
    let error = Cgroup::create_on(&without, &path, &resources).unwrap_err();
    assert!(matches!(
        error,
        CgroupError::MissingController {
            controller: "pids",
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        "the pids controller is not available: pids.limit cannot be set"
    );
    let left = without.hierarchies[0]
        .mount_point
        .join(path.strip_prefix("/").unwrap());
    assert!(!left.exists(), "a refused group leaves nothing");
}

#[test]
fn a_limit_whose_controller_stands_in_version_two_is_set_there() {
    let Some(host) = v1().filter(|host| host.mode() == Mode::Hybrid) else {
        return;
    };
    if !host.unified_controllers().contains(&"hugetlb".to_owned()) {
        return;
    }
    let hugepage_limits = vec![HugepageLimit {
        page_size: "2MB".into(),
        limit: 4 << 20,
    }];
    let resources = LinuxResources {
        hugepage_limits,
        ..Default::default()
    };
    let sandbox = Sandbox::on(&host, "hugetlb", &resources);
    let root = host.unified.as_deref().unwrap();
    let directory = sandbox
        .group
        .directories()
        .find(|path| path.starts_with(root))
        .unwrap();
    assert_eq!(
        read(directory.join("hugetlb.2MB.max")),
        (4 << 20).to_string()
    );
    assert!(sandbox.group.stats().unwrap().hugepages.contains_key("2MB"));
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    for path in ["/../x", "x", "/", "/a/../../b", ""] {
        let error = Cgroup::create(Path::new(path), &LinuxResources::default()).unwrap_err();
        assert!(matches!(error, CgroupError::InvalidPath(_)), "{path}");
    }
}
