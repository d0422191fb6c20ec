//! A tree of files sent to the other side: `fsutil`'s conversation, see
//! [`corten_buildkit::fsutil`].

use crate::{Failure, Incomings};
use corten_buildkit::fsutil::{self, Packet, Stat};
use std::{
    fs::File,
    io::{self, Read},
    sync::Arc,
};
use tokio::sync::mpsc;

/// Bytes of a file in one message.
const CHUNK_BYTES: usize = 64 << 10;

/// What is sent.
pub trait Files: Send + Sync + 'static {
    /// Every file: directories before what is in them, names sorted.
    fn list(&self) -> &[Stat];

    /// A regular file's content by its place in the list. Blocking.
    ///
    /// # Errors
    /// No such file, or the file system's.
    fn open(&self, number: u32) -> io::Result<File>;
}

/// Sends a tree: the list, then the files that the other side asks for.
///
/// # Errors
/// A file that cannot be read; the other side's; a connection that broke.
pub async fn send_files(
    files: Arc<impl Files>,
    sender: mpsc::Sender<Packet>,
    mut incoming: Incomings,
) -> Result<(), Failure> {
    let gone = || Failure::unavailable("the other side ended before all was sent");
    let list = async {
        for stat in files.list() {
            let packet = Packet {
                kind: fsutil::STAT,
                stat: Some(stat.clone()),
                ..Packet::default()
            };
            sender.send(packet).await.map_err(|_| gone())?;
        }
        let end = Packet {
            kind: fsutil::STAT,
            ..Packet::default()
        };
        sender.send(end).await.map_err(|_| gone())
    };
    // Requests may come while the list is still sent: room for one of each file.
    let (asked, mut wanted) = mpsc::unbounded_channel();
    let mut left = files.list().len();
    let hear = async move {
        while let Some(packet) = incoming.next::<Packet>().await? {
            match packet.kind {
                fsutil::REQ if left == 0 => {
                    return Err(Failure::internal("more requests than files"));
                }
                fsutil::REQ => {
                    left -= 1;
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
    let answer = async {
        list.await?;
        let (ours, to) = (Arc::clone(&files), sender.clone());
        let sending = tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            while let Some(number) = wanted.blocking_recv() {
                let sent = send_file(&*ours, number, &mut buffer, &to).map_err(|error| {
                    let path = ours.list().get(number as usize).map(|it| it.path.as_str());
                    let path = path.unwrap_or_default();
                    Failure::new(Failure::UNKNOWN, format!("reading {path}: {error}"))
                })?;
                if !sent {
                    return Err(gone());
                }
            }
            Ok(())
        });
        sending.await.map_err(|_| gone())?
    };
    let (incoming, ()) = tokio::try_join!(hear, answer)?;
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
    Ok(())
}

/// One file in pieces and its end; false when nobody takes it. Blocking.
fn send_file(
    files: &impl Files,
    number: u32,
    buffer: &mut [u8],
    to: &mpsc::Sender<Packet>,
) -> io::Result<bool> {
    let mut file = files.open(number)?;
    loop {
        let length = file.read(buffer)?;
        let packet = Packet {
            kind: fsutil::DATA,
            id: number,
            data: buffer[..length].to_vec(),
            ..Packet::default()
        };
        if to.blocking_send(packet).is_err() {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}
