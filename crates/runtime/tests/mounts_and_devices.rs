//! Mounts, their propagation and devices, as the container and the host see them.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod container;

use container::{Container, bind, kill, strings};
use corten_oci::runtime::{LinuxDevice, Mount, Namespace};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use std::fs;
use std::path::Path;

fn tmpfs(destination: &str, options: &str) -> Mount {
    Mount {
        destination: destination.into(),
        kind: "tmpfs".to_owned(),
        source: Some("tmpfs".into()),
        options: options.split(',').map(str::to_owned).collect(),
        ..Mount::default()
    }
}

/// A mount namespace of the test's own in which everything is shared, as on a host with
/// systemd.
fn shared_host() {
    corten_sys::namespace::unshare(libc::CLONE_NEWNS as u32).unwrap();
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .unwrap();
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::SHARED | MountPropagationFlags::REC,
    )
    .unwrap();
}

fn mount_count() -> usize {
    fs::read_to_string("/proc/thread-self/mountinfo")
        .unwrap()
        .lines()
        .count()
}

#[test]
fn nothing_of_a_container_reaches_a_host_whose_mounts_are_shared() {
    shared_host();
    let before = mount_count();
    let host = tempfile::tempdir().unwrap();
    let mut container = Container::new(&["sleep", "100"]);
    container
        .spec
        .mounts
        .push(bind(host.path(), "/data", "rbind,rprivate"));
    container.spec.mounts.push(tmpfs("/data/below", "mode=700"));
    let (running, _output) = container.start().unwrap();
    assert_eq!(mount_count(), before);
    kill(&running);
    assert_eq!(mount_count(), before);
}

#[test]
fn a_slave_bind_follows_the_host_a_shared_one_leads_it_and_a_private_one_neither() {
    shared_host();
    let host = tempfile::tempdir().unwrap();
    let at = |name: &str| host.path().join(name);
    for name in ["slave", "shared", "private"] {
        fs::create_dir_all(at(name).join("mnt")).unwrap();
        rustix::mount::mount_bind(at(name), at(name)).unwrap();
        rustix::mount::mount_change(at(name), MountPropagationFlags::SHARED).unwrap();
    }
    let mut container = Container::new(&["sleep", "100"]);
    let capabilities = container.process().capabilities.as_mut().unwrap();
    for set in [
        &mut capabilities.bounding,
        &mut capabilities.effective,
        &mut capabilities.permitted,
    ] {
        set.push("CAP_SYS_ADMIN".to_owned());
    }
    for name in ["slave", "shared", "private"] {
        let options = format!("rbind,r{name}");
        container
            .spec
            .mounts
            .push(bind(&at(name), &format!("/{name}"), &options));
    }
    let (running, _output) = container.start().unwrap();
    for name in ["slave", "shared", "private"] {
        rustix::mount::mount(
            "none",
            at(name).join("mnt"),
            "tmpfs",
            MountFlags::empty(),
            None,
        )
        .unwrap();
        fs::write(at(name).join("mnt/from-host"), "").unwrap();
    }
    let run = |script: &str| {
        container
            .exec(&running, &container.process_of(&["sh", "-c", script]))
            .unwrap()
            .output
    };
    assert_eq!(
        run("cd /; ls */mnt/from-host"),
        "shared/mnt/from-host\nslave/mnt/from-host\n"
    );
    let said = run(
        "for n in slave shared private; do mkdir /$n/new; mount -t tmpfs none /$n/new; touch /$n/new/inside; done",
    );
    assert_eq!(said, "");
    assert!(at("shared/new/inside").exists());
    assert!(!at("slave/new/inside").exists());
    assert!(!at("private/new/inside").exists());
    kill(&running);
    let _ = rustix::mount::unmount(host.path(), UnmountFlags::DETACH);
}

