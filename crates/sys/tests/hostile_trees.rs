//! Trees and procfs files that an adversary arranges, on the real kernel.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use corten_sys::namespace::unshare;
use corten_sys::procfs::Procfs;
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const MODE: Mode = Mode::RWXU;

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> i32 {
    result.unwrap_err().raw_os_error().unwrap()
}

/// A tree in `tree`, beside which `canary` stands.
fn tree() -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("tree")).unwrap();
    fs::create_dir(directory.path().join("canary")).unwrap();
    let root = Root::open(&directory.path().join("tree")).unwrap();
    (directory, root)
}

#[test]
fn no_link_and_no_dots_lead_out_of_the_tree() {
    let (directory, root) = tree();
    let inside = |name: &str| directory.path().join("tree").join(name);
    symlink("../../canary", inside("up")).unwrap();
    symlink("/canary", inside("absolute")).unwrap();
    for path in ["up/x", "absolute/x", "../../canary/x", "a/../../canary/x"] {
        let path = Path::new(path);
        let _ = root.create_directories(path, MODE);
        let _ = root.create_file(path, MODE);
        let _ = root.parent_of(path, MODE);
    }
    let mut outside = fs::read_dir(directory.path().join("canary")).unwrap();
    assert!(outside.next().is_none());
    // Both links are dangling; what they name is made inside.
    assert!(inside("canary/x").is_dir());
}

#[test]
fn dots_behind_what_does_not_exist_are_refused() {
    let (directory, root) = tree();
    let path = Path::new("missing/../../canary/made");
    assert_eq!(errno(root.create_directories(path, MODE)), libc::EINVAL);
    assert!(!directory.path().join("canary/made").exists());
    assert_eq!(errno(root.parent_of(Path::new("/"), MODE)), libc::EINVAL);
}

#[test]
fn links_of_proc_to_descriptors_are_not_followed() {
    let root = Root::open(Path::new("/")).unwrap();
    for link in ["/proc/self/fd/0", "/proc/self/root/etc", "/proc/self/cwd"] {
        let opened = root.open_file(Path::new(link), OFlags::PATH, Mode::empty());
        assert_eq!(errno(opened), libc::ELOOP, "{link}");
    }
}

#[test]
fn a_chain_of_links_ends() {
    let (directory, root) = tree();
    symlink("b", directory.path().join("tree/a")).unwrap();
    symlink("a", directory.path().join("tree/b")).unwrap();
    assert_eq!(
        errno(root.create_directories(Path::new("a/c"), MODE)),
        libc::ELOOP
    );
}

#[test]
fn directories_are_made_where_they_are_missing_and_files_are_left_alone() {
    let (directory, root) = tree();
    root.create_directories(Path::new("/a/b/c"), MODE).unwrap();
    root.create_directories(Path::new("/a/b/c"), MODE).unwrap();
    assert!(directory.path().join("tree/a/b/c").is_dir());
    let file = directory.path().join("tree/a/file");
    fs::write(&file, "kept").unwrap();
    root.create_file(Path::new("a/file"), MODE).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    assert_eq!(
        errno(root.create_directories(Path::new("a/file/x"), MODE)),
        libc::ENOTDIR
    );
    assert_eq!(
        errno(root.open_without_links(Path::new("nix"), OFlags::PATH)),
        libc::ENOENT
    );
}

#[test]
fn only_regular_files_of_a_bounded_size_are_read() {
    let (directory, root) = tree();
    let inside = |name: &str| directory.path().join("tree").join(name);
    fs::write(inside("file"), "12345").unwrap();
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, inside("fifo"), fifo, MODE, 0).unwrap();
    assert_eq!(root.read_regular(Path::new("file"), 5).unwrap(), b"12345");
    assert_eq!(errno(root.read_regular(Path::new("file"), 4)), libc::EFBIG);
    assert_eq!(errno(root.read_regular(Path::new("fifo"), 4)), libc::EINVAL);
    assert_eq!(errno(root.read_regular(Path::new("."), 4)), libc::EINVAL);
}

/// CVE-2019-16884, CVE-2025-52881
#[test]
fn a_mount_over_a_file_of_proc_is_noticed_and_the_private_procfs_has_none() {
    use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
    // This thread only; the process's own number is asked for, since `self` is another
    // thread's.
    unshare(libc::CLONE_NEWNS as u32).unwrap();
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .unwrap();
    let fake = tempfile::tempdir().unwrap();
    let file = fake.path().join("file");
    fs::write(&file, "fake").unwrap();
    let own = std::process::id();
    let score = format!("{own}/oom_score_adj");
    mount_bind(&file, format!("/proc/{score}").as_str()).unwrap();
    assert_eq!(
        fs::read_to_string(format!("/proc/{score}")).unwrap(),
        "fake"
    );
    let host = Procfs::host().unwrap();
    assert_eq!(errno(host.read(&score, 100)), libc::EXDEV);
    assert_eq!(errno(host.write(&score, b"5")), libc::EXDEV);
    assert_eq!(errno(host.read("self/root/etc/passwd", 100)), libc::ELOOP);
    assert_eq!(errno(host.read("../etc/passwd", 100)), libc::EXDEV);
    let private = Procfs::new().unwrap();
    private.write(&score, b"5").unwrap();
    assert_eq!(private.read(&score, 100).unwrap(), b"5\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "fake");
    assert_eq!(errno(private.read("self/status", 10)), libc::EFBIG);
    // Something else that is called /proc is no procfs.
    mount_bind(fake.path(), "/proc").unwrap();
    assert_eq!(errno(Procfs::host()), libc::EXDEV);
}
