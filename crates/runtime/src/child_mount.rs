//! Mounts that a child makes in another mount namespace than ours, and hands over.

use crate::channel::{Channel, Message};
use crate::plan::failed;
use crate::{Stage, process};
use corten_sys::clone::{Options, spawn};
use corten_sys::mount::{self, Attributes, Overlay};
use corten_sys::namespace::{NEWNS, unshare};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The tree that `make` answers in a child of ours, which ends then.
pub(crate) fn by_child(make: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    let (ours, theirs) = Channel::pair()?;
    let child = spawn(Options::default(), || {
        let handed = make().and_then(|tree| Ok(theirs.send(&Message::Ready, Some(tree.as_fd()))?));
        match handed {
            Ok(()) => 0,
            Err(error) => {
                let error = failed(Stage::Mount, &error, "", "");
                i32::from(theirs.send(&Message::Failed(error), None).is_err())
            }
        }
    })?;
    drop(theirs);
    let answer = ours.receive();
    process::reap(&child.pidfd);
    match answer? {
        Some((Message::Ready, Some(tree))) => Ok(tree),
        Some((Message::Failed(error), _)) => Err(io::Error::from_raw_os_error(error.errno)),
        _ => Err(io::Error::from_raw_os_error(libc::EPROTO)),
    }
}

/// An overlay. Before Linux 6.15 one of mapped directories is made in a mount namespace for
/// the purpose, whose end takes everything but the overlay along.
pub(crate) fn overlay_of(directories: Overlay<'_>) -> io::Result<OwnedFd> {
    match mount::overlay(directories) {
        Err(error)
            if error.raw_os_error() == Some(libc::EINVAL) && directories.id_map.is_some() =>
        {
            by_child(|| {
                unshare(NEWNS)?;
                let private = Attributes {
                    propagation: libc::MS_PRIVATE,
                    recursive: true,
                    ..Attributes::default()
                };
                let root = rustix::fs::open(
                    Path::new("/"),
                    rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
                    rustix::fs::Mode::empty(),
                )?;
                mount::set_attributes(root.as_fd(), private)?;
                mount::overlay_attached(directories)
            })
        }
        made => made,
    }
}
