//! Device nodes and the links beside them in `/dev`.

use crate::mounts::Source;
use crate::plan::{Plan, failed};
use crate::{Stage, StartError};
use corten_oci::runtime::LinuxDevice;
use corten_sys::mount;
use corten_sys::root::Root;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chmodat, chownat, fstat, makedev, mknodat, openat,
    statat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// config-linux.md § Default Devices.
const DEFAULT: &[(&str, u32, u32)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// A node to make.
struct Node<'a> {
    path: &'a Path,
    kind: FileType,
    device: u64,
    mode: u32,
    uid: u32,
    gid: u32,
}

pub(crate) fn make(plan: &Plan<'_>, root: &Root) -> Result<(), StartError> {
    // A /dev that comes from the host is complete.
    let bound = plan.mounts.iter().any(|entry| {
        entry.destination == Path::new("/dev") && matches!(entry.source, Source::Tree { .. })
    });
    if bound {
        return Ok(());
    }
    let listed = |path: &Path| plan.linux.devices.iter().any(|device| device.path == path);
    for &(path, major, minor) in DEFAULT {
        let (path, kind) = (Path::new(path), FileType::CharacterDevice);
        if !listed(path) {
            let device = makedev(major, minor);
            put(
                plan,
                root,
                &Node {
                    path,
                    kind,
                    device,
                    mode: 0o666,
                    uid: 0,
                    gid: 0,
                },
            )?;
        }
    }
    for device in &plan.linux.devices {
        // Made by links and mounts of their own.
        if device.path != Path::new("/dev/ptmx") {
            put(plan, root, &node(device)?)?;
        }
    }
    links(root)
}

fn node(device: &LinuxDevice) -> Result<Node<'_>, StartError> {
    let refused = |sentence: String| {
        StartError::refused(Stage::Spec, device.path.to_string_lossy(), sentence)
    };
    let kind = match device.kind.as_str() {
        "c" | "u" => FileType::CharacterDevice,
        "b" => FileType::BlockDevice,
        "p" => FileType::Fifo,
        kind => return Err(refused(format!("{kind:?} is no type of a device"))),
    };
    let number = |value: i64| {
        u32::try_from(value).map_err(|_| refused(format!("{value} is no device number")))
    };
    let device_number = match kind {
        FileType::Fifo => 0,
        _ => makedev(number(device.major)?, number(device.minor)?),
    };
    Ok(Node {
        path: &device.path,
        kind,
        device: device_number,
        mode: device.file_mode.unwrap_or(0o666) & 0o7777,
        uid: device.uid.unwrap_or(0),
        gid: device.gid.unwrap_or(0),
    })
}

fn put(plan: &Plan<'_>, root: &Root, node: &Node<'_>) -> Result<(), StartError> {
    let make = || {
        if plan.in_user_namespace() {
            bind(root, node)
        } else {
            make_node(root, node)
        }
    };
    make().map_err(|error| failed(Stage::Device, &error, node.path, "making device"))
}

fn make_node(root: &Root, node: &Node<'_>) -> io::Result<()> {
    let (parent, name) = root.parent_of(node.path, Mode::from_raw_mode(0o755))?;
    match mknodat(
        &parent,
        &name,
        node.kind,
        Mode::from_raw_mode(node.mode),
        node.device,
    ) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let stat = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
            let same = FileType::from_raw_mode(stat.st_mode) == node.kind
                && (stat.st_rdev == node.device || node.kind == FileType::Fifo);
            if !same {
                return Err(Errno::EXIST.into());
            }
            return Ok(());
        }
        Err(Errno::PERM) => return bind(root, node),
        Err(error) => return Err(error.into()),
    }
    // The mode of mknod goes through the umask, which is zero here.
    if (node.uid, node.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
        chownat(
            &parent,
            &name,
            Some(uid),
            Some(gid),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
        if node.mode & 0o6000 != 0 {
            let opened = openat(
                &parent,
                &name,
                OFlags::PATH | OFlags::NOFOLLOW,
                Mode::empty(),
            )?;
            let mode = Mode::from_raw_mode(node.mode);
            chmodat(&opened, c"", mode, AtFlags::EMPTY_PATH)?;
        }
    }
    Ok(())
}

/// In a user namespace nobody may make nodes: the host's is bound, once it has proved to
/// be the wanted device.
fn bind(root: &Root, node: &Node<'_>) -> io::Result<()> {
    let source = rustix::fs::open(node.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let stat = fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != node.kind || stat.st_rdev != node.device {
        return Err(Errno::NODEV.into());
    }
    let target = root.create_file(node.path, Mode::from_raw_mode(0o600))?;
    let tree = mount::clone_tree_of(source.as_fd(), false)?;
    mount::attach(tree.as_fd(), target.as_fd())
}

fn links(root: &Root) -> Result<(), StartError> {
    let core = Path::new("/proc/kcore")
        .exists()
        .then_some(("/proc/kcore", "/dev/core"));
    for &(target, path) in LINKS.iter().chain(&core) {
        link(root, target, path, false)?;
    }
    link(root, "pts/ptmx", "/dev/ptmx", true)
}

fn link(root: &Root, target: &str, path: &str, replace: bool) -> Result<(), StartError> {
    let make = || -> io::Result<()> {
        let (parent, name): (OwnedFd, _) =
            root.parent_of(Path::new(path), Mode::from_raw_mode(0o755))?;
        match symlinkat(target, &parent, &name) {
            Err(Errno::EXIST) if replace => {
                unlinkat(&parent, &name, AtFlags::empty())?;
                Ok(symlinkat(target, &parent, &name)?)
            }
            Err(Errno::EXIST) => Ok(()),
            result => Ok(result?),
        }
    };
    make().map_err(|error| failed(Stage::Device, &error, path, "linking device"))
}
