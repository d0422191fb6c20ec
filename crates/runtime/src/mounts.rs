//! The root file system and the mounts on it: opened before the clone, attached by
//! descriptor in the container's mount namespace.

use crate::child_mount::{by_child, overlay_of};
use crate::mount_target::{check_proc, plain_directory, target};
use crate::options::{self, MountOptions};
use crate::plan::{Plan, failed};
use crate::{Stage, StartError};
use crate::{cgroup_mount, image_mount};
use corten_oci::RootMount;
use corten_oci::runtime::{IdMapping, Linux, Mount};
use corten_sys::mount::{self, Attributes, Overlay, RDONLY};
use corten_sys::procfs::Procfs;
use corten_sys::projects::Headroom;
use corten_sys::root::Root;
use corten_sys::task;
use rustix::fs::{FileType, Mode, OFlags, fstat};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// A mount, ready to be made by the first process.
pub(crate) struct PlannedMount {
    pub destination: PathBuf,
    pub options: MountOptions,
    pub source: Source,
    /// For messages.
    pub source_name: String,
}

/// Where the content of a mount comes from.
pub(crate) enum Source {
    /// A detached copy of a tree of the host, its attributes set already.
    Tree { tree: OwnedFd, directory: bool },
    /// A part of a detached tree, to be taken out of it inside.
    PartOf { tree: OwnedFd, subpath: PathBuf },
    /// A new file system, made inside.
    New {
        kind: String,
        source: Option<PathBuf>,
    },
    /// The container's own cgroups.
    Cgroup,
}

/// Through whose maps the files of a root are seen and written.
#[derive(Debug, Clone, Copy)]
pub struct RootUsers<'a> {
    /// The user namespace.
    pub namespace: BorrowedFd<'a>,
    /// Its root as the host numbers it, user and group.
    pub root: (u32, u32),
}

/// What becomes `/`, detached. `propagation` is the specification's `rootfsPropagation`.
///
/// # Errors
/// What the kernel says of the overlay or of the directory, [`Stage::Root`].
pub fn root_tree(
    root: &RootMount,
    propagation: &str,
    users: Option<RootUsers<'_>>,
) -> Result<OwnedFd, StartError> {
    let id_map = users.map(|users| users.namespace);
    let (path, made) = match root {
        RootMount::Directory(path) => {
            let tree = mount::clone_tree(path, true).and_then(|tree| {
                let propagation = inherited_propagation(propagation);
                let change = Attributes {
                    propagation,
                    recursive: true,
                    ..Default::default()
                };
                mount::set_attributes(tree.as_fd(), change)?;
                if id_map.is_some() {
                    let change = Attributes {
                        id_map,
                        ..Default::default()
                    };
                    mount::set_attributes(tree.as_fd(), change)?;
                }
                Ok(tree)
            });
            (path.clone(), tree)
        }
        RootMount::Overlay { lower, upper, work } => {
            let upper = upper.as_deref().zip(work.as_deref());
            let name = upper.map_or_else(|| lower.first().cloned(), |pair| Some(pair.0.to_owned()));
            let directories = Overlay {
                lower,
                upper,
                id_map,
            };
            (name.unwrap_or_default(), overlay(directories, users))
        }
    };
    made.map_err(|error| failed(Stage::Root, &error, path, "mounting the root file system"))
}

/// Overlay writes as who mounts it: that must be one of those users, whose files come to
/// the disk at all.
fn overlay(directories: Overlay<'_>, users: Option<RootUsers<'_>>) -> io::Result<OwnedFd> {
    let room = headroom(directories)?;
    let made = match users {
        None => mount::overlay(directories),
        Some(RootUsers { root, .. }) => {
            task::own_new_files_as(root.0, root.1)?;
            let made = overlay_of(directories);
            task::own_new_files_as(0, 0)?;
            made
        }
    };
    room.map_or(Ok(()), Headroom::end)?;
    made
}

