//! What a hostile image, volume or request tries at start and exec.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod container;

use container::{Container, bind, kill, piped, strings};
use corten_oci::runtime::Namespace;
use corten_runtime::{Stage, Stdio, WindowSize};
use rustix::fs::{RenameFlags, renameat_with};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A tree of the host that must stay as it is, seen from the container's root as
/// `../canary`.
fn canary(container: &Container) -> std::path::PathBuf {
    let path = container.directory.path().join("canary");
    fs::create_dir(&path).unwrap();
    path
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).unwrap().next().is_none()
}

/// CVE-2024-21626
#[test]
fn a_working_directory_among_the_runtimes_descriptors_is_refused() {
    let mut container = Container::shell("pwd; ls");
    let sleeper = Container::new(&["sleep", "100"]);
    let (running, _output) = sleeper.start().unwrap();
    for number in 0..64 {
        for (link, cwd) in [
            (None, format!("/proc/self/fd/{number}")),
            (None, format!("/proc/self/fd/{number}/..")),
            (None, format!("/proc/thread-self/fd/{number}")),
            (
                Some(format!("/proc/self/fd/{number}")),
                "/escape".to_owned(),
            ),
        ] {
            for tree in [container.rootfs(), sleeper.rootfs()] {
                let _ = fs::remove_file(tree.join("escape"));
                if let Some(target) = &link {
                    symlink(target, tree.join("escape")).unwrap();
                }
            }
            container.process().cwd = cwd.clone().into();
            let error = container.run().unwrap_err();
            assert_eq!(error.stage, Stage::WorkingDirectory, "{cwd}: {error}");
            let mut process = sleeper.process_of(&["pwd"]);
            process.cwd = cwd.clone().into();
            let error = sleeper.exec(&running, &process).unwrap_err();
            assert_eq!(error.stage, Stage::WorkingDirectory, "{cwd}: {error}");
        }
    }
    kill(&running);
}

/// CVE-2023-28642, CVE-2019-19921
#[test]
fn proc_and_sys_behind_a_symbolic_link_are_refused() {
    for name in ["proc", "sys"] {
        let container = Container::new(&["true"]);
        fs::create_dir(container.rootfs().join("elsewhere")).unwrap();
        symlink("/elsewhere", container.rootfs().join(name)).unwrap();
        let error = container.run().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("filesystem \"/{name}\" must be mounted on ordinary directory")
        );
    }
}

/// CVE-2019-16884, CVE-2015-3629
#[test]
fn nothing_can_be_mounted_over_proc() {
    let host = tempfile::tempdir().unwrap();
    for destination in [
        "/proc",
        "/proc/self",
        "/proc/self/attr",
        "/proc/sys",
        "/proc/1/../sys",
    ] {
        let mut container = Container::new(&["true"]);
        container
            .spec
            .mounts
            .push(bind(host.path(), destination, "rbind"));
        let result = container.run();
        // `/proc/1/../sys` is /proc/sys, by which name ever.
        assert!(result.is_err(), "{destination}");
    }
    let mut container = Container::new(&["cat", "/proc/uptime"]);
    fs::write(host.path().join("uptime"), "lxcfs\n").unwrap();
    container
        .spec
        .mounts
        .push(bind(&host.path().join("uptime"), "/proc/uptime", "rbind"));
    assert_eq!(container.output(), "lxcfs\n");
}

