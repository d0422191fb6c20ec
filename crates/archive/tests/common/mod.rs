//! Archives made from words, trees looked at.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub mod random;

use corten_archive::{
    Applied, ApplyOptions, Error, LowerView, apply, settle,
    tar::{Entry, EntryKind, Writer},
};
use rustix::{
    fs::{CWD, XattrFlags},
    mount::{FsMountFlags, FsOpenFlags, MountAttrFlags},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Cursor,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
};

pub fn directory(name: &str) -> Entry {
    Entry::directory(name)
}

pub fn symlink(name: &str, target: &str) -> Entry {
    Entry {
        link: target.into(),
        mode: 0o777,
        ..Entry::new(name, EntryKind::Symlink)
    }
}

pub fn hard_link(name: &str, target: &str) -> Entry {
    Entry {
        link: target.into(),
        mode: 0o644,
        ..Entry::new(name, EntryKind::HardLink)
    }
}

/// An archive; files have their own name as content.
pub fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for entry in entries {
        match entry.kind {
            EntryKind::Regular => writer.append_bytes(entry, &entry.path).unwrap(),
            _ => writer.append(entry, std::io::empty()).unwrap(),
        }
    }
    writer.finish().unwrap()
}

pub fn file(name: &str) -> Entry {
    Entry::file(name, 0)
}

/// A temporary directory, in memory where that works: hundreds of them are made, and
/// ext4 without a journal is slow where many files were removed.
pub fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub fn apply_to(bytes: &[u8], root: &Path) -> Result<Applied, Error> {
    let root = File::open(root).unwrap();
    apply(
        Cursor::new(bytes.to_vec()),
        root.as_fd(),
        &ApplyOptions::default(),
    )
}

/// A root to unpack into, beside a canary that must never change.
pub struct Arena {
    directory: tempfile::TempDir,
    before: BTreeMap<String, String>,
}

impl Arena {
    pub fn new() -> Self {
        let directory = place();
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::create_dir_all(directory.path().join("canary/dir")).unwrap();
        fs::write(directory.path().join("canary/file"), "untouched").unwrap();
        let mut arena = Self {
            directory,
            before: BTreeMap::new(),
        };
        arena.before = arena.outside();
        arena
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn canary(&self) -> PathBuf {
        self.directory.path().join("canary")
    }

    fn outside(&self) -> BTreeMap<String, String> {
        let mut seen = tree(&self.canary(), true);
        let names = fs::read_dir(self.directory.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        seen.insert("names".into(), names.len().to_string());
        seen
    }

    /// Nothing outside the root was made, changed or removed.
    pub fn check(&self) {
        assert_eq!(self.outside(), self.before);
    }
}

/// A tree as text, path by path.
pub fn tree(root: &Path, times: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut inodes: BTreeMap<(u64, u64), Vec<String>> = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(directory) = ahead.pop() {
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        for path in names {
            // overlay lists a whiteout by name where no lower layer has the directory.
            let Ok(stat) = path.symlink_metadata() else {
                continue;
            };
            let inside = path.strip_prefix(root).unwrap().display().to_string();
            let kind = stat.file_type();
            let mut text = format!("{:o} {}:{}", stat.mode() & 0o7777, stat.uid(), stat.gid());
            if kind.is_dir() {
                text += " directory";
                ahead.push(path.clone());
            } else {
                if kind.is_symlink() {
                    text += &format!(" -> {}", fs::read_link(&path).unwrap().display());
                } else if kind.is_file() {
                    text += &format!(
                        " file {:?}",
                        String::from_utf8_lossy(&fs::read(&path).unwrap())
                    );
                } else if kind.is_char_device() || kind.is_block_device() {
                    text += &format!(" device {:x}", stat.rdev());
                } else {
                    text += " special";
                }
                inodes
                    .entry((stat.dev(), stat.ino()))
                    .or_default()
                    .push(inside.clone());
            }
            if times {
                text += &format!(" @{}.{}", stat.mtime(), stat.mtime_nsec());
            }
            for name in ["user.note", "trusted.overlay.opaque", "security.capability"] {
                let mut value = [0; 64];
                if let Ok(length) = rustix::fs::lgetxattr(&path, name, &mut value[..]) {
                    text += &format!(" {name}={:?}", &value[..length]);
                }
            }
            found.insert(inside, text);
        }
    }
    // Only names that can be seen count: overlay tells the lower inode's number of links.
    for names in inodes.values_mut().filter(|names| names.len() > 1) {
        names.sort();
        for name in names.iter() {
            *found.get_mut(name).unwrap() += &format!(" = {}", names[0]);
        }
    }
    found
}

/// Layers (bottom first) mounted as an overlay that vanishes with its descriptor.
pub struct Overlay(OwnedFd);

impl Overlay {
    pub fn new(layers: &[PathBuf], writable: Option<(&Path, &Path)>) -> Self {
        use rustix::mount::{fsconfig_create, fsconfig_set_string, fsmount, fsopen};
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        let empty = layers[0].parent().unwrap().join("empty-lower");
        fs::create_dir_all(&empty).unwrap();
        for path in layers.iter().rev().chain([&empty]) {
            fsconfig_set_string(&context, "lowerdir+", path).unwrap();
        }
        if let Some((upper, work)) = writable {
            fsconfig_set_string(&context, "upperdir", upper).unwrap();
            fsconfig_set_string(&context, "workdir", work).unwrap();
        }
        fsconfig_create(&context).unwrap();
        Self(
            fsmount(
                &context,
                FsMountFlags::FSMOUNT_CLOEXEC,
                MountAttrFlags::empty(),
            )
            .unwrap(),
        )
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/.", self.0.as_raw_fd()))
    }

    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

pub fn set_xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::setxattr(path, name, value, XattrFlags::empty()).unwrap();
}

pub fn whiteout(path: &Path) {
    let kind = rustix::fs::FileType::CharacterDevice;
    rustix::fs::mknodat(CWD, path, kind, rustix::fs::Mode::empty(), 0).unwrap();
}

/// Layers unpacked below `place`, independently and settled afterwards; those that show,
/// bottom first.
pub fn stack(place: &Path, layers: &[Vec<Entry>]) -> Result<Vec<PathBuf>, Error> {
    let mut roots = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let root = place.join(number.to_string());
        fs::create_dir(&root).unwrap();
        let bytes = archive(layer);
        let mut applied = apply_to(&bytes, &root)?;
        let below: Vec<_> = roots.iter().rev().collect();
        let below = LowerView::open(&below).unwrap();
        let directory = File::open(&root).unwrap();
        let options = ApplyOptions::default();
        let again = || Ok::<_, Error>(&bytes[..]);
        settle(directory.as_fd(), &mut applied, &below, &options, again)?;
        assert!(applied.unsettled.is_empty());
        if applied.root_opaque {
            roots.clear();
        }
        roots.push(root);
    }
    Ok(roots)
}