#[test]
fn recursively_read_only_holds_for_the_mounts_below_too() {
    shared_host();
    let host = tempfile::tempdir().unwrap();
    fs::create_dir(host.path().join("below")).unwrap();
    let below = host.path().join("below");
    rustix::mount::mount("none", &below, "tmpfs", MountFlags::empty(), None).unwrap();
    for (options, failures) in [
        ("rbind,ro", 1),
        ("rbind,rro", 2),
        ("bind,ro", 2),
        ("rbind", 0),
    ] {
        let mut container = Container::shell("touch /data/a; touch /data/below/b");
        container
            .spec
            .mounts
            .push(bind(host.path(), "/data", options));
        let said = container.run().unwrap().output;
        assert_eq!(
            said.matches("Read-only").count(),
            failures,
            "{options}: {said}"
        );
    }
}

#[test]
fn a_tmpfs_has_its_options_and_may_start_with_what_it_covers() {
    let mut container = Container::shell(
        "cat /tmp/.x/a; stat -c '%a' /one /two; grep -E ' /(one|two) ' /proc/self/mountinfo; ls /two",
    );
    fs::create_dir(container.rootfs().join("two")).unwrap();
    fs::write(container.rootfs().join("two/file"), "copied").unwrap();
    fs::create_dir_all(container.rootfs().join("tmp/.x")).unwrap();
    fs::write(container.rootfs().join("tmp/.x/a"), "as it was\n").unwrap();
    container
        .spec
        .mounts
        .push(tmpfs("/one", "noexec,nosuid,nodev,size=1m,mode=1770"));
    container.spec.mounts.push(tmpfs("/two", "tmpcopyup,ro"));
    let output = container.output();
    assert!(output.starts_with("as it was\n1770\n755\n"), "{output}");
    assert!(output.contains("/one rw,nosuid,nodev,noexec"), "{output}");
    assert!(output.contains("size=1024k"), "{output}");
    assert!(output.contains("/two ro"), "{output}");
    assert!(output.ends_with("file\n"), "{output}");
    container.spec.mounts.push(tmpfs("/bad", "size=nonsense"));
    let error = container.run().unwrap_err().to_string();
    assert_eq!(
        error,
        "error mounting \"tmpfs\" to rootfs at \"/bad\": invalid argument"
    );
}

#[test]
fn devices_have_their_numbers_modes_and_owners() {
    let mut container =
        Container::shell("stat -c '%n %F %t:%T %a %u:%g' /dev/mine /dev/sub/pipe /dev/null");
    let device = |path: &str, kind: &str, numbers: (i64, i64)| LinuxDevice {
        path: path.into(),
        kind: kind.to_owned(),
        major: numbers.0,
        minor: numbers.1,
        file_mode: Some(0o640),
        uid: Some(33),
        gid: Some(34),
    };
    container.linux().devices = vec![
        device("/dev/mine", "c", (1, 5)),
        device("/dev/sub/pipe", "p", (0, 0)),
    ];
    assert_eq!(
        container.output(),
        "/dev/mine character special file 1:5 640 33:34\n\
         /dev/sub/pipe fifo 0:0 640 33:34\n\
         /dev/null character special file 1:3 666 0:0\n"
    );
    container.linux().devices = vec![device("/dev/mine", "x", (1, 5))];
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "\"x\" is no type of a device"
    );
    container.linux().devices = vec![device("/dev/mine", "c", (-1, 5))];
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "-1 is no device number"
    );
}

#[test]
fn mounts_that_cannot_be_made_name_source_and_destination() {
    let mut container = Container::new(&["true"]);
    container
        .spec
        .mounts
        .push(bind(Path::new("/nix"), "/data", "rbind"));
    assert_eq!(
        container.run().unwrap_err().to_string(),
        "error mounting \"/nix\" to rootfs at \"/data\": no such file or directory"
    );
    let mut container = Container::new(&["true"]);
    container
        .spec
        .mounts
        .push(bind(Path::new("/etc/passwd"), "/etc", "rbind"));
    assert!(
        container
            .run()
            .unwrap_err()
            .to_string()
            .contains("not a directory")
    );
    let mut container = Container::new(&["true"]);
    container
        .spec
        .mounts
        .push(bind(Path::new("/etc"), "/data", "rbind,size=5"));
    assert!(container.run().unwrap_err().to_string().contains("size"));
}

