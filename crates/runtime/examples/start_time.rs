//! How long a start and an exec take: medians and minima over many containers, with
//! everything that Docker isolates, in the host's network or an own one.
//!
//! `cargo run --release -p corten-runtime --example start_time -- BUSYBOX_ROOTFS [COUNT]`
#![allow(
    clippy::unwrap_used,
    reason = "a measurement ends at the first failure"
)]

use corten_cgroup::{Cgroup, JoinHandles};
use corten_oci::RootMount;
use corten_oci::runtime::Spec;
use corten_runtime::{
    CgroupJoin, CreateRequest, ExecRequest, ExecTarget, Gate, Namespaces, Stdio, compile_filter,
    create, default_device_rules, exec,
};
use corten_seccomp::{Arch, Conditions, KernelVersion, default_profile};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../tests/container/mod.rs"]
mod container;

/// One line of the result.
#[derive(Default)]
struct Series(Vec<(&'static str, Vec<Duration>)>);

impl Series {
    fn add(&mut self, name: &'static str, duration: Duration) {
        match self.0.iter_mut().find(|entry| entry.0 == name) {
            Some(entry) => entry.1.push(duration),
            None => self.0.push((name, vec![duration])),
        }
    }

    fn print(&mut self) {
        for (name, durations) in &mut self.0 {
            durations.sort_unstable();
            let median = durations[durations.len() / 2].as_micros();
            println!(
                "{name:<28} median {median:>6} us   min {:>6} us",
                durations[0].as_micros()
            );
        }
    }
}

fn wait(pidfd: &OwnedFd) {
    waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
}

fn main() {
    let mut words = std::env::args().skip(1);
    let rootfs = words.next().unwrap_or_else(|| "rootfs".to_owned());
    let count = words
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(100);
    for network in [false, true] {
        println!(
            "{}",
            if network {
                "own network namespace"
            } else {
                "host's network"
            }
        );
        let mut series = Series::default();
        for _ in 0..count {
            once(Path::new(&rootfs), network, &mut series);
        }
        series.print();
    }
}

fn spec(network: bool) -> Spec {
    let mut spec = container::docker_spec(&["/bin/busybox", "sleep", "100"]);
    let linux = spec.linux.as_mut().unwrap();
    linux
        .namespaces
        .retain(|namespace| network || namespace.kind != "network");
    let capabilities = container::strings(container::DOCKER_CAPABILITIES);
    let conditions = Conditions {
        capabilities: &capabilities,
        arch: Arch::native().unwrap(),
        kernel: KernelVersion { major: 6, minor: 1 },
    };
    linux.seccomp = Some(default_profile().resolve(&conditions).unwrap());
    spec
}

fn once(rootfs: &Path, network: bool, series: &mut Series) {
    let mut spec = spec(network);
    let filter = compile_filter(spec.linux.as_ref().unwrap().seccomp.as_ref().unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (upper, work) = (
        directory.path().join("upper"),
        directory.path().join("work"),
    );
    std::fs::create_dir(&upper).unwrap();
    std::fs::create_dir(&work).unwrap();
    let root = RootMount::Overlay {
        lower: vec![rootfs.to_owned()],
        upper: Some(upper),
        work: Some(work),
    };
    let resources = spec.linux.as_mut().unwrap().resources.as_mut().unwrap();
    resources.devices.extend(default_device_rules());
    let begin = Instant::now();
    let group = Cgroup::create(Path::new("/corten-start-time"), resources).unwrap();
    let handles = group.join_handles().unwrap();
    let made = Instant::now();
    series.add("cgroup", made - begin);
    let join = || match &handles {
        JoinHandles::Write(files) => CgroupJoin::Write(files),
        JoinHandles::CloneInto(directory) => CgroupJoin::CloneInto(directory.as_fd()),
    };
    let none = || Stdio::Descriptors {
        stdin: None,
        stdout: None,
        stderr: None,
    };
    let created = create(CreateRequest {
        id: "start-time",
        spec: &spec,
        bundle: Path::new("/"),
        root: &root,
        root_readonly: false,
        root_id_mapped: false,
        stdio: none(),
        netns: None,
        cgroup: join(),
        seccomp: Some(&filter),
        user: None,
        gate: Gate::Parent,
        preserve_fds: 0,
    })
    .unwrap();
    let prepared = Instant::now();
    series.add("create", prepared - made);
    let running = created.start().unwrap();
    let started = Instant::now();
    series.add("start", started - prepared);
    series.add("cgroup + create + start", started - begin);
    let process = spec.process.as_mut().unwrap();
    process.args = vec!["/bin/busybox".to_owned(), "true".to_owned()];
    let target = ExecTarget {
        pidfd: running.pidfd.as_fd(),
        namespaces: Namespaces::of(spec.linux.as_ref().unwrap()),
    };
    let begin = Instant::now();
    let child = exec(
        target,
        ExecRequest {
            process: spec.process.as_ref().unwrap(),
            user: None,
            stdio: none(),
            seccomp: Some(&filter),
            cgroup: join(),
            preserve_fds: 0,
        },
    )
    .unwrap();
    series.add("exec", begin.elapsed());
    wait(&child.pidfd);
    series.add("exec until reaped", begin.elapsed());
    let begin = Instant::now();
    rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).unwrap();
    wait(&running.pidfd);
    series.add("kill until reaped", begin.elapsed());
    let begin = Instant::now();
    drop(running);
    group.delete().unwrap();
    series.add("removal", begin.elapsed());
}
