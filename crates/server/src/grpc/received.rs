//! A directory of the client on its way here, and what a file is called on either side: by
//! Go's bits in messages, by the kernel's in the builder.

use super::sessions::failed;
use corten_build::{Error, FileStat, Inventory, Result, Synced, TreeSync};
use corten_buildkit::fsutil::{self, Packet, Stat};
use corten_grpc::Incomings;
use std::path::Path;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// Brings `into` in line with what comes.
///
/// # Errors
/// The client's, the file system's, and the end of the build.
pub(super) async fn received(
    sender: mpsc::Sender<Packet>,
    incoming: Incomings,
    operation: String,
    into: &Path,
    last: Option<Inventory>,
) -> Result<Synced> {
    // Goes with this future.
    let (_alive, gone) = oneshot::channel();
    let mut receiver = Receiver {
        handle: Handle::current(),
        sender,
        incoming,
        gone,
        operation,
    };
    let into = into.to_owned();
    let done = tokio::task::spawn_blocking(move || receiver.receive(&into, last)).await;
    done.map_err(|_| Error::Cancelled)?
}

/// The receiving end of a directory, on a thread that may wait.
struct Receiver {
    handle: Handle,
    sender: mpsc::Sender<Packet>,
    incoming: Incomings,
    /// Ends when the build does.
    gone: oneshot::Receiver<()>,
    operation: String,
}

impl Receiver {
    fn next(&mut self) -> Result<Option<Packet>> {
        let (incoming, gone) = (&mut self.incoming, &mut self.gone);
        let next = self.handle.block_on(async {
            tokio::select! {
                next = incoming.next::<Packet>() => Some(next),
                _ = gone => None,
            }
        });
        let next = next.ok_or(Error::Cancelled)?;
        let packet = next.map_err(failed(&self.operation))?;
        match packet {
            Some(Packet {
                kind: fsutil::ERR,
                data,
                ..
            }) => Err(Error::Session {
                operation: self.operation.clone(),
                reason: String::from_utf8_lossy(&data).into_owned(),
            }),
            other => Ok(other),
        }
    }

    fn cut_short(&self) -> Error {
        Error::Session {
            operation: self.operation.clone(),
            reason: "the client ended before all was sent".into(),
        }
    }

    fn receive(&mut self, into: &Path, last: Option<Inventory>) -> Result<Synced> {
        let mut tree = TreeSync::begin(into, last)?;
        loop {
            match self.next()? {
                Some(Packet {
                    kind: fsutil::STAT,
                    stat: Some(stat),
                    ..
                }) => tree.add(file(stat))?,
                Some(Packet {
                    kind: fsutil::STAT,
                    stat: None,
                    ..
                }) => break,
                Some(_) => {}
                None => return Err(self.cut_short()),
            }
        }
        let mut wanted = tree.plan()?.into_iter().peekable();
        while !tree.is_complete() {
            // As many requests as fit: the client sends while we still ask.
            while let Some(number) = wanted.peek() {
                let request = Packet {
                    kind: fsutil::REQ,
                    id: *number,
                    ..Packet::default()
                };
                match self.sender.try_send(request) {
                    Ok(()) => drop(wanted.next()),
                    Err(mpsc::error::TrySendError::Full(_)) => break,
                    Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.cut_short()),
                }
            }
            match self.next()? {
                Some(Packet {
                    kind: fsutil::DATA,
                    id,
                    data,
                    ..
                }) => tree.data(id, &data)?,
                Some(_) => {}
                None => return Err(self.cut_short()),
            }
        }
        let synced = tree.finish()?;
        let fin = Packet {
            kind: fsutil::FIN,
            ..Packet::default()
        };
        self.handle
            .block_on(self.sender.send(fin))
            .map_err(|_| self.cut_short())?;
        while let Some(packet) = self.next()? {
            if packet.kind == fsutil::FIN {
                break;
            }
        }
        Ok(synced)
    }
}

/// A file from the kernel's words to Go's.
pub(super) fn stat(file: &FileStat) -> Stat {
    let kind = match file.mode & 0o170_000 {
        0o040_000 => fsutil::GO_DIRECTORY,
        0o120_000 => fsutil::GO_SYMLINK,
        0o010_000 => fsutil::GO_PIPE,
        0o140_000 => fsutil::GO_SOCKET,
        0o020_000 => fsutil::GO_DEVICE | fsutil::GO_CHARACTER,
        0o060_000 => fsutil::GO_DEVICE,
        _ => 0,
    };
    let bits = SPECIAL
        .iter()
        .filter(|(_, mode)| file.mode & mode != 0)
        .fold(file.mode & 0o777, |all, (bit, _)| all | bit);
    Stat {
        path: file.path.clone(),
        mode: kind | bits,
        uid: file.owner.0,
        gid: file.owner.1,
        size: file.size as i64,
        mod_time: file.modified,
        linkname: file.link.clone(),
        devmajor: file.device.0.into(),
        devminor: file.device.1.into(),
        ..Stat::default()
    }
}

/// Go's bits and the kernel's.
const SPECIAL: [(u32, u32); 3] = [
    (fsutil::GO_SETUID, 0o4000),
    (fsutil::GO_SETGID, 0o2000),
    (fsutil::GO_STICKY, 0o1000),
];

/// A file from Go's words to the kernel's.
fn file(stat: Stat) -> FileStat {
    let go = stat.mode;
    let has = |bit: u32| go & bit != 0;
    let kind = if has(fsutil::GO_DIRECTORY) {
        0o040_000
    } else if has(fsutil::GO_SYMLINK) {
        0o120_000
    } else if has(fsutil::GO_PIPE) {
        0o010_000
    } else if has(fsutil::GO_SOCKET) {
        0o140_000
    } else if has(fsutil::GO_CHARACTER) {
        0o020_000
    } else if has(fsutil::GO_DEVICE) {
        0o060_000
    } else {
        0o100_000
    };
    let bits = SPECIAL
        .iter()
        .filter(|(bit, _)| has(*bit))
        .fold(go & 0o777, |all, (_, mode)| all | mode);
    FileStat {
        path: stat.path,
        mode: kind | bits,
        size: stat.size.max(0) as u64,
        modified: stat.mod_time,
        link: stat.linkname,
        owner: (stat.uid, stat.gid),
        device: (stat.devmajor as u32, stat.devminor as u32),
    }
}
