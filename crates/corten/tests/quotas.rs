//! Sizes of volumes and of containers' own files, on disks that have project quotas. Kernels
//! without them refuse in dockerd's words; `cargo xtask guest` boots one that has them.

use corten_testkit::{Disk, Engine, Options, Ran, until};
use std::os::fd::AsFd;
use tempfile::TempDir;

/// What programs say where no more may be written: xfs and ext4.
const FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// An engine on a disk with quotas; `None` where the kernel has none.
fn engine_on(kind: &str) -> Option<(Engine, Disk, TempDir)> {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a place");
    let disk = Disk::with_project_quotas(kind, directory.path())?;
    let engine = Engine::start_with(Options {
        data_root: Some(disk.path().join("data")),
        ..Options::default()
    });
    engine.load("busybox");
    Some((engine, disk, directory))
}

/// `corten` with the words of a line.
#[track_caller]
fn corten(engine: &Engine, line: &str) -> Ran {
    engine.corten(line.split(' '))
}

/// Writes so many MiB in a new container.
fn write(engine: &Engine, options: &str, file: &str, mib: u32) -> Ran {
    let dd = format!("dd if=/dev/zero of={file} bs=1048576 count={mib} conv=fsync");
    corten(engine, &format!("run --rm {options} busybox {dd}"))
}

#[track_caller]
fn is_full(ran: &Ran) {
    let told = FULL.iter().any(|it| ran.stderr.contains(it));
    assert!(ran.code != 0 && told, "{ran:?}");
}

fn volumes_have_sizes_on(kind: &str) {
    let Some((mut engine, disk, _directory)) = engine_on(kind) else {
        let engine = Engine::start();
        let words = ["volume", "create", "-o", "size=10m", "data"];
        let refused = "create data: quota size requested but no quota support";
        engine.corten(words).fails(1, refused);
        assert_eq!(corten(&engine, "volume ls -q").ok(), "");
        return;
    };
    corten(&engine, "volume create -o size=10m data").ok();
    corten(&engine, "volume create -o size=1m small").ok();
    corten(&engine, "volume create free").ok();
    let words = "volume create -o size=1m -o type=tmpfs -o device=tmpfs both";
    corten(&engine, words).fails(1, "create both: option \"size\" limits the files");

    write(&engine, "-v data:/v", "/v/some", 6).ok();
    is_full(&write(&engine, "-v data:/v", "/v/more", 6));
    write(&engine, "-v free:/v", "/v/file", 16).ok();
    let size = "volume inspect -f {{.Options.size}} data";
    assert_eq!(corten(&engine, size).ok(), "10m");
    let df = corten(&engine, "run --rm -v data:/v busybox df -k /v");
    assert!(df.ok().contains(" 10240 "), "{df:?}");

    // The daemon's own writing ends at the limit as well.
    let tar = engine.path("six.tar").display().to_string();
    let words = "run --rm -v data:/v busybox rm /v/more";
    corten(&engine, words).ok();
    corten(&engine, &format!("volume export -o {tar} data")).ok();
    let import = corten(&engine, &format!("volume import small {tar}"));
    assert!(import.code != 0, "{import:?}");
    corten(&engine, "volume clone data copy").ok();
    assert_eq!(corten(&engine, &size.replace("data", "copy")).ok(), "10m");

    engine.stop_daemon();
    engine.start_daemon();
    for volume in ["data", "copy"] {
        is_full(&write(&engine, &format!("-v {volume}:/v"), "/v/more", 6));
    }
    corten(&engine, "volume create -o size=20m other").ok();
    corten(&engine, "volume rename other renamed").ok();
    write(&engine, "-v renamed:/v", "/v/file", 16).ok();
    is_full(&write(&engine, "-v renamed:/v", "/v/more", 6));

    let root = std::fs::File::open(disk.path()).expect("the disk's root");
    let files = disk.path().join("data/volumes/data/_data");
    let files = std::fs::File::open(files).expect("the volume's files");
    let project = corten_sys::quota::project(files.as_fd()).expect("its project");
    drop(files);
    let of_project = || corten_sys::quota::usage(root.as_fd(), project).expect("its usage");
    assert_eq!(of_project().limit_bytes, 10 << 20);
    corten(&engine, "volume rm data").ok();
    assert_eq!(of_project().limit_bytes, 0);
    drop(root);
}

fn containers_have_sizes_on(kind: &str) {
    let Some((mut engine, disk, _directory)) = engine_on(kind) else {
        let engine = Engine::with_images(&["busybox"]);
        let refused = "--storage-opt is supported only for overlay over xfs with 'pquota'";
        let words = "create --storage-opt size=10m busybox";
        corten(&engine, words).fails(1, refused);
        return;
    };
    let create = |option: &str| corten(&engine, &format!("create --storage-opt {option} busybox"));
    create("size=abc").fails(1, "invalid size: 'abc'");
    create("foo=1").fails(1, "Unknown option foo");
    assert_eq!(corten(&engine, "ps -aq").ok(), "");

    let run = "run -d --name web --privileged --storage-opt size=10m busybox sleep 1000";
    corten(&engine, run).ok();
    let dd = |file: &str| format!("exec web dd if=/dev/zero of={file} bs=1048576 count=6");
    corten(&engine, &dd("/one")).ok();
    // A file of the image that is written to is copied up and moved into place.
    corten(&engine, "exec web sh -c echo>>/etc/passwd").ok();
    is_full(&corten(&engine, &dd("/two")));
    write(&engine, "-i", "/file", 16).ok();
    let size = "inspect -f {{.HostConfig.StorageOpt.size}} web";
    assert_eq!(corten(&engine, size).ok(), "10m");

    engine.kill_daemon();
    engine.start_daemon();
    corten(&engine, "restart -t 0 web").ok();
    is_full(&corten(&engine, &dd("/two")));
    let root = std::fs::File::open(disk.path()).expect("the disk's root");
    let id = corten(&engine, "inspect -f {{.Id}} web").ok().to_owned();
    let files = disk.path().join(format!("data/containers/{id}/overlay"));
    let files = std::fs::File::open(files).expect("the container's files");
    let project = corten_sys::quota::project(files.as_fd()).expect("its project");
    drop(files);
    let of_project = || corten_sys::quota::usage(root.as_fd(), project).expect("its usage");
    assert_eq!(of_project().limit_bytes, 10 << 20);
    corten(&engine, "rm -f web").ok();
    assert_eq!(of_project().limit_bytes, 0);
    until("its files are gone", 20, || of_project().used_inodes == 0);
    drop(root);
}

#[test]
fn containers_have_sizes_on_ext4_with_project_quotas() {
    containers_have_sizes_on("ext4");
}

#[test]
fn containers_have_sizes_on_xfs_with_project_quotas() {
    containers_have_sizes_on("xfs");
}

#[test]
fn volumes_have_sizes_on_ext4_with_project_quotas() {
    volumes_have_sizes_on("ext4");
}

#[test]
fn volumes_have_sizes_on_xfs_with_project_quotas() {
    volumes_have_sizes_on("xfs");
}
