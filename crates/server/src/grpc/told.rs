//! What a build told, as BuildKit keeps it: messages one after the other, each behind its
//! length in four bytes, the lowest first.

use corten_buildkit::{Message, control::StatusResponse};

/// Bytes of the messages of one build; output beyond is left out.
const BYTES_MAX: usize = 8 << 20;

/// The bytes of `messages`.
pub(super) fn written(messages: &[StatusResponse]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        let one = message.encode_to_vec();
        let Ok(length) = u32::try_from(one.len()) else {
            continue;
        };
        if bytes.len() + size_of::<u32>() + one.len() <= BYTES_MAX {
            bytes.extend(length.to_le_bytes());
            bytes.extend(one);
        }
    }
    bytes
}

/// The messages in `bytes`, up to what is none.
pub(super) fn read(mut bytes: &[u8]) -> Vec<StatusResponse> {
    let mut messages = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let Some((one, rest)) = rest.split_at_checked(u32::from_le_bytes(*length) as usize) else {
            break;
        };
        let Ok(message) = StatusResponse::decode(one) else {
            break;
        };
        messages.push(message);
        bytes = rest;
    }
    messages
}
