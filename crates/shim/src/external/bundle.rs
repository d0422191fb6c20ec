//! What a runtime finds: a bundle, in a mount namespace that only the shim and what it
//! starts are in. The host's table of mounts does not grow, and a killed shim leaves none.

use crate::failure;
use corten_oci::runtime::{Mount, Process, Spec};
use corten_runtime::UserText;
use corten_shim_proto::{Failure, FailureStage, StartRequest};
use corten_sys::mount::{self, Attributes, Overlay, SLAVE};
use corten_sys::namespace::{NEWNS, unshare};
use corten_sys::root::Root;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// What the bundle says of itself. Everything in it was in that version, and runtimes
/// that know no newer one refuse it.
const BUNDLE_VERSION: &str = "1.0.2";
const ROOT: &str = "rootfs";
/// Trees that only a descriptor reaches are mounted here, by number.
const TREES: &str = "trees";
/// Our own word, see the runtime's image mounts.
const SUBPATH: &str = "x-corten.subpath=";

/// From here on mounts of this process are its own; the host's still arrive.
fn enter_mount_namespace() -> io::Result<()> {
    unshare(NEWNS)?;
    let root = open_directory(Path::new("/"))?;
    let change = Attributes {
        propagation: SLAVE,
        recursive: true,
        ..Attributes::default()
    };
    mount::set_attributes(root.as_fd(), change)
}

/// Mounts what the container needs below `place` and gives the specification for it.
/// `netns`: the descriptor of the network namespace to join.
pub(super) fn make(
    place: &Path,
    request: &StartRequest,
    netns: Option<RawFd>,
) -> Result<Spec, Failure> {
    let name = request.runtime.as_ref().map_or("", |it| it.name.as_str());
    let mut spec = request.spec.clone();
    check(&spec, name)?;
    let tree = corten_runtime::root_tree(&request.root, "", None);
    let tree = tree.map_err(|error| failure::of_start(&error))?;
    let mut trees = Vec::new();
    for (number, entry) in spec.mounts.iter().enumerate() {
        let tree = tree_of(entry).map_err(|error| {
            let what = format!("opening what is mounted at {}", entry.destination.display());
            failure::of_io(&what, &error)
        })?;
        trees.extend(tree.map(|tree| (number, tree)));
    }
    enter_mount_namespace().map_err(|error| failure::of_io("making a mount namespace", &error))?;
    let put_root = || {
        fs::create_dir(place.join(ROOT))?;
        attach(&tree, &place.join(ROOT))?;
        fs::create_dir(place.join(TREES))?;
        tree.try_clone()
    };
    let root = put_root().map_err(|error| failure::of_io("mounting the root", &error))?;
    let root = Root::new(root);
    spec.oci_version = BUNDLE_VERSION.to_owned();
    if let Some(entry) = &mut spec.root {
        entry.path = PathBuf::from(ROOT);
    }
    if let Some(linux) = &mut spec.linux {
        linux.cgroups_path = crate::start::cgroup_path(request).display().to_string();
    }
    if let Some(process) = &mut spec.process {
        let user = UserText {
            user: &request.user,
            groups: &request.groups,
        };
        put_user(process, &root, user)?;
        // Docker makes it before the runtime is asked.
        root.create_directories(&process.cwd, Mode::from_raw_mode(0o755))
            .map_err(|error| failure::of_io("making the working directory", &error))?;
    }
    let own = rustix::process::getpid().as_raw_nonzero();
    for entry in spec.linux.iter_mut().flat_map(|it| &mut it.namespaces) {
        if let ("network", Some(number)) = (entry.kind.as_str(), netns) {
            entry.path = Some(PathBuf::from(format!("/proc/{own}/fd/{number}")));
        }
    }
    for (number, tree) in trees {
        let entry = &mut spec.mounts[number];
        let at = place.join(TREES).join(number.to_string());
        put_tree(entry, &tree, at).map_err(|error| {
            let what = format!("mounting for {}", entry.destination.display());
            failure::of_io(&what, &error)
        })?;
    }
    Ok(spec)
}

/// What the mount namespace between the host and the runtime takes away, and words that
/// only our own runtime knows.
fn check(spec: &Spec, name: &str) -> Result<(), Failure> {
    let refused = |what: String| {
        let message = format!("{what} is not possible with the runtime {name}");
        Err(Failure::new(FailureStage::Runtime, message))
    };
    let linux = spec.linux.as_ref();
    if linux.is_some_and(|linux| linux.rootfs_propagation.contains("shared")) {
        return refused("a shared root".to_owned());
    }
    for entry in &spec.mounts {
        let destination = entry.destination.display();
        for option in &entry.options {
            if ["shared", "rshared"].contains(&option.as_str()) {
                return refused(format!("bind-propagation={option} at {destination}"));
            }
            if option.starts_with(SUBPATH) {
                return refused(format!("a part of an image at {destination}"));
            }
        }
    }
    Ok(())
}

