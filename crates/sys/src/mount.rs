//! Mounts as descriptors: made detached, changed, then attached by descriptor.
//!
//! A detached mount is in no mount table; closing the last descriptor of one that was
//! never attached takes it apart.

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A change of mount attributes, mount_setattr(2) (Linux 5.12).
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    /// `MOUNT_ATTR_…` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_…` bits to clear.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u64,
    /// Maps owners through this user namespace (MOUNT_ATTR_IDMAP).
    pub id_map: Option<BorrowedFd<'a>>,
    /// Whether mounts below change as well.
    pub recursive: bool,
}

/// The mount is read-only.
pub const RDONLY: u64 = 0x1;
/// Set-user-ID bits and file capabilities have no effect.
pub const NOSUID: u64 = 0x2;
/// Device nodes cannot be opened.
pub const NODEV: u64 = 0x4;
/// Programs cannot be run.
pub const NOEXEC: u64 = 0x8;
/// The bits of the access time policy; to be cleared before one is set.
pub const ATIME_MASK: u64 = 0x70;
/// Access times are not kept.
pub const NOATIME: u64 = 0x10;
/// Access times are always kept.
pub const STRICTATIME: u64 = 0x20;
/// Access times of directories are not kept.
pub const NODIRATIME: u64 = 0x80;
/// Symbolic links are not followed (Linux 5.14).
pub const NOSYMFOLLOW: u64 = 0x20_0000;
/// Of propagation: mounts of the peer group arrive, and none goes there (MS_SLAVE).
pub const SLAVE: u64 = libc::MS_SLAVE;
const IDMAP: u64 = 0x10_0000;

/// Changes the attributes of the mount that `mount` is the root of.
pub fn set_attributes(mount: BorrowedFd<'_>, change: Attributes<'_>) -> io::Result<()> {
    let idmap = if change.id_map.is_some() { IDMAP } else { 0 };
    let attributes = [
        change.set | idmap,
        change.clear,
        change.propagation,
        change.id_map.map_or(0, |fd| fd.as_raw_fd() as u64),
    ];
    let recursive = if change.recursive {
        libc::AT_RECURSIVE
    } else {
        0
    };
    // SAFETY: `attributes` has the layout of struct mount_attr (four u64), the size is
    // its own, and the empty path with AT_EMPTY_PATH means `mount` itself.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursive,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// A detached copy of the mount tree at `path`, as a bind mount of it would be.
pub fn clone_tree(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, path, flags | recursion(recursive))?)
}

/// As [`clone_tree`], of an open file or directory.
pub fn clone_tree_of(file: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(file, c"", flags | recursion(recursive))?)
}

fn recursion(recursive: bool) -> OpenTreeFlags {
    if recursive {
        OpenTreeFlags::AT_RECURSIVE
    } else {
        OpenTreeFlags::empty()
    }
}

/// A parameter of a new file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter {
    /// A word without a value.
    Flag(String),
    /// `key=value`.
    Text(String, String),
}

/// A new detached mount of file system type `kind`.
pub fn new_filesystem(
    kind: &str,
    source: Option<&Path>,
    parameters: &[Parameter],
    attributes: u64,
) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if let Some(source) = source {
        fsconfig_set_string(context.as_fd(), "source", source)?;
    }
    for parameter in parameters {
        match parameter {
            Parameter::Flag(key) => fsconfig_set_flag(context.as_fd(), key.as_str())?,
            Parameter::Text(key, value) => {
                fsconfig_set_string(context.as_fd(), key.as_str(), value.as_str())?;
            }
        }
    }
    create(&context, attributes)
}

fn create(context: &OwnedFd, attributes: u64) -> io::Result<OwnedFd> {
    fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::from_bits_retain(attributes as u32);
    Ok(fsmount(
        context.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        attributes,
    )?)
}

/// The directories of an overlay.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The uppermost first.
    pub lower: &'a [PathBuf],
    /// The writable directory and overlay's work directory.
    pub upper: Option<(&'a Path, &'a Path)>,
    /// A user namespace through whose maps the files of all of them are seen and written
    /// (Linux 5.19; see [`overlay_attached`]).
    pub id_map: Option<BorrowedFd<'a>>,
}

/// A new detached overlay mount. Without an upper directory it is read-only, and a
/// single lower directory is then a read-only copy of its mount (overlay wants two).
///
/// # Errors
/// With `id_map`: EINVAL when the upper and the work directory have not one parent, when
/// the file system has no idmapped mounts, or before Linux 6.15, the first that takes
/// directories of detached mounts.
pub fn overlay(directories: Overlay<'_>) -> io::Result<OwnedFd> {
    if let Some(id_map) = directories.id_map {
        return mapped_overlay(directories, id_map, |_, _| Ok(()));
    }
    if let (None, [only]) = (directories.upper, directories.lower) {
        let tree = clone_tree(only, false)?;
        set_attributes(
            tree.as_fd(),
            Attributes {
                set: RDONLY,
                propagation: libc::MS_PRIVATE,
                ..Attributes::default()
            },
        )?;
        return Ok(tree);
    }
    match overlay_of(directories, one_each) {
        // Linux before 6.5 takes the joined form only, and says so at the very end.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => overlay_of(directories, joined),
        result => result,
    }
}