/// CVE-2019-16884: the name says nothing of /proc, a link of the image leads there. What
/// lies on another procfs, the host's for one, is data.
#[test]
fn no_link_of_the_image_leads_a_mount_into_proc() {
    let host = tempfile::tempdir().unwrap();
    for (target, destination) in [
        ("/proc", "/link"),
        ("proc", "/link/self/attr"),
        ("/proc/self", "/link/attr"),
        ("../../proc/sys", "/link"),
        ("/elsewhere", "/link/../proc/bus"),
    ] {
        let mut container = Container::new(&["true"]);
        fs::create_dir(container.rootfs().join("elsewhere")).unwrap();
        symlink(target, container.rootfs().join("link")).unwrap();
        let entry = bind(host.path(), destination, "rbind");
        container.spec.mounts.push(entry);
        let error = container.run().unwrap_err();
        let said = format!("{destination:?} cannot be mounted because it is inside /proc");
        assert!(error.to_string().ends_with(&said), "{target}: {error}");
    }
    let mut container = Container::shell("ls /host/proc/bus /host/proc/1/comm");
    let proc = Path::new("/proc");
    let mounts = &mut container.spec.mounts;
    mounts.push(bind(proc, "/host/proc", "rbind"));
    mounts.push(bind(host.path(), "/host/proc/bus", "rbind"));
    fs::write(host.path().join("mine"), "").unwrap();
    let listed = container.output();
    assert_eq!(listed, "/host/proc/1/comm\n\n/host/proc/bus:\nmine\n");
}

/// CVE-2025-31133: what is missing of the image is no reason to leave a path open.
#[test]
fn masks_hold_where_the_image_has_no_dev_null() {
    let mut container = Container::shell("ls /dev; wc -c </proc/interrupts; ls /sys/firmware");
    let dev = tempfile::tempdir().unwrap();
    fs::write(dev.path().join("only"), "").unwrap();
    let mounts = &mut container.spec.mounts;
    mounts.retain(|mount| !mount.destination.starts_with("/dev"));
    mounts.push(bind(dev.path(), "/dev", "rbind,ro"));
    match container.run() {
        Ok(outcome) => assert_eq!(outcome.output, "only\n0\n"),
        Err(error) => assert!(matches!(error.stage, Stage::Device | Stage::Mask)),
    }
}

/// CVE-2026-41579: nodes, links and the console stay inside.
#[test]
fn a_dev_that_is_a_symbolic_link_leads_nowhere_outside() {
    for target in ["/etc", "../../../canary", "/../../canary", "../canary"] {
        let mut container = Container::new(&["true"]);
        let canary = canary(&container);
        symlink(target, container.rootfs().join("dev")).unwrap();
        container
            .spec
            .mounts
            .retain(|mount| !mount.destination.starts_with("/dev"));
        let _ = container.run();
        assert!(is_empty(&canary), "{target}");
        assert!(!Path::new("/etc/full").exists(), "{target}");
        container.spec = container::docker_spec(&["true"]);
        container.process().terminal = true;
        let terminal = Stdio::Terminal {
            size: WindowSize::default(),
        };
        if let Ok(created) = container.create_with(terminal) {
            kill(&created.start().unwrap());
        }
        assert!(is_empty(&canary), "{target}");
    }
}

/// CVE-2025-31133
#[test]
fn masks_do_not_come_from_the_images_dev_null() {
    let mut container = Container::shell("wc -c </proc/interrupts");
    container
        .spec
        .mounts
        .retain(|mount| !mount.destination.starts_with("/dev"));
    fs::create_dir(container.rootfs().join("dev")).unwrap();
    symlink(
        "/proc/sys/kernel/core_pattern",
        container.rootfs().join("dev/null"),
    )
    .unwrap();
    let error = container.run().unwrap_err();
    assert_eq!(
        (error.stage, error.path.as_str()),
        (Stage::Device, "/dev/null")
    );
    // A /dev of the image that is complete is taken as it is, and not trusted either.
    let dev = tempfile::tempdir().unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.path().join("null")).unwrap();
    container
        .spec
        .mounts
        .push(bind(dev.path(), "/dev", "rbind"));
    assert_eq!(container.output(), "0\n");
}

/// CVE-2025-52565
#[test]
fn the_console_is_the_containers_terminal_whatever_the_image_has_there() {
    let mut container = Container::shell("stat -c %t:%T /dev/console; tty");
    fs::create_dir(container.rootfs().join("dev")).unwrap();
    let canary = canary(&container).join("file");
    fs::write(&canary, "").unwrap();
    symlink("../../canary/file", container.rootfs().join("dev/console")).unwrap();
    container
        .spec
        .mounts
        .retain(|mount| mount.destination != Path::new("/dev"));
    container.process().terminal = true;
    let size = WindowSize::default();
    let created = container.create_with(Stdio::Terminal { size });
    assert_eq!(fs::read(&canary).unwrap(), b"");
    if let Ok(created) = created {
        let running = created.start().unwrap();
        let mut text = Vec::new();
        let _ = fs::File::from(running.console.unwrap()).read_to_end(&mut text);
        assert!(String::from_utf8(text).unwrap().ends_with("/dev/pts/0\r\n"));
        container::wait(&running.pidfd);
    }
}