/// What only our runtime could mount by itself, detached.
fn tree_of(entry: &Mount) -> io::Result<Option<OwnedFd>> {
    let options = &entry.options;
    let lower = options.iter().find_map(|it| it.strip_prefix("lowerdir="));
    match (entry.kind.as_str(), lower, &entry.source) {
        // One string of layers is longer than mount(2) takes.
        ("overlay", Some(lower), _) => {
            let lower: Vec<PathBuf> = lower.split(':').map(PathBuf::from).collect();
            let overlay = Overlay {
                lower: &lower,
                upper: None,
                id_map: None,
            };
            mount::overlay(overlay).map(Some)
        }
        // Through the engine's descriptor, which is of the host's mounts or of another
        // container's: from the namespace of the bundle it could not be mounted.
        ("bind", _, Some(source)) if is_descriptor(source) => {
            let recursive = options.iter().any(|option| option == "rbind");
            corten_runtime::bind_tree(source, recursive).map(Some)
        }
        _ => Ok(None),
    }
}

/// Mounts the tree at `at` and makes the entry a bind of that.
fn put_tree(entry: &mut Mount, tree: &OwnedFd, at: PathBuf) -> io::Result<()> {
    let kind = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode);
    if kind == rustix::fs::FileType::Directory {
        fs::create_dir(&at)?;
    } else {
        fs::write(&at, "")?;
    }
    attach(tree, &at)?;
    if entry.kind == "overlay" {
        entry.options = vec!["rbind".into(), "ro".into()];
    }
    entry.kind = "bind".to_owned();
    entry.source = Some(at);
    Ok(())
}

fn is_descriptor(path: &Path) -> bool {
    let mut parts = path.components().skip(1).map(|it| it.as_os_str());
    parts.next().is_some_and(|part| part == "proc") && parts.nth(1).is_some_and(|it| it == "fd")
}

/// Finds the user in the container's own files.
pub(super) fn put_user(
    process: &mut Process,
    root: &Root,
    text: UserText<'_>,
) -> Result<(), Failure> {
    let identity = corten_runtime::find_user(root, text);
    let identity = identity.map_err(|error| failure::of_start(&error))?;
    process.user.uid = identity.uid;
    process.user.gid = identity.gid;
    process.user.additional_gids = identity.groups;
    Ok(())
}

/// Takes the mounts off, and the directories that they were on. Without that nothing may
/// be removed recursively: it would be the container's files.
pub(super) fn leave(place: &Path) -> bool {
    let trees = fs::read_dir(place.join(TREES)).into_iter().flatten();
    let trees = trees.flatten().map(|entry| entry.path());
    let mut left = true;
    for path in trees.chain([place.join(ROOT)]) {
        // What was not mounted says so.
        let _unmounted = unmount(&path, UnmountFlags::DETACH).is_ok();
        let removed = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
        left &= removed.is_ok() || !path.exists();
    }
    left
}

fn attach(tree: &OwnedFd, at: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let target = rustix::fs::open(at, flags, Mode::empty())?;
    mount::attach(tree.as_fd(), target.as_fd())
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(options: &[&str]) -> Spec {
        Spec {
            mounts: vec![Mount {
                destination: "/data".into(),
                options: options.iter().map(|it| (*it).to_owned()).collect(),
                ..Mount::default()
            }],
            ..Spec::default()
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        assert_eq!(check(&mount(&["rbind", "rprivate"]), "crun"), Ok(()));
        let refused = check(&mount(&["rbind", "rshared"]), "crun").expect_err("it cannot work");
        assert_eq!(
            refused.message,
            "bind-propagation=rshared at /data is not possible with the runtime crun"
        );
        assert!(check(&mount(&["ro", "x-corten.subpath=a"]), "crun").is_err());
    }

    #[test]
    fn paths_through_a_descriptor_are_known() {
        assert!(is_descriptor(Path::new("/proc/17/fd/4")));
        assert!(!is_descriptor(Path::new("/proc/17/root/fd")));
        assert!(!is_descriptor(Path::new("/var/proc/1/fd/4")));
    }
}