/// A container that has written as much as it may starts again with a writable root.
fn headroom(directories: Overlay<'_>) -> io::Result<Option<Headroom>> {
    let above = directories.upper.and_then(|(upper, _)| upper.parent());
    let Some((limited, base)) = above.and_then(|it| Some((it, it.parent()?))) else {
        return Ok(None);
    };
    let open = |path: &Path| {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
    };
    Headroom::of(open(limited)?, open(base)?.as_fd())
}

/// The propagation of what is taken over from the host, by `rootfsPropagation`; slave
/// unless it says otherwise, so that the container's mounts never reach the host.
fn inherited_propagation(word: &str) -> u64 {
    match options::propagation(word) {
        Some((flag, _)) if flag == libc::MS_SHARED => 0,
        Some((flag, _)) if flag == libc::MS_PRIVATE => flag,
        _ => libc::MS_SLAVE,
    }
}

impl PlannedMount {
    pub(crate) fn new(
        entry: &Mount,
        bundle: &Path,
        linux: &Linux,
        procfs: &Procfs,
        users: Option<BorrowedFd<'_>>,
    ) -> Result<Self, StartError> {
        let mut options = MountOptions::parse(&entry.options);
        let destination = Path::new("/").join(&entry.destination);
        let bind = options.bind.or((entry.kind == "bind").then_some(false));
        let source_name = entry.source.as_ref().map_or_else(
            || entry.kind.clone(),
            |source| source.to_string_lossy().into_owned(),
        );
        let fail = |error: io::Error| failed(Stage::Mount, &error, &destination, &source_name);
        if let Some(made) = image_mount::open(&entry.kind, &mut options, users) {
            let source = made.map_err(fail)?;
            check_proc(&destination, entry, &source)?;
            return Ok(Self {
                destination,
                options,
                source,
                source_name,
            });
        }
        let source = match bind {
            Some(recursive) => {
                let source = entry.source.as_deref().ok_or_else(|| {
                    let sentence = "a bind mount needs a source";
                    StartError::refused(Stage::Spec, destination.to_string_lossy(), sentence)
                })?;
                let source = bundle.join(source);
                let maps = Maps {
                    entry,
                    linux,
                    procfs,
                    users,
                };
                open_bind(&source, recursive, &options, &maps)
                    .map_err(|error| failed(Stage::Mount, &error, &destination, &source_name))?
            }
            None if matches!(entry.kind.as_str(), "cgroup" | "cgroup2") => Source::Cgroup,
            None => Source::New {
                kind: entry.kind.clone(),
                source: entry.source.clone(),
            },
        };
        if matches!(source, Source::Tree { .. }) && !options.parameters.is_empty() {
            let sentence = format!("a bind mount has no options {:?}", options.parameters);
            return Err(StartError::refused(
                Stage::Spec,
                destination.to_string_lossy(),
                sentence,
            ));
        }
        check_proc(&destination, entry, &source)?;
        Ok(Self {
            destination,
            options,
            source,
            source_name,
        })
    }
}

/// Where the maps of an idmapped bind come from.
struct Maps<'a> {
    entry: &'a Mount,
    linux: &'a Linux,
    procfs: &'a Procfs,
    /// The container's user namespace, where it exists already.
    users: Option<BorrowedFd<'a>>,
}

impl Maps<'_> {
    /// The mount's own maps, else those of the container.
    fn namespace(&self) -> io::Result<OwnedFd> {
        let (entry, linux) = (self.entry, self.linux);
        match self.users {
            _ if !entry.uid_mappings.is_empty() => {
                user_namespace(&entry.uid_mappings, &entry.gid_mappings, self.procfs)
            }
            Some(users) => users.try_clone_to_owned(),
            None => user_namespace(&linux.uid_mappings, &linux.gid_mappings, self.procfs),
        }
    }
}

