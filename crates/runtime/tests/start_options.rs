//! Each option of the specification, as the program inside sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod container;

use container::{Container, bind, docker_spec, kill, piped, read, strings, wait};
use corten_oci::RootMount;
use corten_oci::runtime::{IdMapping, LinuxTimeOffset, Namespace, Rlimit, User};
use corten_runtime::{Stage, Stdio, WindowSize};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

const STATUS: &str = "grep -E '^(Cap|NoNew|Groups|Uid|Gid|Umask|Seccomp:)' /proc/self/status";

#[test]
fn user_groups_umask_and_home_are_taken_from_the_specification() {
    let mut container = Container::shell(&format!("{STATUS}; echo $HOME"));
    container.process().user = User {
        uid: 33,
        gid: 44,
        umask: Some(0o027),
        additional_gids: vec![5, 6],
    };
    let output = container.output();
    for line in [
        "Uid:\t33\t33\t33\t33",
        "Gid:\t44\t44\t44\t44",
        "Groups:\t5 6 ",
        "Umask:\t0027",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
    assert!(output.ends_with("/srv\n"), "{output}");
}

#[test]
fn a_user_by_name_is_found_in_the_containers_own_files() {
    let mut container = Container::shell(&format!("{STATUS}; echo $HOME"));
    container.user = Some("web");
    container.groups = strings(&["www", "77"]);
    let output = container.output();
    assert!(output.contains("Uid:\t33\t33"), "{output}");
    assert!(output.contains("Groups:\t34 40 77"), "{output}");
    container.user = Some("nobody-knows");
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "unable to find user nobody-knows: no matching entries in passwd file"
    );
}

#[test]
fn dockers_capabilities_are_what_root_has_and_a_user_has_none() {
    let mut container = Container::shell(STATUS);
    let output = container.output();
    for line in [
        "CapInh:\t0000000000000000",
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
    ] {
        assert!(output.contains(line), "{output}");
    }
    container.process().user.uid = 1000;
    let output = container.output();
    assert!(output.contains("CapEff:\t0000000000000000"), "{output}");
    assert!(output.contains("CapPrm:\t0000000000000000"), "{output}");
    assert!(output.contains("CapBnd:\t00000000a80425fb"), "{output}");
    container
        .process()
        .capabilities
        .as_mut()
        .unwrap()
        .inheritable = strings(&["CAP_KILL"]);
    container.process().capabilities.as_mut().unwrap().ambient = strings(&["CAP_KILL"]);
    let output = container.output();
    assert!(output.contains("CapAmb:\t0000000000000020"), "{output}");
    assert!(output.contains("CapEff:\t0000000000000020"), "{output}");
}

#[test]
fn no_new_privileges_limits_and_the_oom_score_are_set() {
    let mut container = Container::shell(&format!(
        "{STATUS}; cat /proc/self/oom_score_adj; ulimit -n -c"
    ));
    container.process().no_new_privileges = true;
    container.process().oom_score_adj = Some(500);
    container.process().rlimits = vec![
        Rlimit {
            kind: "RLIMIT_NOFILE".to_owned(),
            soft: 99,
            hard: 100,
        },
        Rlimit {
            kind: "RLIMIT_CORE".to_owned(),
            soft: 0,
            hard: 0,
        },
    ];
    let output = container.output();
    assert!(output.contains("NoNewPrivs:\t1"), "{output}");
    assert!(output.contains("\n500\n"), "{output}");
    assert!(output.contains("99"), "{output}");
    container.process().rlimits[0].kind = "RLIMIT_NONSENSE".to_owned();
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "invalid rlimit type: RLIMIT_NONSENSE"
    );
}

#[test]
fn a_filter_is_in_force_for_the_program_and_for_one_that_is_added() {
    let mut container = Container::shell("mkdir /x; sleep 100");
    container.linux().seccomp = serde_json::from_str(
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls":
            [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}"#,
    )
    .unwrap();
    container.process().args = strings(&["sh", "-c", "mkdir /x; grep Seccomp: /proc/self/status"]);
    let output = container.output();
    assert!(output.contains("No space left on device"), "{output}");
    assert!(output.contains("Seccomp:\t2"), "{output}");
    container.process().no_new_privileges = true;
    container.process().user.uid = 1000;
    assert!(container.output().contains("Seccomp:\t2"));
}

