//! Messages between the creating process and the child that becomes the container.
//!
//! ```text
//! parent                     helper (only to join)      child
//!   │ clone ──────────────────▶ │ clone, sibling ────────▶ │
//!   │ ◀──────── Pid ──────────── ┘                          │
//!   │ maps; Go ───────────────────────────────────────────▶ │   new user namespace only
//!   │ ◀──────────────────────────────────────────── Hooks ─ │   hooks only
//!   │ prestart, createRuntime; Go ─────────────────────────▶ │
//!   │ ◀────────────────────────────────── Ready + console ─ │
//!   │ Go ──────────────────────────────────────────────────▶ │   start
//!   │ ◀───────────────────────────── end of file: execve ── │   or Failed, at any point
//! ```

use crate::{Stage, StartError};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;

/// Of one message, bytes.
const MESSAGE_LIMIT: usize = 16 * 1024;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The helper has made the child.
    Pid(i32),
    /// The child's namespaces are there; hooks may run.
    Hooks,
    /// The child is prepared; the terminal's master comes with it.
    Ready,
    /// It did not work.
    Failed(StartError),
    /// The child may go on.
    Go,
}

/// One end, of packets that keep their bounds.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// A message with its descriptor.
pub(crate) type Received = (Message, Option<OwnedFd>);

impl Channel {
    pub(crate) fn pair() -> rustix::io::Result<(Self, Self)> {
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let (one, other) = socketpair(AddressFamily::UNIX, kind, flags, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Of a connected socket of packets.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    pub(crate) fn send(
        &self,
        message: &Message,
        file: Option<BorrowedFd<'_>>,
    ) -> rustix::io::Result<()> {
        let mut bytes = serde_json::to_vec(message).map_err(|_| Errno::INVAL)?;
        if bytes.len() > MESSAGE_LIMIT {
            let short = StartError::refused(Stage::Died, "", "the failure has too long a text");
            bytes = serde_json::to_vec(&Message::Failed(short)).map_err(|_| Errno::INVAL)?;
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file]);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        let send = || {
            sendmsg(
                &self.0,
                &[IoSlice::new(&bytes)],
                &mut control,
                SendFlags::NOSIGNAL,
            )
        };
        rustix::io::retry_on_intr(send).map(|_| ())
    }

    /// The next message; `None` at the end.
    pub(crate) fn receive(&self) -> rustix::io::Result<Option<Received>> {
        let mut bytes = vec![0; MESSAGE_LIMIT];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            recvmsg(&self.0, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)
        });
        let length = match received {
            Ok(received) => received.bytes,
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error),
        };
        if length == 0 {
            return Ok(None);
        }
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let message = serde_json::from_slice(&bytes[..length]).map_err(|_| Errno::BADMSG)?;
        Ok(Some((message, file)))
    }

    /// Waits for leave to go on; `false` when nobody is there any more.
    pub(crate) fn wait_for_go(&self) -> bool {
        matches!(self.receive(), Ok(Some((Message::Go, _))))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