/// As [`overlay`], in a mount namespace that the caller has for this alone: with `id_map`
/// each directory is covered there by its mapped mount, from which older kernels take it.
/// The overlay does not need the namespace any more.
///
/// # Errors
/// As [`overlay`], and before Linux 5.19.
pub fn overlay_attached(directories: Overlay<'_>) -> io::Result<OwnedFd> {
    match directories.id_map {
        Some(id_map) => mapped_overlay(directories, id_map, |tree, path| {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let target = rustix::fs::open(path, flags, Mode::empty())?;
            attach(tree, target.as_fd())
        }),
        None => overlay(directories),
    }
}

/// The same of idmapped copies of the directories' mounts, which nothing else shows. A
/// change of owner by the container reaches the disk as the number the container knows.
fn mapped_overlay(
    directories: Overlay<'_>,
    id_map: BorrowedFd<'_>,
    place: impl Fn(BorrowedFd<'_>, &Path) -> io::Result<()>,
) -> io::Result<OwnedFd> {
    let mapped = |path: &Path| -> io::Result<OwnedFd> {
        let tree = clone_tree(path, false)?;
        let change = Attributes {
            propagation: libc::MS_PRIVATE,
            id_map: Some(id_map),
            ..Attributes::default()
        };
        set_attributes(tree.as_fd(), change)?;
        place(tree.as_fd(), path)?;
        Ok(tree)
    };
    let link = |tree: &OwnedFd| PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
    let trees = directories.lower.iter().map(|path| mapped(path));
    let mut trees = trees.collect::<io::Result<Vec<_>>>()?;
    let Some((upper, work)) = directories.upper else {
        if let [_] = trees.as_slice() {
            // Never attached: this one is made by every kernel at the first try.
            let tree = trees.remove(0);
            let change = Attributes {
                set: RDONLY,
                ..Attributes::default()
            };
            set_attributes(tree.as_fd(), change)?;
            return Ok(tree);
        }
        let lower: Vec<PathBuf> = trees.iter().map(link).collect();
        let (upper, id_map) = (None, None);
        return overlay(Overlay {
            lower: &lower,
            upper,
            id_map,
        });
    };
    // overlay wants both on one mount.
    let (Some(parent), Some(upper), Some(name)) =
        (upper.parent(), upper.file_name(), work.file_name())
    else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    if work.parent() != Some(parent) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let writable = mapped(parent)?;
    let (upper, work) = (link(&writable).join(upper), link(&writable).join(name));
    let lower: Vec<PathBuf> = trees.iter().map(link).collect();
    overlay(Overlay {
        lower: &lower,
        upper: Some((&upper, &work)),
        id_map: None,
    })
}

type GiveLower = fn(&OwnedFd, &[PathBuf]) -> rustix::io::Result<()>;

fn overlay_of(directories: Overlay<'_>, give_lower: GiveLower) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "source", "overlay")?;
    // One device number for all files, whichever file systems the directories are on: du -x
    // and tar --one-file-system leave out the rest. On a single one it means nothing.
    fsconfig_set_string(context.as_fd(), "xino", "on")?;
    give_lower(&context, directories.lower)?;
    if let Some((upper, work)) = directories.upper {
        fsconfig_set_string(context.as_fd(), "upperdir", upper)?;
        fsconfig_set_string(context.as_fd(), "workdir", work)?;
        // Whatever the host's defaults are, the upper directory alone says what changed:
        // no metadata without its data, no renames that point into lower layers.
        for option in ["index", "metacopy", "redirect_dir"] {
            fsconfig_set_string(context.as_fd(), option, "off")?;
        }
    }
    create(
        &context,
        if directories.upper.is_some() {
            0
        } else {
            RDONLY
        },
    )
}

/// One directory a parameter (Linux 6.5): no limit of a page and no escapes.
fn one_each(context: &OwnedFd, lower: &[PathBuf]) -> rustix::io::Result<()> {
    lower.iter().try_for_each(|directory| {
        fsconfig_set_string(context.as_fd(), "lowerdir+", directory.as_path())
    })
}

/// All in one text, at most a page.
fn joined(context: &OwnedFd, lower: &[PathBuf]) -> rustix::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let mut text = Vec::new();
    for directory in lower {
        if !text.is_empty() {
            text.push(b':');
        }
        for &byte in directory.as_os_str().as_bytes() {
            if matches!(byte, b':' | b'\\' | b',') {
                text.push(b'\\');
            }
            text.push(byte);
        }
    }
    fsconfig_set_string(context.as_fd(), "lowerdir", text.as_slice())
}

/// Attaches the detached mount `tree` on the file or directory `target`.
pub fn attach(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, c"", target, c"", flags)?)
}

/// The file at `path` on a detached read-only mount of its own: whoever opens it
/// through `/proc/PID/exe` or `/proc/PID/fd` cannot write it, for as long as the
/// descriptor or a program run from it lives (CVE-2019-5736).
///
/// The descriptor is for [`crate::exec::fexecve`].
pub fn read_only_file(path: &Path) -> io::Result<OwnedFd> {
    let tree = clone_tree(path, false)?;
    set_attributes(
        tree.as_fd(),
        Attributes {
            set: RDONLY,
            propagation: libc::MS_PRIVATE,
            ..Attributes::default()
        },
    )?;
    Ok(tree)
}
