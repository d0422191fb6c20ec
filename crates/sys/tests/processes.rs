//! Clones, programs, mounts and privileges, on the real kernel.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use corten_sys::clone::{Child, Options, spawn};
use corten_sys::exec::{Vector, execve, fexecve};
use corten_sys::mount::{self, Attributes, Overlay, Parameter};
use corten_sys::root::Root;
use corten_sys::seccomp::{Filter, Instruction, load};
use corten_sys::{namespace, signal_state, task};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

fn status(child: &Child) -> i32 {
    let ended = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
    let ended = ended.unwrap().unwrap();
    ended
        .exit_status()
        .unwrap_or_else(|| 128 + ended.terminating_signal().unwrap())
}

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn said(read: OwnedFd) -> String {
    let mut text = String::new();
    fs::File::from(read).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_child_ends_with_the_value_of_its_work_and_leaves_the_parent_as_it_was() {
    let mut value = 1;
    let child = spawn(Options::default(), || {
        value = 2;
        41 + value
    })
    .unwrap();
    assert_eq!(status(&child), 43);
    assert_eq!(value, 1, "the memory is copied");
    let panics = spawn(Options::default(), || {
        std::panic::set_hook(Box::new(|_| {}));
        panic!("as it must")
    });
    assert_eq!(status(&panics.unwrap()), 101);
}

#[test]
fn a_child_in_a_new_pid_namespace_is_its_first_process() {
    let namespaces = libc::CLONE_NEWPID as u32;
    let child = spawn(
        Options {
            namespaces,
            ..Options::default()
        },
        || rustix::process::getpid().as_raw_nonzero().get(),
    );
    assert_eq!(status(&child.unwrap()), 1);
    let namespaces = (libc::CLONE_NEWNS | libc::CLONE_FS) as u32;
    let impossible = Options {
        namespaces,
        ..Options::default()
    };
    assert_eq!(errno(spawn(impossible, || 0)), libc::EINVAL);
}

#[test]
fn a_childs_sibling_belongs_to_the_parent() {
    let (read, write) = pipe();
    let helper = spawn(Options::default(), || {
        let sibling = spawn(
            Options {
                sibling: true,
                ..Options::default()
            },
            || 7,
        )
        .unwrap();
        rustix::io::write(&write, &sibling.pid.to_ne_bytes()).unwrap();
        0
    })
    .unwrap();
    let mut bytes = [0; 4];
    rustix::io::read(&read, &mut bytes).unwrap();
    assert_eq!(status(&helper), 0);
    let pid = rustix::process::Pid::from_raw(i32::from_ne_bytes(bytes)).unwrap();
    let ended = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED)
        .unwrap()
        .unwrap();
    assert_eq!(ended.exit_status(), Some(7));
}

#[test]
fn a_program_replaces_the_process_or_says_why_not() {
    let words = Vector::new(["sh", "-c", "exit $CODE"]).unwrap();
    let environment = Vector::new(["CODE=5"]).unwrap();
    let run = |path: &std::ffi::CStr| {
        let child = spawn(Options::default(), || {
            100 + execve(path, &words, &environment).raw_os_error().unwrap()
        });
        status(&child.unwrap())
    };
    assert_eq!(run(c"/bin/sh"), 5);
    assert_eq!(run(c"/nix"), 100 + libc::ENOENT);
    assert_eq!(run(c"/etc/passwd"), 100 + libc::EACCES);
    assert!(Vector::new(["a\0b"]).is_err());
}

/// CVE-2019-5736
#[test]
fn a_program_run_from_a_read_only_copy_cannot_be_opened_for_writing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    fs::copy("/bin/busybox", &path).unwrap();
    let copy = mount::read_only_file(&path).unwrap();
    let words = Vector::new(["true"]).unwrap();
    let child = spawn(Options::default(), || {
        fexecve(copy.as_fd(), &words, &words)
            .raw_os_error()
            .unwrap()
    })
    .unwrap();
    assert_eq!(status(&child), 0);
    // While it runs the kernel says "busy"; afterwards the mount is what protects it.
    let link = format!("/proc/self/fd/{}", copy.as_raw_fd());
    let open = |path: &Path| fs::OpenOptions::new().append(true).open(path);
    assert_eq!(errno(open(Path::new(&link))), libc::EROFS);
    assert!(open(&path).is_ok());
    assert_eq!(
        errno(mount::read_only_file(Path::new("/nix"))),
        libc::ENOENT
    );
}

