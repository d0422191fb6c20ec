//! A small container for tests: busybox as its root, Docker's mounts and capabilities.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use corten_oci::RootMount;
use corten_oci::runtime::{Capabilities, Linux, LinuxResources, Mount, Namespace, Process, Spec};
use corten_runtime::{
    CgroupJoin, CreateRequest, Created, ExecRequest, ExecTarget, Gate, Namespaces, Running,
    StartError, Stdio, UserText, create, exec,
};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

pub const APPLETS: &[&str] = &[
    "sh", "cat", "ls", "echo", "true", "false", "sleep", "id", "mount", "hostname", "stat",
    "readlink", "pwd", "env", "test", "mkdir", "touch", "grep", "head", "tail", "ln", "rm", "dd",
    "kill", "chroot", "unshare", "umount", "nproc", "seq", "wc", "tr", "mv", "tty", "stty",
];

pub struct Container {
    pub directory: tempfile::TempDir,
    pub spec: Spec,
    pub root: RootMount,
    pub root_readonly: bool,
    pub root_id_mapped: bool,
    pub user: Option<&'static str>,
    pub groups: Vec<String>,
}

/// What a process said and how it ended.
#[derive(Debug)]
pub struct Outcome {
    pub output: String,
    pub status: i32,
}

pub fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn mount(destination: &str, kind: &str, options: &str) -> Mount {
    Mount {
        destination: destination.into(),
        kind: kind.to_owned(),
        source: Some(kind.into()),
        options: options.split(',').map(str::to_owned).collect(),
        ..Mount::default()
    }
}

pub fn bind(source: &Path, destination: &str, options: &str) -> Mount {
    Mount {
        source: Some(source.to_owned()),
        ..mount(destination, "bind", options)
    }
}

pub const DOCKER_CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

