//! Hostile images and hostile containers, through the stock client (docs of the cases:
//! CVE numbers in the names' comments).

#![allow(clippy::unwrap_used, reason = "the helpers are part of the tests")]

mod beside;
mod claims;
mod copy;
mod copy_races;
mod levers;
mod neighbours;
mod places;
mod rights;

use corten_testkit::{Engine, binary, program, run, until};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

/// Imports the busybox root file system after `change` was made to it.
fn hostile_image(engine: &Engine, name: &str, change: impl FnOnce(&Path)) {
    image_with(engine, name, &[], change);
}

/// As [`hostile_image`], with instructions of a Dockerfile that shape its configuration.
fn image_with(engine: &Engine, name: &str, changes: &[&str], change: impl FnOnce(&Path)) {
    let root = engine.path(&format!("root-{name}"));
    for directory in ["bin", "etc", "proc", "sys", "dev", "tmp"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    std::fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "ls", "cat", "sleep", "id", "true", "readlink", "pwd", "echo",
    ] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    change(&root);
    let tar = engine.path(&format!("{name}.tar"));
    let words = [
        "--xattrs",
        "--xattrs-include=security.capability",
        "-C",
        &root.display().to_string(),
        "-cf",
        &tar.display().to_string(),
        ".",
    ];
    assert_eq!(run(&mut program("tar", words)).code, 0);
    let tar = tar.display().to_string();
    let changes = changes.iter().flat_map(|change| ["-c", change]);
    let words = ["import"].into_iter().chain(changes);
    engine.docker(words.chain([tar.as_str(), name])).ok();
}

fn replace_by_link(root: &Path, what: &str, target: &str) {
    let path = root.join(what);
    drop(std::fs::remove_dir_all(&path));
    drop(std::fs::remove_file(&path));
    symlink(target, path).unwrap();
}

/// When the canary was last touched.
const LONG_AGO: rustix::fs::Timespec = rustix::fs::Timespec {
    tv_sec: 1_000_000_000,
    tv_nsec: 0,
};

/// A tree outside every root that no case may change.
struct Canary(PathBuf);

impl Canary {
    fn new(engine: &Engine) -> Self {
        let path = engine.path("canary");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), "untouched").unwrap();
        for path in [path.join("file"), path.clone()] {
            let times = rustix::fs::Timestamps {
                last_access: LONG_AGO,
                last_modification: LONG_AGO,
            };
            let flags = rustix::fs::AtFlags::empty();
            rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
        }
        Self(path)
    }

    #[track_caller]
    fn untouched(&self) {
        let names: Vec<_> = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names, ["file"]);
        assert_eq!(
            std::fs::read_to_string(self.0.join("file")).unwrap(),
            "untouched"
        );
        for (path, mode) in [(self.0.join("file"), 0o100_644), (self.0.clone(), 0o40755)] {
            let found = std::fs::symlink_metadata(&path).unwrap();
            let seen = (found.mode(), found.uid(), found.gid(), found.mtime());
            assert_eq!(seen, (mode, 0, 0, LONG_AGO.tv_sec), "{}", path.display());
        }
    }
}

// CVE-2019-5736
#[test]
fn the_engines_programs_cannot_be_overwritten_through_proc_self_exe() {
    let engine = Engine::with_images(&["busybox"]);
    let shim = binary("corten-shim");
    let before = std::fs::read(&shim).unwrap();
    engine.docker([
        "run",
        "--rm",
        "--entrypoint",
        "/proc/self/exe",
        "busybox",
        "x",
    ]);
    // What joins is the shim's copy, by whose name it is met.
    let watch = "name() { c=; read -r c <$p/comm; } 2>/dev/null; \
                 while true; do for p in /proc/[0-9]*; do name; case $c in corten*) echo MET; \
                 (echo broken >$p/exe) 2>/dev/null && echo WRITTEN;; esac; done; done";
    engine
        .docker(["run", "-d", "--name", "ww", "busybox", "sh", "-c", watch])
        .ok();
    let mut rounds = 0;
    until("three processes were met", 60, || {
        engine.docker(["exec", "ww", "/bin/true"]).ok();
        rounds += 1;
        let logs = engine.docker(["logs", "ww"]);
        assert!(!logs.stdout.contains("WRITTEN"), "{logs:?}");
        logs.stdout.matches("MET").count() >= 3 && rounds >= 20
    });
    assert!(
        before == std::fs::read(&shim).unwrap(),
        "the shim's file was changed"
    );
}