#[test]
fn detached_mounts_are_made_changed_and_seen_by_descriptor_only() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["lower", "upper", "work"] {
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    fs::write(directory.path().join("lower/file"), "below").unwrap();
    let lower = [directory.path().join("lower"), Path::new("/etc").to_owned()];
    let upper = (
        directory.path().join("upper"),
        directory.path().join("work"),
    );
    let tree = mount::overlay(Overlay {
        lower: &lower,
        upper: Some((&upper.0, &upper.1)),
        id_map: None,
    });
    let root = Root::new(tree.unwrap());
    assert_eq!(root.read_regular(Path::new("file"), 100).unwrap(), b"below");
    assert!(root.read_regular(Path::new("passwd"), 1 << 20).is_ok());
    root.create_file(Path::new("made"), rustix::fs::Mode::RWXU)
        .unwrap();
    assert!(directory.path().join("upper/made").exists());
    // Without an upper directory nothing can be written, with one layer or more.
    for count in [1, 2] {
        let tree = mount::overlay(Overlay {
            lower: &lower[..count],
            upper: None,
            id_map: None,
        })
        .unwrap();
        let made = Root::new(tree).create_file(Path::new("made"), rustix::fs::Mode::RWXU);
        assert_eq!(errno(made), libc::EROFS);
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(directory.path().to_str().unwrap()));
}

#[test]
fn mounts_that_cannot_be_say_so() {
    let missing = [Path::new("/nix").to_owned()];
    assert_eq!(
        errno(mount::overlay(Overlay {
            lower: &missing,
            upper: None,
            id_map: None
        })),
        libc::ENOENT
    );
    let parameter = [Parameter::Text("size".to_owned(), "nonsense".to_owned())];
    assert_eq!(
        errno(mount::new_filesystem("tmpfs", None, &parameter, 0)),
        libc::EINVAL
    );
    assert_eq!(
        errno(mount::new_filesystem("nix", None, &[], 0)),
        libc::ENODEV
    );
    let file = fs::File::open("/").unwrap();
    let impossible = Attributes {
        propagation: 3,
        ..Attributes::default()
    };
    assert_eq!(
        errno(mount::set_attributes(file.as_fd(), impossible)),
        libc::EINVAL
    );
    assert_eq!(
        errno(mount::attach(file.as_fd(), file.as_fd())),
        libc::ELOOP
    );
}

#[test]
fn a_filter_is_loaded_for_good_or_refused() {
    let allow = Instruction {
        code: 6,
        jt: 0,
        jf: 0,
        k: 0x7fff_0000,
    };
    let run = |instructions: Vec<Instruction>| {
        let child = spawn(Options::default(), || {
            match load(&Filter {
                instructions: instructions.clone(),
                flags: 0,
            }) {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().unwrap(),
            }
        });
        status(&child.unwrap())
    };
    assert_eq!(run(vec![allow]), 0);
    assert_eq!(run(Vec::new()), libc::EINVAL);
    assert_eq!(
        run(vec![Instruction {
            code: 0xffff,
            ..allow
        }]),
        libc::EINVAL
    );
    assert_eq!(run(vec![allow; 70_000]), libc::EINVAL);
}

#[test]
fn namespaces_are_joined_and_made_only_as_asked() {
    let mounts = fs::File::open("/proc/thread-self/ns/mnt").unwrap();
    assert_eq!(
        errno(namespace::setns(mounts.as_fd(), libc::CLONE_NEWNET as u32)),
        libc::EINVAL
    );
    assert_eq!(
        errno(namespace::unshare(libc::CLONE_FILES as u32)),
        libc::EINVAL
    );
    namespace::unshare(libc::CLONE_NEWNET as u32).unwrap();
    let routes = || fs::read_to_string("/proc/thread-self/net/fib_trie").unwrap_or_default();
    assert!(!routes().contains("127.0.0.1"));
    namespace::loopback_up().unwrap();
    assert!(routes().contains("127.0.0.1"));
}

#[test]
fn a_program_starts_with_default_signals_and_without_our_descriptors() {
    let _kept = rustix::io::dup(std::io::stdin()).unwrap();
    let script = "grep -E '^Sig(Blk|Ign):.*[1-9a-f]' /proc/self/status; ls /proc/self/fd | wc -l";
    let words = Vector::new(["sh", "-c", script]).unwrap();
    let environment = Vector::new(["PATH=/bin:/usr/bin"]).unwrap();
    let (read, write) = pipe();
    let child = spawn(Options::default(), || {
        rustix::stdio::dup2_stdout(&write).unwrap();
        signal_state::reset().unwrap();
        task::close_on_exec_from(3).unwrap();
        execve(c"/bin/busybox", &words, &environment)
            .raw_os_error()
            .unwrap()
    })
    .unwrap();
    drop(write);
    assert_eq!(said(read).trim(), "4");
    assert_eq!(status(&child), 0);
}

#[test]
fn a_session_keyring_and_priorities_are_the_tasks_own() {
    let child = spawn(Options::default(), || {
        task::join_session_keyring(c"_ses.test").unwrap();
        task::set_io_priority(2, 7).unwrap();
        task::set_personality(0x8).unwrap();
        task::set_scheduling(task::Scheduling {
            nice: 5,
            ..Default::default()
        })
        .unwrap();
        0
    });
    assert_eq!(status(&child.unwrap()), 0);
    assert_eq!(errno(task::set_io_priority(4, 0)), libc::EINVAL);
    let nonsense = task::Scheduling {
        policy: 99,
        ..Default::default()
    };
    assert_eq!(errno(task::set_scheduling(nonsense)), libc::EINVAL);
}
