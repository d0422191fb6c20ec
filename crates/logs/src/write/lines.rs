//! Cutting a stream of bytes into lines.

use crate::MAX_LINE_BYTES;
use crate::stamp::Clock;
use corten_base::Timestamp;

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pending: Vec<u8>,
    /// When the first record of a line that is longer than one record was cut: all its
    /// records bear that time.
    partial_since: Option<Timestamp>,
}

impl Lines {
    /// Calls `each` for every record in `bytes`, newline included where there is one.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        clock: &mut Clock,
        each: &mut dyn FnMut(&[u8], Timestamp),
    ) {
        if !self.pending.is_empty() {
            bytes = self.complete_pending(bytes, clock, each);
        }
        while !bytes.is_empty() {
            match memchr::memchr(b'\n', bytes) {
                Some(end) if end < MAX_LINE_BYTES => {
                    let (line, rest) = bytes.split_at(end + 1);
                    self.whole(line, clock, each);
                    bytes = rest;
                }
                _ if bytes.len() >= MAX_LINE_BYTES => {
                    let (part, rest) = bytes.split_at(MAX_LINE_BYTES);
                    self.part(part, clock, each);
                    bytes = rest;
                }
                _ => {
                    self.pending.extend_from_slice(bytes);
                    return;
                }
            }
        }
    }

    /// Fills up what is pending and returns what is left of `bytes`.
    fn complete_pending<'a>(
        &mut self,
        bytes: &'a [u8],
        clock: &mut Clock,
        each: &mut dyn FnMut(&[u8], Timestamp),
    ) -> &'a [u8] {
        let room = MAX_LINE_BYTES - self.pending.len();
        let near = &bytes[..bytes.len().min(room)];
        let taken = match memchr::memchr(b'\n', near) {
            Some(end) => end + 1,
            None => near.len(),
        };
        self.pending.extend_from_slice(&near[..taken]);
        let mut pending = std::mem::take(&mut self.pending);
        if pending.last() == Some(&b'\n') {
            self.whole(&pending, clock, each);
        } else if pending.len() == MAX_LINE_BYTES {
            self.part(&pending, clock, each);
        } else {
            self.pending = pending;
            return &bytes[taken..];
        }
        pending.clear();
        self.pending = pending;
        &bytes[taken..]
    }

    /// The stream has ended.
    pub(crate) fn end(&mut self, clock: &mut Clock, each: &mut dyn FnMut(&[u8], Timestamp)) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.part(&pending, clock, each);
        }
        self.partial_since = None;
    }

    fn whole(&mut self, line: &[u8], clock: &mut Clock, each: &mut dyn FnMut(&[u8], Timestamp)) {
        let time = self.partial_since.take().unwrap_or_else(|| clock.next());
        each(line, time);
    }

    fn part(&mut self, part: &[u8], clock: &mut Clock, each: &mut dyn FnMut(&[u8], Timestamp)) {
        let time = *self.partial_since.get_or_insert_with(|| clock.next());
        each(part, time);
    }

    pub(crate) fn release_memory(&mut self) {
        self.pending.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut clock = Clock::default();
        let mut seen = Vec::new();
        let mut each = |line: &[u8], _: Timestamp| seen.push(line.to_vec());
        for piece in pieces {
            lines.push(piece, &mut clock, &mut each);
        }
        lines.end(&mut clock, &mut each);
        seen
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_came() {
        let text: Vec<u8> = (0..50)
            .flat_map(|n| [b"ab".repeat(n * n * 20), b"\n".to_vec()].concat())
            .chain(b"end".iter().copied())
            .collect();
        let whole = cut(&[&text]);
        for size in [1, 7, 4096, 16383, 16384, 16385] {
            let pieces: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(cut(&pieces), whole, "pieces of {size}");
        }
        assert_eq!(whole.concat(), text);
    }

    #[test]
    fn a_long_line_is_cut_where_docker_cuts_it() {
        let line = [vec![b'x'; 40_000], b"\n".to_vec()].concat();
        let lengths: Vec<usize> = cut(&[&line]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [16_384, 16_384, 7_233]);
        // Exactly full: Docker writes the newline as a record of its own.
        let line = [vec![b'y'; 16_384], b"\n".to_vec()].concat();
        let lengths: Vec<usize> = cut(&[&line]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [16_384, 1]);
    }
}
