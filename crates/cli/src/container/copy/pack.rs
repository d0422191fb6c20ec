//! A local tree as a tar stream.

use super::place::Kind;
use crate::error::CliError;
use bytes::Bytes;
use futures_util::Stream;
use rustix::fs::{CWD, Mode, OFlags};
use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::mpsc;

/// Size of the pieces, and how many may wait.
const PIECE_BYTES: usize = 256 << 10;
const QUEUE: usize = 4;

/// Counts the bytes of a stream while it is sent.
#[derive(Debug, Default, Clone)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is packed.
pub struct Source {
    pub kind: Kind,
    path: PathBuf,
}

/// Looks at the source; a link is packed as a link unless it is to be followed.
pub fn source(path: &Path, follow: bool) -> Result<Source, CliError> {
    let shown = path.display().to_string();
    let meta = if follow {
        fs::metadata(path)
    } else {
        fs::symlink_metadata(path)
    };
    let meta = meta.map_err(|error| CliError::path("lstat", &go_absolute(path), &error))?;
    let path = if follow {
        fs::canonicalize(path).map_err(|error| CliError::path("lstat", &shown, &error))?
    } else {
        path.to_owned()
    };
    Ok(Source {
        kind: kind(&meta),
        path,
    })
}

/// Docker names the path by its parent directory and its name: `//nonexist`.
fn go_absolute(path: &Path) -> String {
    let path = super::place::absolute(path);
    match path.rsplit_once('/') {
        Some(("", name)) => format!("//{name}"),
        _ => path,
    }
}

fn kind(meta: &Metadata) -> Kind {
    match meta.file_type() {
        t if t.is_dir() => Kind::Directory,
        t if t.is_symlink() => Kind::Link,
        _ => Kind::File,
    }
}

/// Packs on a thread of its own. Names begin with `name`, or are relative when it is
/// empty. A failure ends the stream with an error, so that the request fails.
pub fn stream(
    source: Source,
    name: String,
    counter: Counter,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(QUEUE);
    std::thread::spawn(move || {
        let channel = Channel {
            sender: sender.clone(),
            counter,
        };
        let mut builder = tar::Builder::new(io::BufWriter::with_capacity(PIECE_BYTES, channel));
        builder.follow_symlinks(false);
        let name = if name.is_empty() {
            PathBuf::from(".")
        } else {
            PathBuf::from(name)
        };
        let packed = append(&mut builder, &source.path, &name)
            .and_then(|()| builder.into_inner())
            .and_then(|mut writer| writer.flush());
        if let Err(error) = packed {
            // A reader that went away knows already.
            let _ = sender.blocking_send(Err(error));
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
}

struct Channel {
    sender: mpsc::Sender<io::Result<Bytes>>,
    counter: Counter,
}

impl Write for Channel {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.counter
            .0
            .fetch_add(piece.len() as u64, Ordering::Relaxed);
        self.sender
            .blocking_send(Ok(Bytes::copy_from_slice(piece)))
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append<W: Write>(builder: &mut tar::Builder<W>, path: &Path, name: &Path) -> io::Result<()> {
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let meta = fs::symlink_metadata(path).map_err(told)?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata(&meta);
    if meta.is_dir() {
        builder.append_data(&mut header, name, io::empty())?;
        let mut entries: Vec<_> = fs::read_dir(path)
            .map_err(told)?
            .collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            append(builder, &entry.path(), &name.join(entry.file_name()))?;
        }
    } else if meta.file_type().is_symlink() {
        header.set_size(0);
        builder.append_link(&mut header, name, fs::read_link(path).map_err(told)?)?;
    } else if meta.is_file() {
        // The file may have become a link since it was looked at.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file: File = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|e| told(e.into()))?
            .into();
        header.set_size(file.metadata()?.len());
        builder.append_data(&mut header, name, file)?;
    } else if meta.file_type().is_socket() {
        // A socket means nothing elsewhere; Docker leaves it out too.
    } else {
        let device = meta.rdev();
        header.set_size(0);
        if !meta.file_type().is_fifo() {
            header.set_device_major(rustix::fs::major(device))?;
            header.set_device_minor(rustix::fs::minor(device))?;
        }
        builder.append_data(&mut header, name, io::empty())?;
    }
    Ok(())
}
