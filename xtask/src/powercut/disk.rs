//! A disk that remembers: one file in a file system of our own (FUSE), under a loop device.
//!
//! Every write and every flush that the file system above sends comes by here in its order
//! and is kept; from that any moment's disk can be made again.
//!
//! Protocol: linux/fuse.h, version 7.31. The file system is a single regular file: its root.

use anyhow::{Context, Result};
use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

/// Most bytes of one write, which the kernel is told.
const WRITE_BYTES_MAX: usize = 128 << 10;
/// Room for a request with such a write and its head.
const REQUEST_BYTES_MAX: usize = WRITE_BYTES_MAX + (64 << 10);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 40;
/// The one file's number.
const ROOT: u64 = 1;

const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const SETATTR: u32 = 4;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// What the disk was told, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Bytes for a place; they lie in the journal's file.
    Write {
        /// On the disk.
        offset: u64,
        /// How many.
        length: usize,
        /// In the journal's file.
        at: u64,
    },
    /// What was written before is on the platter now.
    Flush,
}

/// The events so far, and the file with their bytes.
pub struct Journal {
    /// In order.
    pub events: Vec<Event>,
    /// All bytes written, one after the other.
    pub bytes: File,
    length: u64,
}

/// The disk's file, mounted.
pub struct Disk {
    path: PathBuf,
    journal: Arc<Mutex<Journal>>,
    server: Option<JoinHandle<()>>,
}

impl Disk {
    /// A disk of `size` zero bytes, seen as the file `disk` in `directory`.
    pub fn mount(directory: &Path, size: u64) -> Result<Self> {
        let path = directory.join("disk");
        File::create(&path).context("the mount point")?;
        let kernel = File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .context("opening /dev/fuse")?;
        let now = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(directory.join("now"))?;
        now.set_len(size)?;
        let bytes = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(directory.join("written"))?;
        let journal = Arc::new(Mutex::new(Journal {
            events: Vec::new(),
            bytes,
            length: 0,
        }));
        let options = format!(
            "fd={},rootmode=100600,user_id=0,group_id=0,allow_other",
            kernel.as_raw_fd()
        );
        let options = CString::new(options)?;
        let mut server = Server {
            kernel,
            now,
            size,
            journal: Arc::clone(&journal),
        };
        let flags = rustix::mount::MountFlags::NOSUID | rustix::mount::MountFlags::NODEV;
        rustix::mount::mount("powercut", &path, "fuse", flags, Some(options.as_c_str()))
            .context("mounting the disk's file")?;
        let server = std::thread::spawn(move || server.serve());
        Ok(Self {
            path,
            journal,
            server: Some(server),
        })
    }

    /// The file to put a loop device on.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many events there were.
    pub fn position(&self) -> usize {
        lock(&self.journal).events.len()
    }

    /// What was told so far, for who replays it.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Detached: whoever still has it open keeps it until then.
        let flags = rustix::mount::UnmountFlags::DETACH;
        if rustix::mount::unmount(&self.path, flags).is_ok()
            && let Some(server) = self.server.take()
        {
            let _ = server.join();
        }
    }
}

fn lock(journal: &Mutex<Journal>) -> MutexGuard<'_, Journal> {
    journal.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.bytes.write_all_at(bytes, self.length)?;
        self.events.push(Event::Write {
            offset,
            length: bytes.len(),
            at: self.length,
        });
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Does one event of the past to a disk's file.
    pub fn replay(&self, event: Event, disk: &File) -> Result<()> {
        let Event::Write { offset, length, at } = event else {
            return Ok(());
        };
        let mut bytes = vec![0; length];
        self.bytes.read_exact_at(&mut bytes, at)?;
        disk.write_all_at(&bytes, offset)?;
        Ok(())
    }
}

struct Server {
    kernel: File,
    now: File,
    size: u64,
    journal: Arc<Mutex<Journal>>,
}

/// A request's head and what follows it.
struct Request<'a> {
    operation: u32,
    unique: u64,
    node: u64,
    rest: &'a [u8],
}

