//! What is mounted in a container, in order.

use super::{ImageLayers, IpcNamespace, SpecInput, process::INIT_PATH};
use crate::{EngineError, Result, messages};
use corten_model::{IdMap, IdRange, MountKind, MountPoint, Propagation};
use corten_oci::runtime::{IdMapping, Mount};
use std::path::{Path, PathBuf};

/// Flags of tmpfs mounts and what takes each back.
const TMPFS_FLAGS: [(&str, &str); 12] = [
    ("noexec", "exec"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("exec", "noexec"),
    ("suid", "nosuid"),
    ("dev", "nodev"),
    ("ro", "rw"),
    ("rw", "ro"),
    ("noatime", "atime"),
    ("atime", "noatime"),
    ("sync", "async"),
    ("async", "sync"),
];

/// Other words that tmpfs(5) and dockerd take.
const TMPFS_WORDS: [&str; 14] = [
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "diratime",
    "nodiratime",
    "mand",
    "nomand",
    "defaults",
    "private",
    "rprivate",
    "shared",
    "rshared",
    "remount",
];

const TMPFS_VALUES: [&str; 6] = ["mode", "uid", "gid", "size", "nr_inodes", "nr_blocks"];

/// Every mount of the container but its root, those nearer to the root first.
pub(super) fn mounts(input: &SpecInput<'_>, writable_cgroups: bool) -> Result<Vec<Mount>> {
    let mut own = own_mounts(input)?;
    if let Some(program) = input.init {
        own.push(bind(INIT_PATH, program.to_owned(), &["bind", "ro"]));
    }
    let replaced = |path: &Path| {
        own.iter().any(|it| it.destination == path)
            // A mount of all of /dev brings its own entries.
            || (path.starts_with("/dev")
                && own.iter().any(|it| it.destination == Path::new("/dev")))
    };
    let mut list: Vec<Mount> = default_mounts(input, writable_cgroups)
        .into_iter()
        .filter(|it| !replaced(&it.destination))
        .collect();
    list.extend(own);
    Ok(list)
}

/// dockerd: `oci.DefaultLinuxSpec`.
fn default_mounts(input: &SpecInput<'_>, writable_cgroups: bool) -> Vec<Mount> {
    let (container, ipc) = (input.container, &input.ipc);
    let privileged = container.host_config.privileged;
    let sys = if privileged { "rw" } else { "ro" };
    let cgroup = if privileged || writable_cgroups {
        "rw"
    } else {
        "ro"
    };
    let mut list = vec![
        kernel("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        kernel(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        kernel(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        kernel("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
        kernel(
            "/sys/fs/cgroup",
            "cgroup",
            &[cgroup, "nosuid", "noexec", "nodev"],
        ),
    ];
    // In whichever IPC namespace the container is, this shows its queues. From inside a
    // user namespace the host's cannot be mounted anew.
    list.push(match (ipc, input.users) {
        (IpcNamespace::Host, Some(_)) => bind("/dev/mqueue", "/dev/mqueue".into(), &["rbind"]),
        _ => kernel("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
    });
    match ipc {
        IpcNamespace::None => {}
        IpcNamespace::Host => list.push(bind("/dev/shm", "/dev/shm".into(), &["rbind"])),
        IpcNamespace::Of { shared_memory, .. } => {
            let source = shared_memory.clone();
            list.push(bind("/dev/shm", source, &["rbind", "rprivate"]));
        }
        IpcNamespace::Own => {
            let size = format!("size={}", container.host_config.shm_size);
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            let mut shm = kernel("/dev/shm", "tmpfs", &options);
            shm.source = Some("shm".into());
            list.push(shm);
        }
    }
    list
}

/// What the user asked for, and the three files that the engine writes.
fn own_mounts(input: &SpecInput<'_>) -> Result<Vec<Mount>> {
    let (container, files) = (input.container, input.files);
    let map = input.users.and(container.id_map.as_ref());
    let mut list = Vec::new();
    // A node of the host is bound where it has its own name; with another, from there.
    for device in input
        .devices
        .iter()
        .filter(|it| map.is_some() && it.is_renamed())
    {
        list.push(bind(
            device.path(),
            device.source().to_owned(),
            &["bind", "rprivate"],
        ));
    }
    // dockerd: `--tmpfs` hides a mount at its place, but for another tmpfs.
    let small = container.host_config.tmpfs.iter().flatten();
    let hides = |point: &MountPoint, path: &str| {
        Path::new(path)
            .components()
            .eq(point.destination.components())
    };
    let hidden = |point: &MountPoint| {
        point.kind != MountKind::Tmpfs && small.clone().any(|(path, _)| hides(point, path))
    };
    for point in container.mounts.iter().filter(|it| !hidden(it)) {
        list.push(match point.kind {
            MountKind::Bind | MountKind::Volume => bound(point, map)?,
            MountKind::Tmpfs => tmpfs_of(point)?,
            MountKind::Image => image(point, input.images, map.is_some())?,
            MountKind::Npipe | MountKind::Cluster => {
                return Err(EngineError::Unsupported(messages::unsupported(
                    "Mount.Type",
                    point.kind,
                )));
            }
        });
    }
    for (destination, options) in small.clone() {
        if container
            .mounts
            .iter()
            .any(|it| !hidden(it) && hides(it, destination))
        {
            continue;
        }
        let words: Vec<&str> = options.split(',').filter(|it| !it.is_empty()).collect();
        list.push(tmpfs(Path::new(destination), &words)?);
    }
    let writable = if container.host_config.readonly_rootfs {
        "ro"
    } else {
        "rw"
    };
    for (destination, source) in [
        ("/etc/resolv.conf", &files.resolv_conf),
        ("/etc/hostname", &files.hostname),
        ("/etc/hosts", &files.hosts),
    ] {
        let taken = list
            .iter()
            .any(|it| it.destination == Path::new(destination));
        if let (false, Some(source)) = (taken, source) {
            let mut words = vec!["rbind", "rprivate", writable];
            // They are the container's root's to write, and on disk the engine's.
            words.extend(map.map(|_| "idmap"));
            list.push(bind(destination, source.clone(), &words));
        }
    }
    list.sort_by_key(|it| it.destination.components().count());
    Ok(list)
}

/// `map`: that of the container. Its volumes belong to whom it sees as their owners; a
/// bind keeps the host's.
fn bound(point: &MountPoint, map: Option<&IdMap>) -> Result<Mount> {
    let request = point.request.as_ref();
    let options = request
        .and_then(|it| it.bind_options.clone())
        .unwrap_or_default();
    let recursive = if options.non_recursive {
        "bind"
    } else {
        "rbind"
    };
    let propagation = match point.propagation {
        Propagation::Unset => Propagation::Rprivate,
        asked => asked,
    };
    let mut words = vec![recursive, propagation.as_str()];
    match (
        point.rw,
        options.read_only_non_recursive || options.non_recursive,
    ) {
        // Docker: no word, so that a mount of the host that is read-only stays so.
        (true, _) => {}
        (false, true) => words.push("ro"),
        // Docker 25: read-only reaches the mounts below, mount_setattr(2).
        (false, false) => words.push("rro"),
    }
    let id_map_word = if options.non_recursive {
        "idmap"
    } else {
        "ridmap"
    };
    let Some(asked) = &options.id_map else {
        if map.is_some() && point.kind == MountKind::Volume {
            words.push(id_map_word);
        }
        return Ok(bind(&point.destination, point.source.clone(), &words));
    };
    words.push(id_map_word);
    let nobody = || EngineError::Invalid(messages::users_id_map(point.destination.display()));
    let mappings = |asked: &[IdRange], own: Option<&[IdRange]>| -> Result<Vec<IdMapping>> {
        let ranges = asked.iter().map(|it| mapping(it, own));
        ranges.collect::<Option<_>>().ok_or_else(nobody)
    };
    Ok(Mount {
        uid_mappings: mappings(&asked.uids, map.map(|map| &map.uids[..]))?,
        gid_mappings: mappings(&asked.gids, map.map(|map| &map.gids[..]))?,
        ..bind(&point.destination, point.source.clone(), &words)
    })
}

/// runtime-spec: the source's ID is the `containerID`, what is seen is the `hostID`: of the
/// host, also where the container has `own` users. `None`: some of them are nobody there.
fn mapping(range: &IdRange, own: Option<&[IdRange]>) -> Option<IdMapping> {
    let seen = match own {
        None => range.container,
        Some(own) => own.iter().find_map(|it| {
            let offset = range.container.checked_sub(it.container)?;
            let fits = range.size <= it.size.checked_sub(offset)?;
            fits.then_some(it.host + offset)
        })?,
    };
    Some(IdMapping {
        container_id: range.host,
        host_id: seen,
        size: range.size,
    })
}

/// The directories of an image's layers, and what of them is wanted.
fn image(point: &MountPoint, images: &ImageLayers, mapped: bool) -> Result<Mount> {
    let lower = images
        .get(&point.destination)
        .ok_or_else(|| EngineError::NotFound(messages::no_such_image(&point.name)))?;
    let lower: Vec<String> = lower.iter().map(|it| it.display().to_string()).collect();
    let mut words = vec!["ro".to_owned(), format!("lowerdir={}", lower.join(":"))];
    let options = point
        .request
        .as_ref()
        .and_then(|it| it.image_options.as_ref());
    if let Some(options) = options.filter(|it| !it.subpath.is_empty()) {
        words.push(format!("x-corten.subpath={}", options.subpath));
    }
    if mapped {
        words.push("idmap".to_owned());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(kernel(&point.destination, "overlay", &words))
}

fn tmpfs_of(point: &MountPoint) -> Result<Mount> {
    let options = point
        .request
        .as_ref()
        .and_then(|it| it.tmpfs_options.clone())
        .unwrap_or_default();
    let mut words = Vec::new();
    if !point.rw {
        words.push("ro".to_owned());
    }
    if let Some(mode) = options.mode.filter(|mode| *mode != 0) {
        words.push(format!("mode={mode:o}"));
    }
    if options.size_bytes > 0 {
        words.push(format!("size={}", options.size_bytes));
    }
    for option in options.options.iter().flatten() {
        words.push(option.join("="));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    tmpfs(&point.destination, &words)
}

/// dockerd: `noexec,nosuid,nodev` unless the user says the contrary.
fn tmpfs(destination: &Path, asked: &[&str]) -> Result<Mount> {
    let mut words = vec!["noexec", "nosuid", "nodev", "rprivate"];
    for word in asked {
        check_tmpfs_option(word)?;
        let opposite = TMPFS_FLAGS
            .iter()
            .find(|(flag, _)| flag == word)
            .map(|(_, other)| *other);
        let key = word.split_once('=').map(|(key, _)| key);
        words.retain(|it| {
            *it != *word && Some(*it) != opposite && (key.is_none() || it.split('=').next() != key)
        });
        words.push(word);
    }
    Ok(kernel(destination, "tmpfs", &words))
}

/// Refuses what tmpfs does not know, before the kernel does with a bare EINVAL.
pub(crate) fn check_tmpfs_option(word: &str) -> Result<()> {
    let known = match word.split_once('=') {
        Some((key, _)) => TMPFS_VALUES.contains(&key),
        None => TMPFS_WORDS.contains(&word) || TMPFS_FLAGS.iter().any(|(flag, _)| *flag == word),
    };
    if known {
        Ok(())
    } else {
        Err(EngineError::Invalid(messages::bad_tmpfs_option(word)))
    }
}

fn kernel(destination: impl AsRef<Path>, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.as_ref().to_owned(),
        kind: kind.to_owned(),
        source: Some(kind.into()),
        options: options.iter().map(|it| (*it).to_owned()).collect(),
        ..Mount::default()
    }
}

fn bind(destination: impl AsRef<Path>, source: PathBuf, options: &[&str]) -> Mount {
    Mount {
        source: Some(source),
        ..kernel(destination, "bind", options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tmpfs_can_be_made_executable_and_keeps_the_other_flags() {
        let mount = tmpfs(Path::new("/x"), &["exec", "size=1m", "size=2m"]).expect("known");
        assert_eq!(
            mount.options,
            ["nosuid", "nodev", "rprivate", "exec", "size=2m"]
        );
        assert!(tmpfs(Path::new("/x"), &["foo"]).is_err());
    }
}
