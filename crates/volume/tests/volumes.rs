//! What users notice of volumes.

use corten_store::Store;
use corten_volume::{CreateRequest, VolumeError, Volumes, copy_up};
use std::{
    fs,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    },
    path::Path,
    sync::Arc,
};

fn open(directory: &Path) -> Volumes {
    let store = Store::open(&directory.join("state.db")).expect("store");
    Volumes::open(&directory.join("volumes"), Arc::new(store)).expect("volumes")
}

fn named(name: &str) -> CreateRequest {
    CreateRequest {
        name: name.into(),
        ..CreateRequest::default()
    }
}

#[test]
fn creating_a_volume_twice_gives_the_same_one() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    let (first, made) = volumes.create(named("data")).expect("creates");
    assert!(made);
    let (second, made) = volumes
        .create(CreateRequest {
            labels: Some([("a".to_owned(), "b".to_owned())].into()),
            ..named("data")
        })
        .expect("answers");
    assert!(!made);
    assert_eq!(first, second);
    drop(volumes);
    assert_eq!(
        open(directory.path()).inspect("data").expect("still there"),
        first
    );
}

#[test]
fn a_volume_in_use_is_not_removed_and_says_by_whom() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    volumes.create(named("data")).expect("creates");
    volumes.acquire("data", "c0ffee").expect("acquires");
    let error = volumes.remove("data").expect_err("is in use");
    assert_eq!(
        error.to_string(),
        "remove data: volume is in use - [c0ffee]"
    );
    assert!(volumes.prune(|_| true).names.is_empty());
    volumes.release("c0ffee");
    volumes.remove("data").expect("removes");
    assert!(!directory.path().join("volumes/data").exists());
    let error = volumes.inspect("data").expect_err("is gone");
    assert_eq!(error.to_string(), "get data: no such volume");
}

#[test]
fn names_and_options_are_refused_in_dockers_words() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    let refused = |request| volumes.create(request).expect_err("refused").to_string();
    assert!(refused(named("a")).starts_with("create a: volume name is too short"));
    assert!(refused(named("../x")).contains("includes invalid characters"));
    let options = |list: &[(&str, &str)]| CreateRequest {
        options: Some(
            list.iter()
                .map(|(k, v)| ((*k).into(), (*v).into()))
                .collect(),
        ),
        ..named("data")
    };
    assert_eq!(
        refused(options(&[("x", "y")])),
        "create data: invalid option: \"x\""
    );
    assert_eq!(
        refused(options(&[("o", "bind"), ("device", "/tmp")])),
        "create data: missing required option: \"type\""
    );
    let request = CreateRequest {
        driver: "foo".into(),
        ..named("data")
    };
    assert_eq!(
        refused(request),
        "create data: error looking up volume plugin foo: plugin \"foo\" not found"
    );
}

#[test]
fn anonymous_volumes_are_marked_and_a_directory_without_record_goes_away() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    let (volume, _) = volumes.create(CreateRequest::default()).expect("creates");
    assert!(volume.is_anonymous());
    assert_eq!(volume.name.len(), 64);
    drop(volumes);
    fs::create_dir_all(directory.path().join("volumes/half/_data/x")).expect("leftover");
    let volumes = open(directory.path());
    assert!(!directory.path().join("volumes/half").exists());
    assert_eq!(volumes.list(), [volume]);
}