impl Server {
    /// Answers until the file system is unmounted.
    fn serve(&mut self) {
        let mut buffer = vec![0; REQUEST_BYTES_MAX];
        loop {
            let length = match self.kernel.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // ENODEV: unmounted.
                Err(_) => return,
            };
            let Some(request) = parse(&buffer[..length]) else {
                return;
            };
            let unique = request.unique;
            let answer = match request.operation {
                FORGET | BATCH_FORGET | INTERRUPT => continue,
                _ => self.answer(&request),
            };
            if self.reply(unique, answer).is_err() {
                return;
            }
        }
    }

    fn answer(&mut self, request: &Request<'_>) -> Result<Vec<u8>, i32> {
        const EIO: i32 = 5;
        const ENOSYS: i32 = 38;
        const ENOENT: i32 = 2;
        if request.operation != INIT && request.node != ROOT {
            return Err(ENOENT);
        }
        let rest = request.rest;
        match request.operation {
            INIT => Ok(greeting()),
            LOOKUP => Err(ENOENT),
            GETATTR | SETATTR => {
                let mut out = seconds_and_padding();
                out.extend(self.attributes());
                Ok(out)
            }
            OPEN => Ok(vec![0; 16]),
            READ => {
                let (offset, length) = (number(rest, 8), number(rest, 16) as u32 as usize);
                let end = self.size.min(offset.saturating_add(length as u64));
                let mut bytes = vec![0; end.saturating_sub(offset) as usize];
                self.now
                    .read_exact_at(&mut bytes, offset)
                    .map_err(|_| EIO)?;
                Ok(bytes)
            }
            WRITE => {
                let (offset, length) = (number(rest, 8), number(rest, 16) as u32 as usize);
                let bytes = rest.get(40..40 + length).ok_or(EIO)?;
                let kept = lock(&self.journal).write(offset, bytes);
                kept.and_then(|()| self.now.write_all_at(bytes, offset))
                    .map_err(|_| EIO)?;
                let mut out = (length as u32).to_ne_bytes().to_vec();
                out.extend([0; 4]);
                Ok(out)
            }
            FSYNC => {
                lock(&self.journal).events.push(Event::Flush);
                Ok(Vec::new())
            }
            STATFS => Ok(vec![0; 80]),
            RELEASE | FLUSH => Ok(Vec::new()),
            _ => Err(ENOSYS),
        }
    }

    /// struct fuse_attr.
    fn attributes(&self) -> Vec<u8> {
        const REGULAR: u32 = 0o100_600;
        let mut out = Vec::with_capacity(88);
        for value in [ROOT, self.size, self.size.div_ceil(512), 0, 0, 0] {
            out.extend(value.to_ne_bytes());
        }
        for value in [0, 0, 0, REGULAR, 1, 0, 0, 0, 4096, 0_u32] {
            out.extend(value.to_ne_bytes());
        }
        out
    }

    /// struct fuse_out_header and the answer, in one write.
    fn reply(&mut self, unique: u64, answer: Result<Vec<u8>, i32>) -> io::Result<()> {
        let (error, body) = match answer {
            Ok(body) => (0, body),
            Err(error) => (-error, Vec::new()),
        };
        let mut out = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        out.extend(error.to_ne_bytes());
        out.extend(unique.to_ne_bytes());
        out.extend(body);
        self.kernel.write_all(&out)
    }
}

/// struct fuse_init_out of 64 bytes.
fn greeting() -> Vec<u8> {
    const BIG_WRITES: u32 = 1 << 5;
    const MAX_PAGES: u32 = 1 << 22;
    let mut out = Vec::with_capacity(64);
    for value in [7_u32, 31, WRITE_BYTES_MAX as u32, BIG_WRITES | MAX_PAGES] {
        out.extend(value.to_ne_bytes());
    }
    // Background requests and congestion: the kernel's own choice.
    out.extend([0; 4]);
    out.extend((WRITE_BYTES_MAX as u32).to_ne_bytes());
    out.extend(1_u32.to_ne_bytes());
    out.extend(((WRITE_BYTES_MAX / 4096) as u16).to_ne_bytes());
    out.resize(64, 0);
    out
}

/// attr_valid, attr_valid_nsec and a padding of struct fuse_attr_out.
fn seconds_and_padding() -> Vec<u8> {
    let mut out = 3600_u64.to_ne_bytes().to_vec();
    out.extend([0; 8]);
    out
}

fn parse(bytes: &[u8]) -> Option<Request<'_>> {
    let head = bytes.get(..HEAD_BYTES)?;
    Some(Request {
        operation: number(head, 4) as u32,
        unique: number(head, 8),
        node: number(head, 16),
        rest: &bytes[HEAD_BYTES..],
    })
}

/// Eight bytes at an offset; missing ones are zero.
fn number(bytes: &[u8], offset: usize) -> u64 {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes.iter().skip(offset)) {
        *to = *from;
    }
    u64::from_ne_bytes(eight)
}