pub fn docker_spec(args: &[&str]) -> Spec {
    let capabilities = strings(DOCKER_CAPABILITIES);
    Spec {
        oci_version: "1.2.0".to_owned(),
        hostname: "box".to_owned(),
        process: Some(Process {
            args: strings(args),
            env: strings(&["PATH=/bin"]),
            cwd: "/".into(),
            capabilities: Some(Capabilities {
                bounding: capabilities.clone(),
                effective: capabilities.clone(),
                permitted: capabilities,
                ..Capabilities::default()
            }),
            oom_score_adj: Some(0),
            ..Process::default()
        }),
        mounts: vec![
            mount("/proc", "proc", "nosuid,noexec,nodev"),
            mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
            mount(
                "/dev/pts",
                "devpts",
                "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5",
            ),
            mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
            mount("/sys/fs/cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
            mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
            mount(
                "/dev/shm",
                "tmpfs",
                "nosuid,noexec,nodev,mode=1777,size=65536k",
            ),
        ],
        linux: Some(Linux {
            namespaces: ["pid", "ipc", "uts", "mount", "network", "cgroup"]
                .map(|kind| Namespace {
                    kind: kind.to_owned(),
                    path: None,
                })
                .into(),
            resources: Some(LinuxResources::default()),
            masked_paths: [
                "/proc/asound",
                "/proc/acpi",
                "/proc/kcore",
                "/proc/keys",
                "/proc/latency_stats",
                "/proc/timer_list",
                "/proc/timer_stats",
                "/proc/sched_debug",
                "/proc/scsi",
                "/sys/firmware",
                "/sys/devices/virtual/powercap",
                "/proc/interrupts",
            ]
            .map(PathBuf::from)
            .into(),
            readonly_paths: [
                "/proc/bus",
                "/proc/fs",
                "/proc/irq",
                "/proc/sys",
                "/proc/sysrq-trigger",
            ]
            .map(PathBuf::from)
            .into(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

impl Container {
    /// A container that runs `args` on a busybox root.
    pub fn new(args: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rootfs = directory.path().join("rootfs");
        fs::create_dir_all(rootfs.join("bin")).unwrap();
        fs::create_dir_all(rootfs.join("etc")).unwrap();
        fs::create_dir_all(rootfs.join("tmp")).unwrap();
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        fs::write(
            rootfs.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
        )
        .unwrap();
        fs::write(
            rootfs.join("etc/group"),
            "root:x:0:\nwww:x:34:\nlog:x:40:web\n",
        )
        .unwrap();
        let root = RootMount::Directory(rootfs);
        Self {
            directory,
            spec: docker_spec(args),
            root,
            root_readonly: false,
            root_id_mapped: false,
            user: None,
            groups: Vec::new(),
        }
    }

    pub fn shell(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    pub fn rootfs(&self) -> PathBuf {
        self.directory.path().join("rootfs")
    }

    pub fn linux(&mut self) -> &mut Linux {
        self.spec.linux.as_mut().unwrap()
    }

    pub fn process(&mut self) -> &mut Process {
        self.spec.process.as_mut().unwrap()
    }

    pub fn create_with(&self, stdio: Stdio) -> Result<Created, StartError> {
        create(CreateRequest {
            id: "test",
            spec: &self.spec,
            bundle: self.directory.path(),
            root: &self.root,
            root_readonly: self.root_readonly,
            root_id_mapped: self.root_id_mapped,
            stdio,
            netns: None,
            cgroup: CgroupJoin::Stay,
            seccomp: None,
            user: self.user.map(|user| UserText {
                user,
                groups: &self.groups,
            }),
            gate: Gate::Parent,
            preserve_fds: 0,
        })
    }

    /// Starts it with its output in a pipe.
    pub fn start(&self) -> Result<(Running, OwnedFd), StartError> {
        let (output, stdio) = piped();
        Ok((self.create_with(stdio)?.start()?, output))
    }

    pub fn run(&self) -> Result<Outcome, StartError> {
        let (running, output) = self.start()?;
        Ok(Outcome {
            output: read(output),
            status: wait(&running.pidfd),
        })
    }

    /// Runs it; fails the test when it does not start or ends badly.
    pub fn output(&self) -> String {
        let outcome = self.run().unwrap();
        assert_eq!(outcome.status, 0, "{}", outcome.output);
        outcome.output
    }

    /// Adds a process to it.
    pub fn exec(&self, running: &Running, process: &Process) -> Result<Outcome, StartError> {
        self.exec_as(running, process, None)
    }

    pub fn exec_as(
        &self,
        running: &Running,
        process: &Process,
        user: Option<&str>,
    ) -> Result<Outcome, StartError> {
        let (output, stdio) = piped();
        let target = ExecTarget {
            pidfd: running.pidfd.as_fd(),
            namespaces: Namespaces::of(self.spec.linux.as_ref().unwrap()),
        };
        let child = exec(
            target,
            ExecRequest {
                process,
                user: user.map(|user| UserText { user, groups: &[] }),
                stdio,
                seccomp: None,
                cgroup: CgroupJoin::Stay,
                preserve_fds: 0,
            },
        )?;
        Ok(Outcome {
            output: read(output),
            status: wait(&child.pidfd),
        })
    }

    /// As the container's own process, with other arguments.
    pub fn process_of(&self, args: &[&str]) -> Process {
        Process {
            args: strings(args),
            ..self.spec.process.clone().unwrap()
        }
    }
}

/// The reading end, and standard streams that write to it.
pub fn piped() -> (OwnedFd, Stdio) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let stderr = write.try_clone().unwrap();
    (
        read,
        Stdio::Descriptors {
            stdin: None,
            stdout: Some(write),
            stderr: Some(stderr),
        },
    )
}

pub fn read(output: OwnedFd) -> String {
    let mut text = String::new();
    fs::File::from(output).read_to_string(&mut text).unwrap();
    text
}

/// Reaps; the exit code, or 128 and the signal.
pub fn wait(pidfd: &OwnedFd) -> i32 {
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)
        .unwrap()
        .unwrap();
    status
        .exit_status()
        .unwrap_or_else(|| 128 + status.terminating_signal().unwrap())
}

pub fn kill(running: &Running) {
    rustix::process::pidfd_send_signal(&running.pidfd, rustix::process::Signal::KILL).unwrap();
    wait(&running.pidfd);
}
