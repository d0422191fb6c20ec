//! A tree of files sent to the other side: `fsutil`'s conversation, see
//! [`corten_buildkit::fsutil`].

use crate::{Failure, Incomings};
use corten_buildkit::{
    Message,
    fsutil::{self, Packet, Stat},
};
use std::{
    cell::Cell,
    fs::File,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::mpsc;

/// Bytes of a file in one message.
const CHUNK_BYTES: usize = 64 << 10;

/// Files of the list told at once: who sends them is not woken for each.
const TOLD: usize = 64;

/// What is sent.
pub trait Files: Send + 'static {
    /// Tells every file while it is found: directories before what is in them, names
    /// sorted. Ends early, also by an error, when `tell` answers that nobody listens any
    /// more. Blocking.
    ///
    /// # Errors
    /// What the other side is to read: it names what was looked at.
    fn list(&mut self, tell: &mut dyn FnMut(&Stat) -> bool) -> io::Result<()>;

    /// The path of a file by its place in the list.
    fn path(&self, number: u32) -> Option<&str>;

    /// A regular file's content by its place in the list. Blocking.
    ///
    /// # Errors
    /// No such file, or the file system's.
    fn open(&self, number: u32) -> io::Result<File>;
}

/// Sends a tree: the list, while it is found, then the files that the other side asks for.
/// Answers the bytes of what was sent, as BuildKit counts them: list and contents.
///
/// # Errors
/// A file that cannot be read; the other side's; a connection that broke.
pub async fn send_files(
    files: impl Files,
    sender: mpsc::Sender<Packet>,
    mut incoming: Incomings,
) -> Result<u64, Failure> {
    // Requests may come while the list is still sent: room for one of each file.
    let (asked, wanted) = mpsc::unbounded_channel();
    let told = Arc::new(AtomicUsize::new(0));
    let (counted, mut requests) = (Arc::clone(&told), 0);
    let hear = async move {
        while let Some(packet) = incoming.next::<Packet>().await? {
            match packet.kind {
                fsutil::REQ if requests == counted.load(Ordering::Acquire) => {
                    return Err(Failure::internal("more requests than files"));
                }
                fsutil::REQ => {
                    requests += 1;
                    // Who answers is gone only with the whole.
                    let _ = asked.send(packet.id);
                }
                fsutil::FIN => return Ok(Some(incoming)),
                fsutil::ERR => {
                    let text = String::from_utf8_lossy(&packet.data).into_owned();
                    return Err(Failure::new(Failure::UNKNOWN, text));
                }
                _ => {}
            }
        }
        Ok(None)
    };
    let to = sender.clone();
    let answer = async {
        let sending = tokio::task::spawn_blocking(move || send(files, wanted, &told, &to));
        sending.await.map_err(|_| gone())?
    };
    let (incoming, bytes) = tokio::try_join!(hear, answer)?;
    let Some(mut incoming) = incoming else {
        return Err(gone());
    };
    let fin = Packet {
        kind: fsutil::FIN,
        ..Packet::default()
    };
    // Who has all may be gone.
    let _ = sender.send(fin).await;
    drop(sender);
    while incoming.next::<Packet>().await?.is_some() {}
    Ok(bytes)
}

fn gone() -> Failure {
    Failure::unavailable("the other side ended before all was sent")
}

/// The list, counted by `told`, then what is `wanted` of it. Blocking.
fn send(
    mut files: impl Files,
    mut wanted: mpsc::UnboundedReceiver<u32>,
    told: &AtomicUsize,
    to: &mpsc::Sender<Packet>,
) -> Result<u64, Failure> {
    let mut waiting = Vec::with_capacity(TOLD);
    let bytes = Cell::new(0);
    let tell_all = |waiting: &mut Vec<Stat>| {
        told.fetch_add(waiting.len(), Ordering::Release);
        waiting.drain(..).all(|stat| {
            let packet = Packet {
                kind: fsutil::STAT,
                stat: Some(stat),
                ..Packet::default()
            };
            bytes.update(|sum| sum + packet.encoded_len() as u64);
            to.blocking_send(packet).is_ok()
        })
    };
    let listed = files.list(&mut |stat| {
        waiting.push(stat.clone());
        waiting.len() < TOLD || tell_all(&mut waiting)
    });
    if to.is_closed() {
        return Err(gone());
    }
    listed.map_err(|error| Failure::new(Failure::UNKNOWN, error.to_string()))?;
    let end = Packet {
        kind: fsutil::STAT,
        ..Packet::default()
    };
    if !tell_all(&mut waiting) || to.blocking_send(end).is_err() {
        return Err(gone());
    }
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Some(number) = wanted.blocking_recv() {
        let sent = send_file(&files, number, &mut buffer, to).map_err(|error| {
            let path = files.path(number).unwrap_or_default();
            Failure::new(Failure::UNKNOWN, format!("reading {path}: {error}"))
        })?;
        let Some(sent) = sent else {
            return Err(gone());
        };
        bytes.update(|sum| sum + sent);
    }
    Ok(bytes.get())
}

/// One file in pieces and its end: the bytes of the pieces; none when nobody takes it.
/// Blocking.
fn send_file(
    files: &impl Files,
    number: u32,
    buffer: &mut [u8],
    to: &mpsc::Sender<Packet>,
) -> io::Result<Option<u64>> {
    let mut file = files.open(number)?;
    let mut bytes = 0;
    loop {
        let length = file.read(buffer)?;
        let packet = Packet {
            kind: fsutil::DATA,
            id: number,
            data: buffer[..length].to_vec(),
            ..Packet::default()
        };
        let size = packet.encoded_len() as u64;
        if to.blocking_send(packet).is_err() {
            return Ok(None);
        }
        if length == 0 {
            return Ok(Some(bytes));
        }
        bytes += size;
    }
}
