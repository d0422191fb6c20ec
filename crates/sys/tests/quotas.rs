//! Limits of trees on file systems that count what projects take. A kernel whose file
//! systems cannot refuses; `cargo xtask guest` boots one that can.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use corten_sys::projects::{WithinLimits, limit, limit_of, unlimit};
use corten_sys::quota::{is_enforced, project, usage};
use corten_testkit::Disk;
use rustix::io::Errno;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

const MIB: u64 = 1 << 20;

fn write(path: &Path, bytes: u64) -> Result<(), i32> {
    let _within = WithinLimits::new();
    fs::write(path, vec![7; bytes as usize])
        .and_then(|()| File::open(path)?.sync_all())
        .map_err(|error| error.raw_os_error().unwrap())
}

fn trees_have_limits_of_their_own_on(kind: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::with_project_quotas(kind, temporary.path()) else {
        let here = File::open(temporary.path()).unwrap();
        assert!(!is_enforced(here.as_fd()));
        assert!(limit(here.as_fd(), here.as_fd(), MIB).is_err());
        return;
    };
    let base = File::open(disk.path()).unwrap();
    assert!(is_enforced(base.as_fd()));
    let made = |name: &str, bytes| {
        let path = disk.path().join(name);
        fs::create_dir(&path).unwrap();
        let directory = File::open(&path).unwrap();
        let id = limit(directory.as_fd(), base.as_fd(), bytes).unwrap();
        (path, directory, id)
    };
    let (one, one_directory, one_id) = made("one", 4 * MIB);
    let (two, two_directory, two_id) = made("two", 8 * MIB);
    assert_ne!(one_id, two_id);
    assert_eq!(project(one_directory.as_fd()).unwrap(), one_id);
    assert_eq!(
        limit_of(two_directory.as_fd(), base.as_fd()).unwrap(),
        Some(8 * MIB)
    );

    let full = [Errno::NOSPC, Errno::DQUOT].map(Errno::raw_os_error);
    assert!(full.contains(&write(&one.join("big"), 5 * MIB).unwrap_err()));
    fs::create_dir(two.join("below")).unwrap();
    write(&two.join("below/file"), 5 * MIB).unwrap();
    assert!(full.contains(&write(&two.join("more"), 4 * MIB).unwrap_err()));
    write(&disk.path().join("beside"), 16 * MIB).unwrap();

    // A new limit for the same tree.
    assert_eq!(
        limit(two_directory.as_fd(), base.as_fd(), 32 * MIB).unwrap(),
        two_id
    );
    write(&two.join("more"), 4 * MIB).unwrap();
    assert!(usage(base.as_fd(), two_id).unwrap().used_bytes >= 9 * MIB);

    unlimit(one_directory.as_fd(), base.as_fd()).unwrap();
    assert_eq!(limit_of(one_directory.as_fd(), base.as_fd()).unwrap(), None);
    drop(one_directory);
    fs::remove_dir_all(&one).unwrap();
    drop((base, two_directory));
}

#[test]
fn trees_have_limits_of_their_own_on_ext4() {
    trees_have_limits_of_their_own_on("ext4");
}

#[test]
fn trees_have_limits_of_their_own_on_xfs() {
    trees_have_limits_of_their_own_on("xfs");
}
