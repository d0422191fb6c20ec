//! Reading records back.

mod files;
mod record;
mod tail;

pub use record::Record;

use crate::LogError;
use corten_base::Timestamp;
use files::{Input, LogFile};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is read at once; a record is at most a few times
/// [`crate::MAX_LINE_BYTES`], and the buffer grows where one is longer.
const READ_BYTES: usize = 128 << 10;

/// The longest line that is taken for a record: every byte of the longest text written
/// as six, and room for attributes. What is longer is damage, and passed over.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// How often a log is looked at where the kernel has no watch to give
/// (fs.inotify.max_user_instances is 128 on many hosts).
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Which records are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Only the last so many records, before `since` and `until` are looked at, as
    /// Docker does. A line cut in pieces counts as its pieces.
    pub tail: Option<u64>,
    /// None before this time.
    pub since: Option<Timestamp>,
    /// None after this time.
    pub until: Option<Timestamp>,
    /// Whether [`Reader::wait`] will be used.
    pub follow: bool,
}

/// How far a [`Reader::read`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more now.
    More,
    /// Everything written so far was seen.
    AtEnd,
    /// Nothing wanted can come any more: `until` has passed.
    Done,
}

/// Reads a log through all its files, the oldest first.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    options: ReadOptions,
    /// The file being read; none before the log exists.
    input: Option<Input>,
    /// Newer files.
    queue: VecDeque<LogFile>,
    /// Bytes that were read, of which `start..` were not looked at.
    buffer: Vec<u8>,
    start: usize,
    /// Records of the first file that `tail` leaves out.
    skip: u64,
    /// The time of the newest record that was seen.
    newest: Timestamp,
    /// Whether a newer file was seen than the one being read, whose last bytes may
    /// still have come in between.
    superseded: bool,
    watch: Option<OwnedFd>,
    scratch: Vec<u8>,
}

impl Reader {
    /// Opens the log whose current file is `path`. A log that does not exist yet is
    /// empty.
    pub fn open(path: &Path, options: ReadOptions) -> Result<Self, LogError> {
        // The watch comes before the first look, so that nothing falls between.
        let watch = if options.follow { watch(path)? } else { None };
        let mut files = files::list(path)?;
        let mut skip = 0;
        let mut input = None;
        if let Some(tail) = options.tail {
            let start = tail::find(path, &files, tail)?;
            files.drain(..start.file);
            skip = start.skip;
            if let Some(first) = files.pop_front() {
                input = Some(first.open_at(start.offset));
            }
        } else if let Some(first) = files.pop_front() {
            input = Some(first.open_at(0));
        }
        Ok(Self {
            path: path.to_owned(),
            options,
            input,
            queue: files,
            buffer: Vec::new(),
            start: 0,
            skip,
            newest: Timestamp::ZERO,
            superseded: false,
            watch,
            scratch: Vec::new(),
        })
    }

    /// Shows wanted records to `visit`, about a buffer full, then returns.
    pub fn read(&mut self, visit: &mut dyn FnMut(&Record<'_>)) -> Result<Progress, LogError> {
        loop {
            let (seen, done) = self.visit_lines(visit);
            if done {
                return Ok(Progress::Done);
            }
            let filled = self.fill()?;
            match (filled, seen) {
                (true, true) => return Ok(Progress::More),
                (true, false) => {}
                (false, _) if self.next_file()? => {}
                (false, _) => return Ok(Progress::AtEnd),
            }
        }
    }

    /// Waits until the log may have grown, at most so long. Needs
    /// [`ReadOptions::follow`].
    pub fn wait(&mut self, timeout: Duration) -> Result<(), LogError> {
        let Some(watch) = &self.watch else {
            // Without a watch there is nothing to wait on.
            std::thread::sleep(timeout.min(POLL_INTERVAL)); // poll
            return Ok(());
        };
        let failed = |errno: rustix::io::Errno| LogError::Follow {
            path: self.path.clone(),
            source: errno.into(),
        };
        let limit = Timespec::try_from(timeout).unwrap_or(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        match poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
        // What happens from here on makes the next wait return at once.
        let mut events = [0_u8; 4096];
        while rustix::io::read(watch, &mut events).is_ok() {}
        Ok(())
    }

    /// Whether any record was seen, and whether the last wanted one was.
    fn visit_lines(&mut self, visit: &mut dyn FnMut(&Record<'_>)) -> (bool, bool) {
        let mut seen = false;
        let passes_old = self.input.as_ref().is_some_and(Input::may_repeat);
        while let Some(length) = memchr::memchr(b'\n', &self.buffer[self.start..]) {
            let line = &self.buffer[self.start..self.start + length];
            self.start += length + 1;
            seen = true;
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            // What cannot be understood is damage, and costs only itself.
            let Some(record) = Record::parse(line, &mut self.scratch) else {
                continue;
            };
            let ReadOptions {
                since,
                until,
                follow,
                ..
            } = self.options;
            if since.is_some() || until.is_some() || follow {
                let Some(time) = record.time() else { continue };
                if passes_old && time <= self.newest || since.is_some_and(|since| time < since) {
                    continue;
                }
                if until.is_some_and(|until| time > until) {
                    return (true, true);
                }
                self.newest = self.newest.max(time);
            }
            visit(&record);
        }
        (seen, false)
    }

    /// Reads more of the current file; whether there was any.
    fn fill(&mut self) -> Result<bool, LogError> {
        let Some(input) = &mut self.input else {
            return Ok(false);
        };
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.len() > MAX_RECORD_BYTES {
            // Not a record: forget it, its rest will not parse either.
            self.buffer.clear();
        }
        if input.follow_truncation(self.buffer.len() as u64) {
            self.buffer.clear();
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + READ_BYTES, 0);
        let count = input.read(&mut self.buffer[filled..]);
        self.buffer.truncate(filled + *count.as_ref().unwrap_or(&0));
        let count = count.map_err(|source| LogError::Read {
            path: self.path.clone(),
            source,
        })?;
        Ok(count > 0)
    }

    /// Goes on with a newer file, if the current one has been left for good.
    fn next_file(&mut self) -> Result<bool, LogError> {
        if self.queue.is_empty() && self.options.follow && !self.superseded {
            let newer = files::newer_than(&self.path, self.input.as_ref())?;
            self.superseded = !newer.is_empty();
            self.queue = newer;
            // One more look at the old file before it is left.
            return Ok(self.superseded);
        }
        self.superseded = false;
        match self.queue.pop_front() {
            Some(next) => {
                // A line without end in a file that is complete was torn.
                self.buffer.clear();
                self.start = 0;
                self.input = Some(next.open_at(0));
                Ok(true)
            }
            None => Ok(false),
        }
    }
}

/// A watch on the log's directory, which sees writing and rotation alike.
fn watch(path: &Path) -> Result<Option<OwnedFd>, LogError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE;
    let made = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
        .and_then(|watch| inotify::add_watch(&watch, directory, flags).map(|_| watch));
    match made {
        Ok(watch) => Ok(Some(watch)),
        Err(rustix::io::Errno::MFILE | rustix::io::Errno::NOSPC) => Ok(None),
        Err(errno) => Err(LogError::Follow {
            path: directory.to_owned(),
            source: io::Error::from(errno),
        }),
    }
}
