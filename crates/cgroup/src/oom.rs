//! Hearing that the kernel killed a process for lack of memory.

use crate::cgroup::Cgroup;
use crate::{CgroupError, file};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long after its notice on cgroup v1 a kill is looked for.
const NOTICE_AHEAD: Duration = Duration::from_secs(1);

/// A descriptor that becomes readable when the kernel kills for lack of memory, on cgroup
/// v1 a moment before it does: that kill is to be looked for afterwards.
#[derive(Debug)]
pub struct OomWatch {
    descriptor: OwnedFd,
    group: Cgroup,
    seen: u64,
    expected: Option<Instant>,
}

impl AsFd for OomWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl OomWatch {
    /// Takes the notice away and says whether processes have been killed since the last
    /// time, or since the group was made. Call it when the descriptor is readable; it never
    /// blocks.
    pub fn take(&mut self) -> Result<bool, CgroupError> {
        let mut buffer = [0_u8; 4096];
        // An eventfd gives eight bytes, inotify records: both are only a reason to look.
        while rustix::io::read(&self.descriptor, &mut buffer).is_ok_and(|count| count == 4096) {}
        self.expected = Some(Instant::now() + NOTICE_AHEAD);
        self.look()
    }

    /// The same without a notice: to be called while [`Self::expects_a_kill`] says so.
    pub fn look(&mut self) -> Result<bool, CgroupError> {
        let now = kills(&self.group)?;
        let more = now > self.seen;
        self.seen = now;
        if more || self.expected.is_some_and(|end| end <= Instant::now()) {
            self.expected = None;
        }
        Ok(more)
    }

    /// Whether there was a notice of a kill, or time for one before this watch, that
    /// nobody has seen yet.
    pub fn expects_a_kill(&self) -> bool {
        self.expected.is_some()
    }
}

pub(crate) fn watch(group: &Cgroup) -> Result<Option<OomWatch>, CgroupError> {
    let descriptor = match (group.v1_directory("memory"), &group.v2) {
        (Some(directory), _) => watch_v1(directory)?,
        (None, Some(v2)) if v2.directory.join("memory.events").exists() => watch_v2(&v2.directory)?,
        _ => return Ok(None),
    };
    Ok(Some(OomWatch {
        descriptor,
        group: group.clone(),
        seen: 0,
        expected: Some(Instant::now()),
    }))
}

/// cgroup-v1/memory.rst § OOM Control: an eventfd registered for `memory.oom_control`.
fn watch_v1(directory: &Path) -> Result<OwnedFd, CgroupError> {
    let path = directory.join("memory.oom_control");
    let control = rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| open_failed(path, errno.into()))?;
    let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
        .map_err(|errno| open_failed("eventfd".into(), errno.into()))?;
    let value = format!("{} {}", event.as_raw_fd(), control.as_raw_fd());
    file::write(directory, "cgroup.event_control", &value)?;
    Ok(event)
}

/// cgroup-v2.rst § Memory Interface Files: a change of `memory.events` is a file
/// modified event.
fn watch_v2(directory: &Path) -> Result<OwnedFd, CgroupError> {
    let path = directory.join("memory.events");
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let watch = inotify::init(flags).and_then(|watch| {
        inotify::add_watch(&watch, &path, inotify::WatchFlags::MODIFY)?;
        Ok(watch)
    });
    watch.map_err(|errno| open_failed(path, errno.into()))
}

pub(crate) fn kills(group: &Cgroup) -> Result<u64, CgroupError> {
    let text = match (group.v1_directory("memory"), &group.v2) {
        (Some(directory), _) => file::read_optional(directory, "memory.oom_control")?,
        (None, Some(v2)) => file::read_optional(&v2.directory, "memory.events")?,
        (None, None) => None,
    };
    let text = text.unwrap_or_default();
    Ok(file::pairs(&text)
        .find(|(name, _)| *name == "oom_kill")
        .map_or(0, |(_, count)| count))
}

fn open_failed(path: PathBuf, source: io::Error) -> CgroupError {
    CgroupError::Open { path, source }
}
