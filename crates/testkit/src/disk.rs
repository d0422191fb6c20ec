//! File systems of a test's own.

use crate::process::{program, run};
use rustix::mount::MountPropagationFlags;
use std::path::{Path, PathBuf};

/// Bytes of a disk; mkfs.xfs wants 300 MiB. Only what is written takes space.
const DISK_BYTES: u64 = 320 << 20;

/// A file system on a loop device, mounted where only the calling thread and what it
/// starts see it; unmounted when dropped.
pub struct Disk {
    path: PathBuf,
}

impl Disk {
    /// A file system of `kind`, `ext4` or `xfs`, that counts and limits the space of
    /// projects, mounted at `<directory>/<kind>`. `None` on kernels that cannot.
    pub fn with_project_quotas(kind: &str, directory: &Path) -> Option<Self> {
        own_mounts();
        let path = directory.join(kind);
        let image = directory.join(format!("{kind}.img"));
        let (path_text, image_text) = (path.display().to_string(), image.display().to_string());
        std::fs::create_dir_all(&path).expect("a mount point");
        let file = std::fs::File::create(&image).expect("a file for the disk");
        file.set_len(DISK_BYTES).expect("its size");
        let words: &[&str] = match kind {
            "ext4" => &["-q", "-O", "project,quota", "-E", "quotatype=prjquota"],
            _ => &["-q"],
        };
        let words = words.iter().copied().chain([image_text.as_str()]);
        run(&mut program(format!("mkfs.{kind}"), words)).ok();
        let options = ["-t", kind, "-o", "loop,prjquota", &image_text, &path_text];
        let mounted = run(&mut program("mount", options));
        if mounted.code == 0 {
            return Some(Self { path });
        }
        // ext4 without the format of its quotas, xfs built without any.
        let unable = ["No such process", "Invalid argument", "wrong fs type"];
        let unable = unable.iter().any(|it| mounted.stderr.contains(it));
        assert!(unable, "mount of {kind}: {}", mounted.stderr);
        None
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What a daemon that was killed left mounted below goes along.
        let flags = rustix::mount::UnmountFlags::DETACH;
        let _ = rustix::mount::unmount(&self.path, flags);
    }
}

/// Moves the calling thread where nobody else sees what it mounts.
#[allow(
    deprecated,
    reason = "only mounts are unshared, which no memory safety hangs on"
)]
fn own_mounts() {
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).expect("own mounts");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).expect("private mounts");
}
