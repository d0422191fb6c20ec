//! Changes of files below some directories, as inotify(7) tells them, in batches.

use crate::error::CliError;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::mpsc;

/// A batch ends when nothing has changed for so long: an editor that writes a file in
/// several steps, or a checkout, is one batch.
const QUIET: Duration = Duration::from_millis(80);
/// Bytes of events that are read at once.
const BUFFER_BYTES: usize = 64 << 10;
/// So many events may wait to be looked at.
const QUEUE: usize = 1024;
/// A batch is not collected for longer than this.
const LONGEST: Duration = Duration::from_secs(2);

/// Which directories are not looked into.
pub type LeftOut<'a> = dyn Fn(&Path) -> bool + 'a;

/// One event: the number of its watch, what happened, and the name in that directory.
type Event = (i32, ReadFlags, Option<PathBuf>);

/// A watch on directories and all below them.
pub struct Files<'a> {
    inotify: Arc<OwnedFd>,
    events: mpsc::Receiver<Event>,
    directories: BTreeMap<i32, PathBuf>,
    left_out: &'a LeftOut<'a>,
}

impl<'a> Files<'a> {
    /// Begins to watch; a path that is a file is watched through its directory, so that
    /// it may be replaced.
    pub fn new(paths: &BTreeSet<PathBuf>, left_out: &'a LeftOut<'a>) -> Result<Self, CliError> {
        let fd = inotify::init(CreateFlags::CLOEXEC)
            .map_err(|error| CliError::Text(format!("inotify_init1: {error}")))?;
        let inotify = Arc::new(fd);
        let mut files = Self {
            events: read(Arc::clone(&inotify)),
            inotify,
            directories: BTreeMap::new(),
            left_out,
        };
        let mut ignored = BTreeSet::new();
        for path in paths {
            if path.is_dir() {
                files.add(path, &mut ignored)?;
            } else if let Some(parent) = path.parent().filter(|parent| parent.is_dir()) {
                files.add_one(parent)?;
            } else {
                return Err(CliError::Text(format!(
                    "cannot watch {}: no such file or directory",
                    path.display()
                )));
            }
        }
        Ok(files)
    }

    fn add_one(&mut self, directory: &Path) -> Result<(), CliError> {
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ATTRIB
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        match inotify::add_watch(&*self.inotify, directory, flags) {
            Ok(number) => {
                self.directories.insert(number, directory.to_owned());
                Ok(())
            }
            // It went away meanwhile.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(()),
            Err(rustix::io::Errno::NOSPC) => Err(CliError::Text(format!(
                "cannot watch {}: the limit of watches is reached; raise it with \
                 'sysctl fs.inotify.max_user_watches=524288' or ignore what need not be watched",
                directory.display()
            ))),
            Err(error) => Err(CliError::Text(format!(
                "cannot watch {}: {error}",
                directory.display()
            ))),
        }
    }

    /// Watches a directory and those below; the files that are there already go into
    /// `found`, as nobody would tell of them.
    fn add(&mut self, directory: &Path, found: &mut BTreeSet<PathBuf>) -> Result<(), CliError> {
        self.add_one(directory)?;
        // What cannot be read changes without us.
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            let path = entry.path();
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_directory {
                found.insert(path);
            } else if !(self.left_out)(&path) {
                self.add(&path, found)?;
            }
        }
        Ok(())
    }

    /// The next batch of changed paths. May be given up and asked for again, but for
    /// what was collected.
    pub async fn batch(&mut self) -> Result<BTreeSet<PathBuf>, CliError> {
        let mut changed = BTreeSet::new();
        while changed.is_empty() {
            self.read(&mut changed).await?;
        }
        let collect = async {
            while let Ok(result) = tokio::time::timeout(QUIET, self.read(&mut changed)).await {
                result?;
            }
            Ok::<_, CliError>(())
        };
        // Where files change all the time, what has changed so far is a batch.
        if let Ok(result) = tokio::time::timeout(LONGEST, collect).await {
            result?;
        }
        Ok(changed)
    }

    async fn read(&mut self, changed: &mut BTreeSet<PathBuf>) -> Result<(), CliError> {
        let Some((number, flags, name)) = self.events.recv().await else {
            return Err(CliError::Text("inotify tells nothing any more".into()));
        };
        if flags.contains(ReadFlags::IGNORED) {
            self.directories.remove(&number);
            return Ok(());
        }
        let Some((directory, name)) = self.directories.get(&number).zip(name) else {
            return Ok(());
        };
        let path = directory.join(name);
        let is_directory = flags.contains(ReadFlags::ISDIR);
        let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
        if is_directory && appeared {
            if !(self.left_out)(&path) {
                self.add(&path, changed)?;
            }
        } else if !(is_directory && flags.contains(ReadFlags::ATTRIB)) {
            changed.insert(path);
        }
        Ok(())
    }
}

/// Reads on a thread of its own, as reading waits; it lives as long as the process.
fn read(inotify: Arc<OwnedFd>) -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        let mut reader = inotify::Reader::new(&*inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name();
                    let name = name.map(|name| PathBuf::from(&*name.to_string_lossy()));
                    let event = (event.wd(), event.events(), name);
                    if sender.blocking_send(event).is_err() {
                        break;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_below_new_directories_are_seen_and_those_left_out_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(directory.path()).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::create_dir_all(root.join("node_modules")).unwrap();
        let left_out = |path: &Path| path.ends_with("node_modules");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut files = Files::new(&[root.clone()].into(), &left_out).unwrap();
            fs::write(root.join("src/a"), "1").unwrap();
            fs::write(root.join("node_modules/b"), "1").unwrap();
            fs::create_dir_all(root.join("new/deep")).unwrap();
            fs::write(root.join("new/deep/c"), "1").unwrap();
            fs::rename(root.join("src/a"), root.join("src/d")).unwrap();
            let changed = files.batch().await.unwrap();
            let wanted = ["new/deep/c", "src/a", "src/d"].map(|name| root.join(name));
            assert_eq!(changed, wanted.into());
        });
    }
}