#[test]
fn cgroups_are_seen_with_and_without_a_namespace_of_their_own() {
    let alone = unified().is_some_and(|path| path == Path::new("/sys/fs/cgroup"));
    let (directory, line) = if alone {
        ("/sys/fs/cgroup", "0::/")
    } else {
        ("/sys/fs/cgroup/pids", ":pids:/")
    };
    let script =
        format!("test -e {directory}/cgroup.procs && cat /proc/self/cgroup; touch {directory}/x");
    let mut container = Container::shell(&script);
    for own in [true, false] {
        if !own {
            let namespaces = &mut container.linux().namespaces;
            namespaces.retain(|namespace| namespace.kind != "cgroup");
        }
        let said = container.run().unwrap().output;
        assert!(said.contains(line), "{said}");
        assert!(said.contains("Read-only file system"), "{said}");
    }
}

#[test]
fn the_host_and_domain_names_are_the_containers_own() {
    let mut container = Container::shell("hostname; cat /proc/sys/kernel/domainname");
    container.spec.domainname = "example".to_owned();
    assert_eq!(container.output(), "box\nexample\n");
    container
        .linux()
        .namespaces
        .retain(|namespace| namespace.kind != "uts");
    let error = container.run().unwrap_err().to_string();
    assert_eq!(
        error,
        "unable to set hostname without a private UTS namespace"
    );
}

#[test]
fn a_namespace_that_is_listed_twice_or_cannot_be_opened_is_refused() {
    let mut container = Container::new(&["true"]);
    let namespace = |path: Option<&str>| Namespace {
        kind: "ipc".to_owned(),
        path: path.map(Into::into),
    };
    container.linux().namespaces.push(namespace(None));
    let error = container.run().unwrap_err().to_string();
    assert_eq!(error, "malformed spec file: duplicated ns \"ipc\"");
    container
        .linux()
        .namespaces
        .retain(|entry| entry.kind != "ipc");
    container.linux().namespaces.push(namespace(Some("/nix")));
    let error = container.run().unwrap_err().to_string();
    assert_eq!(
        error,
        "opening namespace \"/nix\": no such file or directory"
    );
    container.linux().namespaces.pop();
    container
        .linux()
        .namespaces
        .push(namespace(Some("/proc/self/ns/net")));
    let error = container.run().unwrap_err().to_string();
    assert_eq!(error, "joining a namespace: invalid argument");
}

#[test]
fn a_user_namespace_can_be_joined_with_the_others_it_owns() {
    let map = vec![corten_oci::runtime::IdMapping {
        container_id: 0,
        host_id: 0,
        size: 65536,
    }];
    let mut first = Container::new(&["sleep", "100"]);
    first.linux().namespaces.push(Namespace {
        kind: "user".to_owned(),
        path: None,
    });
    first.linux().uid_mappings.clone_from(&map);
    first.linux().gid_mappings = map;
    let (running, _output) = first.start().unwrap();
    let mut second = Container::shell("hostname; cat /proc/self/uid_map; echo $$");
    second.spec.hostname = String::new();
    second.linux().namespaces.push(Namespace {
        kind: "user".to_owned(),
        path: None,
    });
    for namespace in &mut second.linux().namespaces {
        let name = match namespace.kind.as_str() {
            "user" => "user",
            "uts" => "uts",
            "network" => "net",
            "pid" => "pid",
            _ => continue,
        };
        namespace.path = Some(format!("/proc/{}/ns/{name}", running.pid).into());
    }
    let output = second.output();
    assert!(output.starts_with("box\n"), "{output}");
    assert!(output.contains("65536"), "{output}");
    assert!(!output.ends_with("\n1\n"), "{output}");
    kill(&running);
}

#[test]
fn what_the_program_inherits_beyond_the_streams_is_what_was_asked_for() {
    let container = Container::new(&["ls", "/proc/self/fd"]);
    let created = corten_runtime::create(corten_runtime::CreateRequest {
        id: "test",
        spec: &container.spec,
        bundle: container.directory.path(),
        root: &container.root,
        root_readonly: false,
        root_id_mapped: false,
        stdio: corten_runtime::Stdio::Inherit,
        netns: None,
        cgroup: corten_runtime::CgroupJoin::Stay,
        seccomp: None,
        user: None,
        gate: corten_runtime::Gate::Parent,
        preserve_fds: 0,
    });
    let running = created.unwrap().start().unwrap();
    assert_eq!(container::wait(&running.pidfd), 0);
    let mut container = Container::new(&["true"]);
    container.process().args = strings(&[]);
    assert!(
        container
            .run()
            .unwrap_err()
            .to_string()
            .contains("args must not be empty")
    );
}