/// CVE-2016-9962. The watcher knows a process that joins by its name, which is still this
/// test's, and asks for its descriptors; words of the shell only, since every program it
/// ran would come too late. Asked again, the name says that it had not become the program.
#[test]
fn a_joining_process_cannot_be_looked_into() {
    const MEETINGS: usize = 5;
    let watcher = Container::shell(
        "name() { c=; read -r c <$p/comm; } 2>/dev/null
         while :; do for p in /proc/[0-9]*; do
           name; case $c in sh|true|'') continue;; esac
           echo MET
           [ -e $p/fd/0 ] || [ -e $p/exe ] || continue
           name; case $c in sh|true|'') ;; *) echo LEAK $c;; esac
         done; done",
    );
    let (running, output) = watcher.start().unwrap();
    let said = Arc::new(std::sync::Mutex::new(String::new()));
    let heard = said.clone();
    let listener = std::thread::spawn(move || {
        let mut output = fs::File::from(output);
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut piece) {
            let text = String::from_utf8_lossy(&piece[..length]).into_owned();
            heard.lock().unwrap().push_str(&text);
        }
    });
    let met = || said.lock().unwrap().matches("MET").count();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut rounds = 0;
    while met() < MEETINGS || rounds < 100 {
        let now = Instant::now();
        assert!(now < deadline, "{} of {rounds} were met in 60 s", met());
        let outcome = watcher
            .exec(&running, &watcher.process_of(&["true"]))
            .unwrap();
        assert_eq!(outcome.status, 0);
        rounds += 1;
    }
    kill(&running);
    listener.join().unwrap();
    let said = said.lock().unwrap();
    assert!(!said.contains("LEAK"), "{said}");
}

