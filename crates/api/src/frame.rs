//! The framing of output that is not a terminal's.
//!
//! ```text
//! byte 0    1..4    4..8                8..
//! stream    0 0 0   length, big endian  payload
//! ```
//!
//! Engine API, "Attach to a container", Stream format.

/// Length of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 8;

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// Standard input (0): never sent by a daemon today.
    Stdin = 0,
    /// Standard output (1).
    Stdout = 1,
    /// Standard error (2).
    Stderr = 2,
    /// An error of the daemon itself, as text (3).
    System = 3,
}

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where the payload belongs.
    pub stream: Stream,
    /// Payload bytes that follow.
    pub length_bytes: u32,
}

impl Header {
    /// The header's eight bytes.
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = self.length_bytes.to_be_bytes();
        [self.stream as u8, 0, 0, 0, a, b, c, d]
    }

    /// Reads a header; `None` when the first byte names no stream.
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [stream, _, _, _, a, b, c, d] = bytes;
        let stream = match stream {
            0 => Stream::Stdin,
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            3 => Stream::System,
            _ => return None,
        };
        Some(Self {
            stream,
            length_bytes: u32::from_be_bytes([a, b, c, d]),
        })
    }
}

/// Appends one frame to `out`. `payload` must be shorter than 4 GiB.
pub fn append(out: &mut Vec<u8>, stream: Stream, payload: &[u8]) {
    let length_bytes = u32::try_from(payload.len()).expect("a frame's payload is below 4 GiB");
    out.extend_from_slice(
        &Header {
            stream,
            length_bytes,
        }
        .encode(),
    );
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_its_bytes() {
        let header = Header {
            stream: Stream::Stderr,
            length_bytes: 0x0102_0304,
        };
        assert_eq!(header.encode(), [2, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(Header::decode(header.encode()), Some(header));
        assert_eq!(Header::decode([9; 8]), None);
    }
}
