//! The wire: a little-endian `u32` length, then that many bytes of JSON.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use thiserror::Error;

/// The longest message in bytes. A start request carries the whole runtime
/// specification; the API takes bodies of up to 4 MiB, and quoting may double them.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// How many descriptors come with one message at most (unix(7): the kernel takes 253).
pub const MAX_DESCRIPTORS: usize = 64;

/// What cannot be a message.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The length is over the limit.
    #[error("a message of {0} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    /// The bytes are not the JSON of a message.
    #[error("a message cannot be understood")]
    Json(#[from] serde_json::Error),
}

/// The bytes of one message, its length in front.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - 4;
    if length > MAX_MESSAGE_BYTES {
        return Err(FrameError::TooLong(length));
    }
    bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// Collects received bytes and gives whole messages back.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, once all of it is there.
    pub fn message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some(head) = self.bytes.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*head) as usize;
        if length > MAX_MESSAGE_BYTES {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = self.bytes.get(4..4 + length) else {
            return Ok(None);
        };
        let message = serde_json::from_slice(body);
        self.bytes.drain(..4 + length);
        if self.bytes.is_empty() {
            // One long start request shall not stay in a small shim's memory.
            self.bytes = Vec::new();
        }
        Ok(Some(message?))
    }
}

/// Sends some of `bytes` with `descriptors`; they travel with the first byte. Returns
/// how many bytes went. `SIGPIPE` is not raised.
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOBIG);
    }
    sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
}

/// Receives into `buffer` and appends descriptors that came along (close-on-exec) to
/// `descriptors`. Returns how many bytes came, 0 at the end.
pub fn receive(
    socket: impl AsFd,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let wire = [encode(&"one").unwrap(), encode(&"two").unwrap()].concat();
        for cut in 0..wire.len() {
            let mut decoder = Decoder::default();
            let mut seen: Vec<String> = Vec::new();
            for piece in [&wire[..cut], &wire[cut..]] {
                decoder.push(piece);
                while let Some(message) = decoder.message().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, ["one", "two"]);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert!(matches!(
            decoder.message::<String>(),
            Err(FrameError::TooLong(_))
        ));
    }

    #[test]
    fn descriptors_travel_with_a_message() {
        let (one, two) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        send(&one, b"x", &[writer.as_fd()]).unwrap();
        drop(writer);
        let mut descriptors = Vec::new();
        assert_eq!(receive(&two, &mut [0; 8], &mut descriptors), Ok(1));
        rustix::io::write(&descriptors[0], b"through").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(rustix::io::read(&reader, &mut buffer), Ok(7));
    }
}