/// The directory of the v2 hierarchy, alone or beside v1.
fn unified() -> Option<std::path::PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        filesystem
            .starts_with("cgroup2 ")
            .then(|| mount.split(' ').nth(4).map(Into::into))?
    })
}

#[test]
fn a_first_process_can_be_born_in_its_cgroup() {
    use std::os::fd::AsFd;
    let Some(hierarchy) = unified() else {
        panic!("no cgroup2 is mounted: the test needs a hybrid or a v2 host");
    };
    let name = format!("corten-test-{}", std::process::id());
    fs::create_dir(hierarchy.join(&name)).unwrap();
    let group = fs::File::open(hierarchy.join(&name)).unwrap();
    let mut container = Container::shell("grep ^0: /proc/self/cgroup");
    container
        .linux()
        .namespaces
        .retain(|namespace| namespace.kind != "cgroup");
    let (output, stdio) = container::piped();
    let created = corten_runtime::create(corten_runtime::CreateRequest {
        id: "test",
        spec: &container.spec,
        bundle: container.directory.path(),
        root: &container.root,
        root_readonly: false,
        root_id_mapped: false,
        stdio,
        netns: None,
        cgroup: corten_runtime::CgroupJoin::CloneInto(group.as_fd()),
        seccomp: None,
        user: None,
        gate: corten_runtime::Gate::Parent,
        preserve_fds: 0,
    });
    let running = created.unwrap().start().unwrap();
    let said = container::read(output);
    container::wait(&running.pidfd);
    fs::remove_dir(hierarchy.join(&name)).unwrap();
    assert_eq!(said, format!("0::/{name}\n"));
}

#[test]
fn a_limit_of_tasks_needs_room_for_the_added_process_alone() {
    use std::os::fd::AsFd;
    let resources = corten_oci::runtime::LinuxResources {
        pids: Some(corten_oci::runtime::Pids { limit: 2 }),
        ..Default::default()
    };
    let path = format!("/corten-test-{}", std::process::id());
    let group = corten_cgroup::Cgroup::create(Path::new(&path), &resources).unwrap();
    let handles = group.join_handles().unwrap();
    let join = || match &handles {
        corten_cgroup::JoinHandles::Write(files) => corten_runtime::CgroupJoin::Write(files),
        corten_cgroup::JoinHandles::CloneInto(directory) => {
            corten_runtime::CgroupJoin::CloneInto(directory.as_fd())
        }
    };
    let container = Container::new(&["sleep", "100"]);
    let (_output, stdio) = container::piped();
    let created = corten_runtime::create(corten_runtime::CreateRequest {
        id: "test",
        spec: &container.spec,
        bundle: container.directory.path(),
        root: &container.root,
        root_readonly: false,
        root_id_mapped: false,
        stdio,
        netns: None,
        cgroup: join(),
        seccomp: None,
        user: None,
        gate: corten_runtime::Gate::Parent,
        preserve_fds: 0,
    });
    let running = created.unwrap().start().unwrap();
    let (output, stdio) = container::piped();
    let added = corten_runtime::exec(
        corten_runtime::ExecTarget {
            pidfd: running.pidfd.as_fd(),
            namespaces: corten_runtime::Namespaces::of(container.spec.linux.as_ref().unwrap()),
        },
        corten_runtime::ExecRequest {
            process: &container.process_of(&["cat", "/proc/self/cgroup"]),
            user: None,
            stdio,
            seccomp: None,
            cgroup: join(),
            preserve_fds: 0,
        },
    );
    let said = added.map(|child| (container::read(output), container::wait(&child.pidfd)));
    kill(&running);
    group.delete().unwrap();
    let (said, status) = said.unwrap();
    assert_eq!(status, 0);
    // Its own group is the root of the cgroup namespace, as the container made it.
    assert!(said.lines().any(|line| line.ends_with(":/")), "{said}");
    assert!(!said.contains("corten-test"), "{said}");
}
