//! Directories thrown away: renamed at once, removed by a thread.

use crate::{Result, disk, error::On};
use corten_base::Timestamp;
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
};

/// A directory whose entries are being removed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Trash {
    directory: PathBuf,
    next: Arc<AtomicU64>,
    sender: Sender<PathBuf>,
}

impl Trash {
    /// Opens the trash and begins to remove what an earlier process left in it. The
    /// thread ends with the last clone.
    pub fn open(directory: &Path) -> Result<Self> {
        disk::private_directory(directory)?;
        let (sender, receiver) = channel::<PathBuf>();
        thread::Builder::new()
            .name("layer-trash".to_owned())
            .spawn(move || {
                for path in receiver {
                    if let Err(error) = fs::remove_dir_all(&path) {
                        // Tried again at the next start.
                        let path = path.display();
                        tracing::warn!(%path, %error, "a removed directory stays on disk");
                    }
                }
            })
            .on("starting a thread for", directory)?;
        let trash = Self {
            directory: directory.into(),
            next: Arc::default(),
            sender,
        };
        let mut last = 0;
        for entry in fs::read_dir(directory).on("reading", directory)? {
            let entry = entry.on("reading", directory)?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            last = last.max(number.unwrap_or(0));
            trash.remove_later(entry.path());
        }
        let now = Timestamp::now().unix_nanoseconds() as u64;
        trash.next.store(now.max(last + 1), Ordering::Relaxed);
        Ok(trash)
    }

    /// Takes `path` away; false if it was not there. On another file system it is
    /// removed at once.
    pub fn throw(&self, path: &Path) -> Result<bool> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let to = self.directory.join(number.to_string());
        corten_base::step("trash.throw");
        match fs::rename(path, &to) {
            Ok(()) => {
                corten_base::step("trash.thrown");
                self.remove_later(to);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                fs::remove_dir_all(path).on("removing", path).map(|()| true)
            }
            Err(error) => Err(error).on("throwing away", path),
        }
    }

    fn remove_later(&self, path: PathBuf) {
        // The receiver lives as long as a sender, unless its thread panicked.
        let _ = self.sender.send(path);
    }
}