#[test]
fn a_new_volume_takes_the_images_files_with_their_owners_once() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let root = directory.path().join("root");
    fs::create_dir_all(root.join("var/lib/db/deep")).expect("image");
    fs::write(root.join("var/lib/db/deep/file"), "content").expect("file");
    fs::hard_link(
        root.join("var/lib/db/deep/file"),
        root.join("var/lib/db/other"),
    )
    .expect("link");
    symlink("/etc/passwd", root.join("var/lib/db/link")).expect("symlink");
    fs::hard_link(
        root.join("var/lib/db/link"),
        root.join("var/lib/db/link-again"),
    )
    .expect("link");
    chown(root.join("var/lib/db"), Some(999), Some(998)).expect("owner");
    fs::set_permissions(root.join("var/lib/db"), fs::Permissions::from_mode(0o2750)).expect("mode");
    symlink("/var/lib", root.join("alias")).expect("symlink");
    let volumes = open(directory.path());
    let (volume, _) = volumes.create(named("data")).expect("creates");
    let target = volumes.mountpoint(&volume.name);
    let root = fs::File::open(&root).expect("root");

    assert!(copy_up(root.as_fd(), Path::new("/alias/db"), &target).expect("copies"));
    assert_eq!(
        fs::read_to_string(target.join("deep/file")).expect("file"),
        "content"
    );
    let (one, two) = (
        fs::metadata(target.join("deep/file")).expect("one"),
        fs::metadata(target.join("other")).expect("two"),
    );
    assert_eq!(one.ino(), two.ino());
    assert_eq!(
        fs::read_link(target.join("link")).expect("link"),
        Path::new("/etc/passwd")
    );
    assert_eq!(
        fs::read_link(target.join("link-again")).expect("link"),
        Path::new("/etc/passwd")
    );
    let top = fs::metadata(&target).expect("top");
    assert_eq!(
        (top.uid(), top.gid(), top.mode() & 0o7777),
        (999, 998, 0o2750)
    );
    fs::write(target.join("mine"), "").expect("a user's file");
    assert!(!copy_up(root.as_fd(), Path::new("/alias/db"), &target).expect("looks"));
    assert!(!copy_up(root.as_fd(), Path::new("/nowhere"), &target).expect("looks"));
}

/// CVE-2019-18466, CVE-2020-1726: a container that has the volume already swaps directories
/// of it for links to the host's while the image's files are copied.
#[test]
fn files_are_copied_into_the_volume_whatever_is_swapped_in_it_meanwhile() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    let directory = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| directory.path().join(name);
    // The host's files have the names that the image's have.
    fs::create_dir_all(at("host/b")).expect("directories");
    fs::create_dir_all(at("root/data/a/b")).expect("directories");
    for number in 0..200 {
        let (first, again) = (format!("b/{number}"), format!("again-{number}"));
        fs::write(at("host").join(&first), "of the host").expect("a file");
        let first = at("root/data/a").join(first);
        fs::write(&first, "of the image").expect("a file");
        fs::hard_link(first, at("root/data").join(again)).expect("a link");
    }
    let root = fs::File::open(at("root")).expect("root");
    let (swaps, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    for round in 0..40 {
        let target = at(&format!("volume-{round}"));
        fs::create_dir(&target).expect("a volume");
        let (dir, link) = (target.join("a"), target.join("link"));
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !dir.exists() && !done.load(Ordering::Relaxed) {}
                drop(symlink(at("host"), &link));
                while !done.load(Ordering::Relaxed) {
                    let swapped = renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE);
                    swaps.fetch_add(u32::from(swapped.is_ok()), Ordering::Relaxed);
                }
            });
            let copied = copy_up(root.as_fd(), Path::new("/data"), &target);
            refused.fetch_add(u32::from(copied.is_err()), Ordering::Relaxed);
            done.store(true, Ordering::Relaxed);
        });
        for entry in fs::read_dir(&target).expect("the volume").flatten() {
            if entry.file_name().to_string_lossy().starts_with("again-") {
                let text = fs::read_to_string(entry.path()).expect("a file");
                assert_eq!(text, "of the image", "round {round}: {entry:?}");
            }
        }
        for entry in fs::read_dir(at("host/b")).expect("the host's").flatten() {
            let links = entry.metadata().expect("a file").nlink();
            assert_eq!(
                links, 1,
                "round {round}: {entry:?} has a name in the volume"
            );
        }
        assert_eq!(fs::read_dir(at("host")).expect("the host's").count(), 1);
    }
    let (swaps, refused) = (swaps.into_inner(), refused.into_inner());
    assert!(
        swaps > 1000 && refused > 0,
        "{swaps} swaps, {refused} refused"
    );
}

