//! gRPC's length-prefixed messages.

use prost::Message;
use thiserror::Error;

/// Bytes of one message: gRPC's clients take 16 MiB from BuildKit.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// A compression flag and a length.
const HEADER: usize = 5;

/// What cannot be read.
#[derive(Debug, Error)]
pub enum FrameError {
    /// A compressed message; none was agreed upon.
    #[error("a compressed message, and no compression was agreed upon")]
    Compressed,
    /// Longer than [`FRAME_BYTES_MAX`].
    #[error("a message of {0} bytes")]
    TooLong(usize),
    /// No message of this type.
    #[error("reading a message")]
    Decode(#[from] prost::DecodeError),
}

/// A message with its header.
pub fn encode<M: Message>(message: &M) -> Vec<u8> {
    let length = message.encoded_len();
    let mut bytes = Vec::with_capacity(HEADER + length);
    bytes.push(0);
    bytes.extend_from_slice(&(length as u32).to_be_bytes());
    message.encode_raw(&mut bytes);
    bytes
}

/// Puts messages together from pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, none while it is not complete.
    ///
    /// # Errors
    /// Bytes that are no message.
    pub fn message<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let Some((header, rest)) = self.bytes.split_at_checked(HEADER) else {
            return Ok(None);
        };
        if header[0] != 0 {
            return Err(FrameError::Compressed);
        }
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let message = M::decode(&rest[..length])?;
        self.bytes.drain(..HEADER + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::BytesMessage;

    #[test]
    fn messages_are_put_together_from_any_pieces() {
        let message = BytesMessage {
            data: b"hello".to_vec(),
        };
        let bytes = [encode(&message), encode(&message)].concat();
        let mut decoder = Decoder::default();
        let mut found = 0;
        for byte in bytes {
            decoder.push(&[byte]);
            if let Some(next) = decoder.message::<BytesMessage>().unwrap() {
                assert_eq!(next, message);
                found += 1;
            }
        }
        assert_eq!(found, 2);
        decoder.push(&[0, 0xff, 0xff, 0xff, 0xff]);
        assert!(decoder.message::<BytesMessage>().is_err());
    }
}