fn open_bind(
    source: &Path,
    recursive: bool,
    options: &MountOptions,
    maps: &Maps<'_>,
) -> io::Result<Source> {
    let tree = bind_tree(source, recursive)?;
    let directory = FileType::from_raw_mode(fstat(&tree)?.st_mode) == FileType::Directory;
    let (propagation, below) = options
        .propagation
        .unwrap_or((inherited_propagation(&maps.linux.rootfs_propagation), true));
    if propagation != 0 {
        let change = Attributes {
            propagation,
            recursive: below,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change)?;
    }
    change_attributes(&tree, options)?;
    if !maps.entry.uid_mappings.is_empty() || options.id_map.is_some() {
        let holder = maps.namespace()?;
        let recursive = options.id_map == Some(true);
        let change = Attributes {
            id_map: Some(holder.as_fd()),
            recursive,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change)?;
    }
    Ok(Source::Tree { tree, directory })
}

/// What a bind shows, as a detached copy. The source may lie in another process's mount
/// namespace: `/proc/PID/root/…`, or `/proc/PID/fd/N/root/…` where somebody holds the
/// process's directory open.
///
/// # Errors
/// Those of open_tree(2), and of setns(2) where the source lies elsewhere.
pub fn bind_tree(source: &Path, recursive: bool) -> io::Result<OwnedFd> {
    match Elsewhere::of(source) {
        Some(elsewhere) if elsewhere.is_held => elsewhere.clone(recursive),
        elsewhere => match (mount::clone_tree(source, recursive), elsewhere) {
            (Err(error), Some(elsewhere)) if error.raw_os_error() == Some(libc::EINVAL) => {
                elsewhere.clone(recursive)
            }
            (result, _) => result,
        },
    }
}

/// A tree that may lie in another process's mount namespace: `/proc/PID/root/…`, or
/// `/proc/PID/fd/N/root/…` where somebody holds the process's directory open. Of the second
/// kind nothing is looked for from here, where a link in that tree would lead into ours.
struct Elsewhere<'a> {
    /// The process's directory in `/proc`.
    process: PathBuf,
    inside: &'a Path,
    is_held: bool,
}

impl<'a> Elsewhere<'a> {
    /// `None`: the path is no such.
    fn of(source: &'a Path) -> Option<Self> {
        let mut words = source.strip_prefix("/proc").ok()?.components();
        let number = |word: Component<'_>| word.as_os_str().to_str()?.parse::<u32>().ok();
        let mut process = Path::new("/proc").join(number(words.next()?)?.to_string());
        let is_held = words.as_path().starts_with("fd");
        if is_held {
            words.next();
            process = process.join("fd").join(number(words.next()?)?.to_string());
        }
        let inside = words.as_path().strip_prefix("root").ok()?;
        Some(Self {
            process,
            inside,
            is_held,
        })
    }

    /// The kernel lets only who is in there copy it, so that a child goes in and hands it
    /// over.
    fn clone(&self, recursive: bool) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let namespace = rustix::fs::open(self.process.join("ns/mnt"), flags, Mode::empty())?;
        by_child(|| {
            corten_sys::namespace::setns(namespace.as_fd(), corten_sys::namespace::NEWNS)?;
            mount::clone_tree(&Path::new("/").join(self.inside), recursive)
        })
    }
}

fn change_attributes(tree: &OwnedFd, options: &MountOptions) -> io::Result<()> {
    let pairs = [
        (options.set, options.clear, false),
        (options.recursive_set, options.recursive_clear, true),
    ];
    for (set, clear, recursive) in pairs {
        if set | clear != 0 {
            let change = Attributes {
                set,
                clear,
                recursive,
                ..Default::default()
            };
            mount::set_attributes(tree.as_fd(), change)?;
        }
    }
    Ok(())
}