/// CVE-2021-30465, CVE-2024-45310: a volume shared with a process that swaps a directory
/// for a link to the outside while containers start on it. A mount that stands where the
/// link leads inside the container is a start that met it.
#[test]
fn racing_links_in_a_shared_volume_never_lead_a_mount_outside() {
    const MEETINGS: u32 = 5;
    let volume = tempfile::tempdir().unwrap();
    let mut container = Container::shell("cat /proc/self/mountinfo");
    let canary = canary(&container);
    let source = tempfile::tempdir().unwrap();
    let place = format!("corten-race-{}", std::process::id());
    fs::create_dir(volume.path().join("target")).unwrap();
    symlink(&canary, volume.path().join("link")).unwrap();
    symlink("../../../../../../../../..", volume.path().join("up")).unwrap();
    container
        .spec
        .mounts
        .push(bind(volume.path(), "/volume", "rbind"));
    let destination = format!("/volume/target/{place}");
    container
        .spec
        .mounts
        .push(bind(source.path(), &destination, "rbind"));
    let before = fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .count();
    let racer = Racer::start(volume.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    let (mut rounds, mut met) = (0u32, 0u32);
    while met < MEETINGS || rounds < 20 {
        assert!(
            Instant::now() < deadline,
            "{met} of {rounds} starts met a link in 60 s"
        );
        // Some of them fail, which is right as well.
        if let Ok(outcome) = container.run() {
            met += u32::from(outcome.output.contains(&format!(" /{place} ")));
        }
        rounds += 1;
        assert!(is_empty(&canary), "round {rounds}");
        assert!(!Path::new("/").join(&place).exists(), "round {rounds}");
    }
    assert!(racer.stop() > u64::from(rounds), "it swaps all the time");
    let after = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(after.lines().count(), before, "{after}");
    assert!(!after.contains(source.path().to_str().unwrap()));
}

/// Swaps `target` with each of two links and back, as fast as the kernel does.
struct Racer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Racer {
    fn start(volume: &Path) -> Self {
        let directory = fs::File::open(volume).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut swaps = 0;
            while !stopped.load(Ordering::Relaxed) {
                for name in ["link", "link", "up", "up"] {
                    renameat_with(
                        &directory,
                        "target",
                        &directory,
                        name,
                        RenameFlags::EXCHANGE,
                    )
                    .unwrap();
                    swaps += 1;
                }
            }
            swaps
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// The number of swaps.
    fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[test]
fn user_files_that_are_fifos_devices_or_endless_are_refused_at_once() {
    let mut container = Container::new(&["true"]);
    container.user = Some("web");
    let passwd = container.rootfs().join("etc/passwd");
    let refused = |container: &Container| {
        let begin = Instant::now();
        let error = container.run().unwrap_err();
        assert_eq!(error.stage, Stage::User, "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5));
    };
    fs::remove_file(&passwd).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &passwd,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    refused(&container);
    fs::remove_file(&passwd).unwrap();
    symlink("/dev/zero", &passwd).unwrap();
    refused(&container);
    fs::remove_file(&passwd).unwrap();
    fs::File::create(&passwd).unwrap().set_len(1 << 40).unwrap();
    refused(&container);
    fs::remove_file(&passwd).unwrap();
    // A link to the host's file finds the container's own, which is not there.
    symlink("../../../../../../../../../../../etc/passwd", &passwd).unwrap();
    refused(&container);
}

/// CVE-2021-43784
#[test]
fn a_large_environment_arrives_whole() {
    let value = "v".repeat(120_000);
    let mut container = Container::shell("echo ${#ONE} ${#TWO}");
    container.process().env.push(format!("ONE={value}"));
    container.process().env.push(format!("TWO={value}"));
    assert_eq!(container.output(), "120000 120000\n");
    container.process().env.push("BAD=a\0b".to_owned());
    assert!(container.run().is_err());
}

#[test]
fn too_many_id_maps_are_refused_and_not_cut() {
    let mut container = Container::new(&["true"]);
    container.linux().namespaces.push(Namespace {
        kind: "user".to_owned(),
        path: None,
    });
    container.linux().uid_mappings = (0..400)
        .map(|id| corten_oci::runtime::IdMapping {
            container_id: id * 2,
            host_id: 100_000 + id * 2,
            size: 1,
        })
        .collect();
    container.linux().gid_mappings = container.linux().uid_mappings.clone();
    assert_eq!(container.run().unwrap_err().stage, Stage::Namespace);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refuse = |change: &dyn Fn(&mut Container), word: &str| {
        let mut container = Container::new(&["true"]);
        change(&mut container);
        let error = container.run().unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refuse(
        &|c| c.linux().intel_rdt = Some(Default::default()),
        "intelRdt",
    );
    refuse(&|c| c.linux().mount_label = "x".to_owned(), "mountLabel");
    refuse(
        &|c| c.process().selinux_label = "x".to_owned(),
        "selinuxLabel",
    );
    refuse(&|c| c.linux().rootfs_propagation = "odd".to_owned(), "odd");
    refuse(
        &|c| c.linux().namespaces[0].kind = "quantum".to_owned(),
        "quantum",
    );
    refuse(
        &|c| c.process().capabilities.as_mut().unwrap().bounding = strings(&["CAP_FLY"]),
        "CAP_FLY",
    );
    refuse(
        &|c| {
            c.linux().seccomp = Some(corten_oci::runtime::LinuxSeccomp {
                listener_path: "/x".to_owned(),
                ..Default::default()
            });
        },
        "listenerPath",
    );
}

/// The child holds the parent's end of nothing: a runtime that dies takes it along.
#[test]
fn streams_are_closed_in_the_runtime_once_the_container_has_them() {
    let container = Container::new(&["true"]);
    let (output, stdio) = piped();
    let running = container.create_with(stdio).unwrap().start().unwrap();
    // Reading would never end if a writer were left here.
    assert_eq!(container::read(output), "");
    container::wait(&running.pidfd);
}
