//! The header in front of each piece of a multiplexed stream.

/// Which standard stream a piece belongs to, as Docker numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout = 1,
    /// Standard error.
    Stderr = 2,
}

/// Docker Engine API, "Attach to a container", stream format: the stream's number,
/// three zero bytes, and the length of what follows as a big-endian `u32`.
pub fn header(stream: Stream, length: u32) -> [u8; 8] {
    let [a, b, c, d] = length.to_be_bytes();
    [stream as u8, 0, 0, 0, a, b, c, d]
}