#[test]
#[expect(deprecated, reason = "a test of one thread shares no descriptor table")]
fn removal_never_enters_a_mount_below() {
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).expect("own mounts");
    rustix::mount::mount_change(
        "/",
        rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
    )
    .expect("private");
    let directory = tempfile::tempdir().expect("temporary directory");
    let precious = directory.path().join("precious");
    fs::create_dir(&precious).expect("directory");
    fs::write(precious.join("file"), "").expect("file");
    let volumes = open(directory.path());
    let (volume, _) = volumes.create(named("data")).expect("creates");
    let point = volumes.mountpoint(&volume.name).join("point");
    fs::create_dir(&point).expect("mount point");
    rustix::mount::mount_bind(&precious, &point).expect("binds");
    let error = volumes.remove("data").expect_err("a mount is below");
    assert!(matches!(error, VolumeError::MountBelow { .. }), "{error}");
    assert!(precious.join("file").exists());
    rustix::mount::unmount(&point, rustix::mount::UnmountFlags::empty()).expect("unmounts");
    volumes.remove("data").expect("removes");
    assert!(precious.join("file").exists());
}

#[test]
fn a_renamed_volume_keeps_its_files_also_when_the_daemon_dies_meanwhile() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    volumes.create(named("old")).expect("creates");
    fs::write(volumes.mountpoint("old").join("file"), "x").expect("file");
    volumes.acquire("old", "c0ffee").expect("acquires");
    let error = volumes.rename("old", "new").expect_err("is in use");
    assert_eq!(error.to_string(), "rename old: volume is in use - [c0ffee]");
    volumes.release("c0ffee");
    volumes.create(named("taken")).expect("creates");
    let error = volumes.rename("old", "taken").expect_err("is taken");
    assert_eq!(
        error.to_string(),
        "rename old: a volume named taken already exists"
    );
    volumes.rename("old", "new").expect("renames");
    assert!(volumes.inspect("old").is_err());
    assert!(volumes.mountpoint("new").join("file").exists());
    drop(volumes);
    // As a daemon leaves it that dies after the directory was renamed.
    let store = Store::open(&directory.path().join("state.db")).expect("store");
    let mut record: serde_json::Value =
        serde_json::to_value(store.get::<corten_volume::Volume>("new").expect("reads"))
            .expect("JSON");
    record["name"] = "newer".into();
    record["renamed_from"] = "new".into();
    let record: corten_volume::Volume = serde_json::from_value(record).expect("a record");
    store.put("newer", &record).expect("writes");
    drop(store);
    let volumes = open(directory.path());
    let names: Vec<String> = volumes.list().into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["newer", "taken"]);
    assert!(volumes.mountpoint("newer").join("file").exists());
}

#[test]
fn a_copy_of_a_volume_has_its_files_and_their_owners() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volumes = open(directory.path());
    volumes.create(named("data")).expect("creates");
    let source = volumes.mountpoint("data");
    fs::write(source.join("file"), "x").expect("file");
    chown(source.join("file"), Some(999), Some(998)).expect("owner");
    let copy = volumes
        .duplicate("clone", "data", "copy", &source, None)
        .expect("copies");
    let file = volumes.mountpoint(&copy.name).join("file");
    let stat = fs::metadata(&file).expect("file");
    assert_eq!((stat.uid(), stat.gid()), (999, 998));
    fs::write(&file, "y").expect("writes");
    assert_eq!(fs::read_to_string(source.join("file")).expect("file"), "x");
    volumes
        .duplicate("clone", "data", "copy", &source, None)
        .expect_err("the name is taken");
}