#[test]
fn masked_paths_are_empty_and_protected_ones_are_read_only() {
    // Both kinds of entries that every kernel has.
    let mut container = Container::shell(
        "wc -c </proc/interrupts; wc -c </proc/keys; ls /proc/fs /sys/kernel | wc -l; \
         echo x >/proc/sys/kernel/hostname; echo x >/proc/sys/kernel/domainname; \
         stat -c %t:%T /proc/keys; grep ' /proc/sys ' /proc/self/mountinfo",
    );
    container
        .linux()
        .masked_paths
        .extend(["/proc/fs".into(), "/sys/kernel".into()]);
    let output = container.output();
    assert!(output.starts_with("0\n0\n"), "{output}");
    assert_eq!(
        output.matches("Read-only file system").count(),
        2,
        "{output}"
    );
    assert!(output.contains("1:3"), "{output}");
    assert!(output.contains("/proc/sys ro"), "{output}");
}

#[test]
fn the_usual_devices_and_links_are_there() {
    let output = Container::shell(
        "for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done; \
         for l in fd stdin stdout stderr ptmx; do echo $(readlink /dev/$l); done; \
         echo hello >/dev/null && head -c 3 /dev/zero | wc -c",
    )
    .output();
    for line in [
        "/dev/null character special file 1:3 666",
        "/dev/tty character special file 5:0 666",
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[test]
fn a_read_only_root_and_read_only_binds_cannot_be_written() {
    let mut container =
        Container::shell("touch /x; touch /data/x; touch /open/y; cat /file; cat /data/a");
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("a"), "inside").unwrap();
    fs::write(host.path().join("f"), "file ").unwrap();
    container.root_readonly = true;
    container
        .spec
        .mounts
        .push(bind(host.path(), "/data", "rbind,ro,rprivate"));
    container
        .spec
        .mounts
        .push(bind(host.path(), "/open", "rbind,rprivate"));
    container
        .spec
        .mounts
        .push(bind(&host.path().join("f"), "/file", "rbind,ro"));
    let output = container.run().unwrap().output;
    assert_eq!(
        output.matches("Read-only file system").count(),
        2,
        "{output}"
    );
    assert!(output.ends_with("file inside"), "{output}");
    assert!(host.path().join("y").exists());
}

#[test]
fn an_overlay_root_keeps_the_lower_layers_as_they_are() {
    let mut container = Container::shell("echo new >/made; cat /lower; echo changed >/lower");
    let base = container.directory.path().to_owned();
    for name in ["upper", "work", "second"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    fs::write(base.join("second/lower"), "second layer\n").unwrap();
    container.root = RootMount::Overlay {
        lower: vec![base.join("second"), container.rootfs()],
        upper: Some(base.join("upper")),
        work: Some(base.join("work")),
    };
    assert_eq!(container.output(), "second layer\n");
    assert_eq!(
        fs::read_to_string(base.join("upper/made")).unwrap(),
        "new\n"
    );
    assert_eq!(
        fs::read_to_string(base.join("upper/lower")).unwrap(),
        "changed\n"
    );
    assert_eq!(
        fs::read_to_string(base.join("second/lower")).unwrap(),
        "second layer\n"
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !mounts.contains(base.to_str().unwrap()),
        "a mount is left on the host"
    );
}

#[test]
fn a_user_namespace_maps_its_root_to_somebody_else() {
    let mut container = Container::shell(
        "cat /proc/self/uid_map; id -u; touch /tmp/made; echo x >/dev/null; hostname",
    );
    container.linux().namespaces.push(Namespace {
        kind: "user".to_owned(),
        path: None,
    });
    let map = vec![IdMapping {
        container_id: 0,
        host_id: 100_000,
        size: 65536,
    }];
    container.linux().uid_mappings = map.clone();
    container.linux().gid_mappings = map;
    container.process().rlimits = vec![Rlimit {
        kind: "RLIMIT_NOFILE".to_owned(),
        soft: 99,
        hard: 100,
    }];
    fn give(path: &Path) {
        let metadata = fs::symlink_metadata(path).unwrap();
        std::os::unix::fs::lchown(path, Some(100_000), Some(100_000)).unwrap();
        if metadata.is_dir() {
            fs::read_dir(path)
                .unwrap()
                .for_each(|entry| give(&entry.unwrap().path()));
        }
    }
    give(container.directory.path());
    let output = container.output();
    assert!(output.contains("100000"), "{output}");
    assert!(output.ends_with("\n0\nbox\n"), "{output}");
    let made = container.rootfs().join("tmp/made");
    assert_eq!(fs::metadata(made).unwrap().uid(), 100_000);

    container.process().args = strings(&["sleep", "100"]);
    let (running, _output) = container.start().unwrap();
    let mut process = container.process_of(&["sh", "-c", "id -u; hostname; ulimit -n"]);
    process.oom_score_adj = Some(7);
    let outcome = container.exec(&running, &process).unwrap();
    assert_eq!(outcome.output, "0\nbox\n99\n");
    kill(&running);
}

fn kernel() -> (u32, u32) {
    let release = rustix::system::uname();
    let release = release.release().to_str().unwrap();
    let mut numbers = release.split(['.', '-']).map(|it| it.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn layers_keep_their_owners_under_a_container_in_a_user_namespace() {
    let mut container = Container::shell(
        "stat -c %u:%g /lower /upper-file; echo changed >>/lower; echo new >/made; \
         chown 5:6 /made; mkdir /dir",
    );
    let base = container.directory.path().to_owned();
    for name in ["upper", "work", "second"] {
        fs::create_dir(base.join(name)).unwrap();
    }
    fs::write(base.join("second/lower"), "layer\n").unwrap();
    chown(base.join("second/lower"), Some(7), Some(8)).unwrap();
    fs::write(base.join("upper/upper-file"), "").unwrap();
    container.root = RootMount::Overlay {
        lower: vec![base.join("second"), container.rootfs()],
        upper: Some(base.join("upper")),
        work: Some(base.join("work")),
    };
    container.root_id_mapped = true;
    container.linux().namespaces.push(Namespace {
        kind: "user".to_owned(),
        path: None,
    });
    let map = vec![IdMapping {
        container_id: 0,
        host_id: 300_000,
        size: 65536,
    }];
    container.linux().uid_mappings.clone_from(&map);
    container.linux().gid_mappings = map;
    if kernel() < (5, 19) {
        // Overlay does not take such layers yet; nothing starts with wrong owners.
        let Err(error) = container.run() else {
            panic!("it started")
        };
        assert!(matches!(error.stage, Stage::Root), "{error:?}");
        return;
    }
    assert_eq!(container.output(), "7:8\n0:0\n");
    let owner = |path: &str| {
        let found = fs::metadata(base.join(path)).unwrap();
        (found.uid(), found.gid())
    };
    assert_eq!(owner("upper/lower"), (7, 8));
    assert_eq!(owner("upper/made"), (5, 6));
    assert_eq!(owner("upper/dir"), (0, 0));
    assert_eq!(owner("second/lower"), (7, 8));
}

#[test]
fn a_time_namespace_has_its_own_clock() {
    let mut container = Container::shell("cat /proc/uptime");
    container.linux().namespaces.push(Namespace {
        kind: "time".to_owned(),
        path: None,
    });
    let offset = LinuxTimeOffset {
        secs: 1_000_000_000,
        nanosecs: 0,
    };
    container.linux().time_offsets = [("boottime".to_owned(), offset)].into();
    let output = container.output();
    let seconds: f64 = output.split(' ').next().unwrap().parse().unwrap();
    assert!(seconds > 1e9, "{output}");
}

/// tmpfs has them from Linux 6.3 on.
fn is_tmpfs_without_id_maps(path: &Path) -> bool {
    const TMPFS_MAGIC: i64 = 0x0102_1994;
    rustix::fs::statfs(path).unwrap().f_type == TMPFS_MAGIC && kernel() < (6, 3)
}

#[test]
fn an_idmapped_bind_shows_the_hosts_files_as_the_containers() {
    let mut container = Container::shell("stat -c %u:%g /data/a; touch /data/b");
    let host = tempfile::tempdir().unwrap();
    fs::write(host.path().join("a"), "").unwrap();
    chown(host.path(), Some(1000), Some(1000)).unwrap();
    chown(host.path().join("a"), Some(1000), Some(1000)).unwrap();
    let mut mount = bind(host.path(), "/data", "rbind,idmap");
    // On disk 1000 is seen as 0 inside.
    mount.uid_mappings = vec![IdMapping {
        container_id: 1000,
        host_id: 0,
        size: 1,
    }];
    mount.gid_mappings = mount.uid_mappings.clone();
    container.spec.mounts.push(mount);
    if is_tmpfs_without_id_maps(host.path()) {
        let error = container.run().unwrap_err().to_string();
        assert!(error.ends_with("at \"/data\": invalid argument"), "{error}");
        return;
    }
    assert_eq!(container.output(), "0:0\n");
    assert_eq!(fs::metadata(host.path().join("b")).unwrap().uid(), 1000);
}

#[test]
fn kernel_parameters_of_its_own_namespaces_are_set() {
    let mut container = Container::shell(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmni",
    );
    container.linux().sysctl = [
        (
            "net.ipv4.ip_unprivileged_port_start".to_owned(),
            "77".to_owned(),
        ),
        ("kernel.shmmni".to_owned(), "99".to_owned()),
    ]
    .into();
    assert_eq!(container.output(), "77\n99\n");
    container.linux().sysctl = [("kernel.core_pattern".to_owned(), "x".to_owned())].into();
    assert!(
        container
            .run()
            .unwrap_err()
            .to_string()
            .contains("not in a separate kernel namespace")
    );
}

#[test]
fn the_terminal_is_the_containers_own_with_the_wanted_size() {
    let mut container =
        Container::shell("tty; stty size; stat -c %t:%T /dev/console; echo ok >/dev/console");
    container.process().terminal = true;
    let size = WindowSize {
        rows: 33,
        columns: 77,
    };
    let running = container
        .create_with(Stdio::Terminal { size })
        .unwrap()
        .start()
        .unwrap();
    let mut output = Vec::new();
    // A terminal whose other end is gone says EIO and no end of file.
    let _ = fs::File::from(running.console.unwrap()).read_to_end(&mut output);
    let output = String::from_utf8(output).unwrap();
    assert_eq!(output, "/dev/pts/0\r\n33 77\r\n88:0\r\nok\r\n");
    assert_eq!(wait(&running.pidfd), 0);
}

#[test]
fn a_missing_working_directory_is_made_and_a_file_is_refused() {
    let mut container = Container::shell("pwd");
    container.process().cwd = "/a/b/c".into();
    assert_eq!(container.output(), "/a/b/c\n");
    container.process().cwd = "/etc/passwd".into();
    let error = container.run().unwrap_err().to_string();
    assert_eq!(
        error,
        "chdir to cwd (\"/etc/passwd\") set in config.json failed: not a directory"
    );
}

#[test]
fn only_the_standard_streams_are_open() {
    let _open: Vec<_> = (0..50).map(|_| fs::File::open("/").unwrap()).collect();
    let container = Container::new(&["ls", "/proc/self/fd"]);
    // The fourth is ls's own directory.
    assert_eq!(container.output(), "0\n1\n2\n3\n");
    let sleeper = Container::new(&["sleep", "100"]);
    let (running, _output) = sleeper.start().unwrap();
    let process = sleeper.process_of(&["ls", "/proc/self/fd"]);
    assert_eq!(
        sleeper.exec(&running, &process).unwrap().output,
        "0\n1\n2\n3\n"
    );
    kill(&running);
}

#[test]
fn namespaces_of_another_container_can_be_joined() {
    let other = Container::new(&["sleep", "100"]);
    let (running, _output) = other.start().unwrap();
    let mut container = Container::shell("hostname; ls -d /proc/[0-9]* | wc -l");
    container.spec = docker_spec(&["sh", "-c", "hostname; echo $$"]);
    container.spec.hostname = String::new();
    for namespace in &mut container.linux().namespaces {
        let name = match namespace.kind.as_str() {
            "pid" => "pid",
            "network" => "net",
            "uts" => "uts",
            _ => continue,
        };
        namespace.path = Some(format!("/proc/{}/ns/{name}", running.pid).into());
    }
    let output = container.output();
    assert!(output.starts_with("box\n"), "{output}");
    assert_ne!(output, "box\n1\n");
    kill(&running);
}

#[test]
fn a_created_container_that_is_dropped_goes_away() {
    let container = Container::new(&["true"]);
    let (output, stdio) = piped();
    let created = container.create_with(stdio).unwrap();
    let pidfd = created.pidfd.try_clone().unwrap();
    drop(created);
    assert_eq!(wait(&pidfd), 1);
    assert_eq!(read(output), "");
}