// CVE-2024-21626 and its hardening
#[test]
fn a_process_starts_with_three_descriptors_and_no_more() {
    let engine = Engine::with_images(&["busybox"]);
    // The shell waits: what it becomes would list its own listing, too.
    let list = "ls /proc/$$/fd; true";
    assert_eq!(
        engine
            .docker(["run", "--rm", "busybox", "sh", "-c", list])
            .ok()
            .trim(),
        "0\n1\n2"
    );
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    assert_eq!(
        engine.docker(["exec", "cc", "sh", "-c", list]).ok().trim(),
        "0\n1\n2"
    );
    assert_eq!(
        engine
            .docker(["exec", "cc", "sh", "-c", "ls /proc/1/fd"])
            .ok()
            .trim(),
        "0\n1\n2"
    );
}

// CVE-2024-21626
#[test]
fn a_working_directory_cannot_be_a_descriptor_of_the_host() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    for number in 3..24 {
        let directory = format!("/proc/self/fd/{number}");
        for words in [
            ["run", "--rm", "-w", &directory, "busybox"],
            ["exec", "-w", &directory, "cc", "-"],
        ] {
            let words = words
                .iter()
                .filter(|word| **word != "-")
                .chain(&["ls", "../../../../../.."]);
            let ran = engine.docker(words);
            assert!(
                ran.code != 0 || !ran.stdout.contains("lost+found"),
                "{ran:?}"
            );
            assert!(
                ran.code != 0 || ran.stdout.contains("bin"),
                "outside of the root: {ran:?}"
            );
        }
    }
}

// CVE-2023-28642, CVE-2019-19921, CVE-2026-41579
#[test]
fn a_linked_proc_sys_or_dev_reaches_nothing_outside() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let target = canary.0.display().to_string();
    let up = format!("../../../../../../../../..{target}");
    for (number, (what, to)) in [
        ("proc", target.as_str()),
        ("proc", "/tmp"),
        ("sys", "/tmp"),
        ("dev", target.as_str()),
        ("dev", up.as_str()),
        ("dev", "/etc"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("linked{number}");
        hostile_image(&engine, &name, |root| replace_by_link(root, what, to));
        let ran = engine.docker(["run", "--rm", "-t", &name, "cat", "/proc/self/status"]);
        assert!(
            ran.code != 0 || ran.stdout.contains("NoNewPrivs"),
            "{what} -> {to}: {ran:?}"
        );
        canary.untouched();
    }
}

// CVE-2025-31133, CVE-2025-52565
#[test]
fn a_linked_dev_null_or_console_masks_nothing_of_the_kernel() {
    let engine = Engine::start();
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    hostile_image(&engine, "null", |root| {
        replace_by_link(root, "dev/null", "/proc/sys/kernel/core_pattern");
        replace_by_link(root, "dev/console", "/proc/sys/kernel/core_pattern");
        replace_by_link(root, "dev/pts", "/proc/sys");
    });
    let ran = engine.docker([
        "run",
        "--rm",
        "-t",
        "null",
        "sh",
        "-c",
        "echo x > /proc/kcore; cat /proc/kcore; ls -l /dev/null",
    ]);
    assert!(ran.code != 0 || ran.stdout.contains("1,"), "{ran:?}");
    assert_eq!(
        std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(),
        pattern
    );
}