/// A user namespace with these maps, held by its descriptor only.
pub(crate) fn user_namespace(
    uids: &[IdMapping],
    gids: &[IdMapping],
    procfs: &Procfs,
) -> io::Result<OwnedFd> {
    let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let options = corten_sys::clone::Options {
        namespaces: libc::CLONE_NEWUSER as u32,
        ..Default::default()
    };
    let holder = corten_sys::clone::spawn(options, || {
        let _ = rustix::io::read(&wait, &mut [0u8; 1]);
        0
    })?;
    let made = crate::ids::write_maps(procfs, holder.pid, uids, gids)
        .and_then(|()| procfs.namespace(&holder.pid.to_string(), "user"));
    drop(hold);
    let _ = rustix::io::retry_on_intr(|| {
        rustix::process::pidfd_send_signal(&holder.pidfd, rustix::process::Signal::KILL)
    });
    crate::process::reap(&holder.pidfd);
    made
}

/// Makes the mounts in their order below `root`.
pub(crate) fn make(plan: &Plan<'_>, root: &Root) -> Result<(), StartError> {
    for entry in &plan.mounts {
        let fail =
            |error: io::Error| failed(Stage::Mount, &error, &entry.destination, &entry.source_name);
        match &entry.source {
            Source::Tree { tree, directory } => {
                let target = target(root, entry, *directory)?;
                mount::attach(tree.as_fd(), target.as_fd()).map_err(fail)?;
            }
            Source::PartOf { tree, subpath } => {
                image_mount::attach_part(root, entry, tree, subpath)?;
            }
            Source::New { kind, source } => new_filesystem(root, entry, kind, source)?,
            Source::Cgroup => cgroup_mount::make(plan, root, entry).map_err(fail)?,
        }
    }
    Ok(())
}

fn new_filesystem(
    root: &Root,
    entry: &PlannedMount,
    kind: &str,
    source: &Option<PathBuf>,
) -> Result<(), StartError> {
    let destination = &entry.destination;
    let fail = |error: io::Error| failed(Stage::Mount, &error, destination, &entry.source_name);
    // CVE-2019-19921, CVE-2023-27561, CVE-2023-28642: /proc and /sys are what they say.
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let existed = root.open_file(destination, flags, Mode::empty()).is_ok();
    let target = if matches!(kind, "proc" | "sysfs") {
        plain_directory(root, destination)?
    } else {
        target(root, entry, true)?
    };
    let options = &entry.options;
    let mut parameters = options.parameters.clone();
    // As runc: that of the directory it lies over, where the image has one, else the
    // kernel's, in which every user may write.
    let asked = parameters.iter().any(|it| names(it, "mode"));
    if kind == "tmpfs" && existed && !asked {
        let mode = fstat(&target).map_err(|error| fail(error.into()))?.st_mode & 0o7777;
        parameters.push(mount::Parameter::Text(
            "mode".to_owned(),
            format!("{mode:o}"),
        ));
    }
    let wanted = (options.set | options.recursive_set) & !options.recursive_clear;
    // A file system on a device is not even to replay its journal.
    if wanted & RDONLY != 0 && source.as_ref().is_some_and(|source| source.is_absolute()) {
        parameters.push(mount::Parameter::Flag("ro".to_owned()));
    }
    let late = if options.copy_up { RDONLY } else { 0 };
    let tree = mount::new_filesystem(kind, source.as_deref(), &parameters, wanted & !late)
        .map_err(fail)?;
    if options.copy_up {
        crate::copy_up::copy(&target, &tree).map_err(fail)?;
        let change = Attributes {
            set: wanted & late,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change).map_err(fail)?;
    }
    if let Some((propagation, recursive)) = options.propagation {
        let change = Attributes {
            propagation,
            recursive,
            ..Default::default()
        };
        mount::set_attributes(tree.as_fd(), change).map_err(fail)?;
    }
    mount::attach(tree.as_fd(), target.as_fd()).map_err(fail)
}

fn names(parameter: &mount::Parameter, wanted: &str) -> bool {
    matches!(parameter, mount::Parameter::Text(key, _) if key == wanted)
}
