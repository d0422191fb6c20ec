//! Root mounts mounted, as detached mounts that vanish with their descriptor.

mod indexed;

pub use indexed::index;

use corten_oci::RootMount;
use rustix::{
    fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen,
    },
};
use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

pub struct Mounted {
    root: OwnedFd,
}

impl Mounted {
    pub fn new(mount: &RootMount) -> Self {
        let root = match mount {
            RootMount::Directory(path) => File::open(path).unwrap().into(),
            RootMount::Overlay { lower, upper, work } => {
                overlay(lower, upper.as_ref().zip(work.as_ref()))
            }
        };
        Self { root }
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{inside}", self.root.as_raw_fd()))
    }
}

fn overlay(lower: &[PathBuf], upper: Option<(&PathBuf, &PathBuf)>) -> OwnedFd {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    for path in lower {
        fsconfig_set_string(&context, "lowerdir+", path).unwrap();
    }
    if let Some((upper, work)) = upper {
        fsconfig_set_string(&context, "upperdir", upper).unwrap();
        fsconfig_set_string(&context, "workdir", work).unwrap();
    }
    for (key, value) in [("index", "off"), ("metacopy", "off"), ("xino", "off")] {
        fsconfig_set_string(&context, key, value).unwrap();
    }
    fsconfig_create(&context).unwrap();
    fsmount(
        &context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::empty(),
    )
    .unwrap()
}

pub fn whiteout(path: &Path) {
    mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
}

pub fn opaque(path: &Path) {
    setxattr(path, "trusted.overlay.opaque", b"y", XattrFlags::empty()).unwrap();
}