// CVE-2016-3697, CVE-2024-40635, crun CVE-2026-30892
#[test]
fn a_user_is_read_exactly_or_refused() {
    let engine = Engine::start();
    hostile_image(&engine, "users", |root| {
        std::fs::write(
            root.join("etc/passwd"),
            "1000:x:0:0::/:/bin/sh\n4294967296:x:0:0::/:/bin/sh\nu:x:5:6::/:/bin/sh\n",
        )
        .unwrap();
        std::fs::write(root.join("etc/group"), "g:x:6:\na:x:7:u\nb:x:8:u\n").unwrap();
    });
    let id = |user: &str| engine.docker(["run", "--rm", "--user", user, "users", "id", "-u"]);
    assert_eq!(
        id("1000").ok(),
        "1000",
        "a number is never looked up as a name"
    );
    // As Go reads numbers, and so Docker.
    assert_eq!(id("+1000").ok(), "1000");
    for user in [
        "4294967296",
        "4294967295:0:0",
        "-1",
        "0x3e8",
        "99999999999",
        "nosuch",
    ] {
        assert_ne!(id(user).code, 0, "{user}");
    }
    let groups = engine.docker(["run", "--rm", "--user", "u", "users", "id", "-G"]);
    assert_eq!(groups.ok(), "6 7 8");
    let groups = engine.docker([
        "run",
        "--rm",
        "--user",
        "u",
        "--group-add",
        "9",
        "users",
        "id",
        "-G",
    ]);
    assert_eq!(groups.ok(), "6 7 8 9");
}

// CVE-2025-24965, cri-o CVE-2024-5154
#[test]
fn files_that_the_engine_writes_do_not_follow_links_of_the_image() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let target = canary.0.join("file").display().to_string();
    hostile_image(&engine, "files", |root| {
        for name in ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"] {
            replace_by_link(root, name, &target);
        }
    });
    engine.docker(["run", "--rm", "files", "true"]);
    engine.docker(["run", "--rm", "files", "sh", "-c", "echo x > /etc/hosts"]);
    canary.untouched();
}

// CVE-2021-30465: a volume shared with a container that swaps the mount target's parent
// for a link to `/`. A start that met the link has its tmpfs at `/b` of the container.
#[test]
fn a_swapped_mount_target_never_lands_outside_the_root() {
    let engine = Engine::with_images(&["busybox"]);
    let mounts = || {
        std::fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .lines()
            .count()
    };
    let before = mounts();
    let swap = "mkdir -p /v/a/b /v/real; while true; do mv /v/a /v/c; ln -s / /v/a; rm /v/a; mv /v/c /v/a; done";
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "racer",
            "-v",
            "shared:/v",
            "busybox",
            "sh",
            "-c",
            swap,
        ])
        .ok();
    let (mut rounds, mut met) = (0, 0);
    until("three starts have met the link", 120, || {
        let ran = engine.docker([
            "run",
            "--rm",
            "-v",
            "shared:/v",
            "--tmpfs",
            "/v/a/b",
            "busybox",
            "cat",
            "/proc/mounts",
        ]);
        assert!(ran.code != 0 || ran.stdout.contains(" /v "), "{ran:?}");
        assert!(!Path::new("/b").exists(), "round {rounds}");
        met += u32::from(ran.stdout.contains(" /b tmpfs "));
        rounds += 1;
        met >= 3 && rounds >= 10
    });
    assert_eq!(mounts(), before);
    assert!(!Path::new("/b").exists());
}

// CVE-2022-0492, CVE-2015-3630: what a default container may not do
#[test]
fn a_default_container_reaches_no_lever_of_the_kernel() {
    let engine = Engine::with_images(&["debian"]);
    for attempt in [
        "echo x > /proc/sys/kernel/core_pattern",
        "echo x > /proc/sysrq-trigger",
        "echo 1 > /sys/kernel/uevent_helper",
        "mount -t proc p /mnt",
        "unshare -Ur true",
        "cat /proc/kcore",
        "mknod /tmp/sda b 8 0 && cat /tmp/sda",
        "ls /sys/firmware/*",
        "echo 0 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
    ] {
        let ran = engine.docker([
            "run",
            "--rm",
            "debian",
            "bash",
            "-c",
            &format!("{attempt} | grep -q . && exit 0; exit ${{PIPESTATUS[0]}}"),
        ]);
        assert_ne!(ran.code, 0, "{attempt} was allowed: {ran:?}");
    }
    let status = engine.docker([
        "run",
        "--rm",
        "debian",
        "grep",
        "-E",
        "CapInh|CapAmb|Seccomp:",
        "/proc/self/status",
    ]);
    let values: Vec<&str> = status
        .ok()
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(values, ["0000000000000000", "0000000000000000", "2"]);
}
