//! Volumes that are mounted while they are in use, in a mount namespace of the test's own.

use corten_store::Store;
use corten_volume::{CreateRequest, VolumeError, Volumes};
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_change, unmount};
use std::{fs, path::Path, sync::Arc};

#[expect(deprecated, reason = "a test of one thread shares no descriptor table")]
fn own_mounts() {
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).expect("own mounts");
    let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", flags).expect("private");
}

fn open(directory: &Path) -> Volumes {
    let store = Store::open(&directory.join("state.db")).expect("store");
    Volumes::open(&directory.join("volumes"), Arc::new(store)).expect("volumes")
}

fn with(name: &str, options: &[(&str, &str)]) -> CreateRequest {
    let options = options.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    CreateRequest {
        name: name.into(),
        options: Some(options.collect()),
        ..CreateRequest::default()
    }
}

fn mounts_at(path: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("mounts");
    let at = |line: &&str| line.split(' ').nth(4).map(Path::new) == Some(path);
    table.lines().filter(at).map(str::to_owned).collect()
}

#[test]
fn two_containers_share_one_tmpfs_and_the_last_takes_it_away() {
    own_mounts();
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    let options = [
        ("type", "tmpfs"),
        ("device", "tmpfs"),
        ("o", "size=1m,uid=1000"),
    ];
    volumes.create(with("mem", &options)).expect("creates");
    for user in ["one", "two"] {
        volumes.acquire("mem", user).expect("acquires");
    }
    let first = volumes.mount("mem", "one").expect("mounts");
    fs::write(first.join("file"), "x").expect("writes");
    let second = volumes.mount("mem", "two").expect("mounts");
    assert!(second.join("file").exists());
    let found = mounts_at(&first);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("size=1024k") && found[0].contains("uid=1000"),
        "{found:?}"
    );
    volumes.unmount("mem", "one").expect("unmounts");
    assert!(second.join("file").exists());
    volumes.unmount("mem", "two").expect("unmounts");
    assert!(mounts_at(&first).is_empty());
    assert!(!second.join("file").exists());
}

#[test]
fn a_bound_directory_is_read_only_when_asked_and_survives_the_volume() {
    own_mounts();
    let directory = tempfile::tempdir().expect("temporary directory");
    let precious = directory.path().join("precious");
    fs::create_dir(&precious).expect("directory");
    fs::write(precious.join("file"), "x").expect("file");
    let volumes = open(directory.path());
    let device = precious.display().to_string();
    let options = [
        ("type", "none"),
        ("device", device.as_str()),
        ("o", "bind,ro"),
    ];
    volumes.create(with("bound", &options)).expect("creates");
    let path = volumes.mount("bound", "one").expect("mounts");
    assert!(path.join("file").exists());
    let error = fs::write(path.join("new"), "").expect_err("read-only");
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // The daemon died without unmounting: another one removes the volume.
    drop(volumes);
    let volumes = open(directory.path());
    volumes.remove("bound").expect("removes");
    assert!(!path.exists());
    assert_eq!(
        fs::read_to_string(precious.join("file")).expect("file"),
        "x"
    );
}

#[test]
fn a_mount_nobody_has_goes_when_the_daemon_comes_up() {
    own_mounts();
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    let options = [("type", "tmpfs"), ("device", "tmpfs")];
    for name in ["gone", "kept"] {
        volumes.create(with(name, &options)).expect("creates");
        volumes.mount(name, "one").expect("mounts");
    }
    drop(volumes);
    let volumes = open(directory.path());
    volumes.adopt("kept", "one");
    volumes.settle_mounts();
    assert!(mounts_at(&volumes.mountpoint("gone")).is_empty());
    assert_eq!(mounts_at(&volumes.mountpoint("kept")).len(), 1);
    volumes.unmount("kept", "one").expect("unmounts");
    assert!(mounts_at(&volumes.mountpoint("kept")).is_empty());
}

#[test]
fn what_cannot_be_mounted_is_told_in_dockers_words() {
    own_mounts();
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    for (name, options, said) in [
        (
            "bind",
            vec![("type", "none"), ("device", "/nosuch/dir"), ("o", "bind")],
            "mount /nosuch/dir:PATH, flags: 0x1000: no such file or directory",
        ),
        (
            "kind",
            vec![("type", "foo"), ("device", "/nosuch")],
            "mount /nosuch:PATH: no such device",
        ),
        (
            "data",
            vec![("type", "tmpfs"), ("device", "tmpfs"), ("o", "foo=bar")],
            "mount tmpfs:PATH, data: foo=bar: invalid argument",
        ),
    ] {
        volumes.create(with(name, &options)).expect("creates");
        let path = volumes.mountpoint(name).display().to_string();
        let error = volumes.mount(name, "one").expect_err("cannot be");
        assert!(matches!(error, VolumeError::Mount { .. }));
        assert_eq!(
            error.to_string(),
            format!(
                "error while mounting volume '{path}': failed to mount local volume: {}",
                said.replace("PATH", &path)
            )
        );
    }
}

#[test]
fn a_file_bound_below_a_volume_stops_its_removal_before_anything_is_deleted() {
    own_mounts();
    let directory = tempfile::tempdir().expect("temporary directory");
    let precious = directory.path().join("precious");
    fs::write(&precious, "x").expect("file");
    let volumes = open(directory.path());
    volumes.create(with("data", &[])).expect("creates");
    let path = volumes.mountpoint("data");
    fs::write(path.join("a"), "").expect("file");
    fs::write(path.join("point"), "").expect("mount point");
    mount_bind(&precious, path.join("point")).expect("binds");
    let error = volumes.remove("data").expect_err("a mount is below");
    assert!(matches!(error, VolumeError::MountBelow { .. }), "{error}");
    assert!(path.join("a").exists());
    unmount(path.join("point"), UnmountFlags::empty()).expect("unmounts");
    // Over the volume's own directory, too.
    let other = directory.path().join("other");
    fs::create_dir(&other).expect("directory");
    fs::write(other.join("b"), "").expect("file");
    mount_bind(&other, &path).expect("binds");
    volumes.remove("data").expect_err("a mount is on it");
    unmount(&path, UnmountFlags::empty()).expect("unmounts");
    volumes.remove("data").expect("removes");
    assert_eq!(fs::read_to_string(&precious).expect("file"), "x");
    assert!(other.join("b").exists());
}
