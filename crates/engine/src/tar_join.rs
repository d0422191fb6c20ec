//! Several tars written one after the other as one: the blocks of zeroes that end an archive
//! are left out between them.

use std::io::{self, Write};

/// Zeroes at the end of an archive.
const END_BYTES: u64 = 1024;
/// Zeroes written at a time.
const ZEROES: [u8; 4096] = [0; 4096];

/// Holds zeroes back until something else follows.
pub(crate) struct Joined<W> {
    inner: W,
    zeroes: u64,
    begun: bool,
}

impl<W: Write> Joined<W> {
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            zeroes: 0,
            begun: false,
        }
    }

    /// Another archive follows.
    pub fn next(&mut self) {
        if self.begun {
            self.zeroes = self.zeroes.saturating_sub(END_BYTES);
        }
        self.begun = true;
    }

    /// Ends the whole.
    pub fn finish(mut self) -> io::Result<()> {
        self.bring_zeroes()?;
        self.inner.flush()
    }

    fn bring_zeroes(&mut self) -> io::Result<()> {
        while self.zeroes > 0 {
            let count = self.zeroes.min(ZEROES.len() as u64);
            self.inner.write_all(&ZEROES[..count as usize])?;
            self.zeroes -= count;
        }
        Ok(())
    }
}

impl<W: Write> Write for Joined<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = bytes.iter().rposition(|byte| *byte != 0);
        let end = end.map_or(0, |place| place + 1);
        if end > 0 {
            self.bring_zeroes()?;
            self.inner.write_all(&bytes[..end])?;
        }
        self.zeroes += (bytes.len() - end) as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_one_after_the_other_read_as_one() {
        let archive = |name: &str| {
            let mut builder = tar_of(name, &[7, 0, 0]);
            builder.extend([0; 1024]);
            builder
        };
        let mut joined = Joined::new(Vec::new());
        for name in ["a", "b"] {
            joined.next();
            joined.write_all(&archive(name)).unwrap();
        }
        let mut whole = Vec::new();
        std::mem::swap(&mut whole, &mut joined.inner);
        joined.inner = whole;
        joined.bring_zeroes().unwrap();
        let expected = [tar_of("a", &[7, 0, 0]), archive("b")].concat();
        assert_eq!(joined.inner, expected);
    }

    /// A header's worth of a name and one block of content.
    fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[512..512 + content.len()].copy_from_slice(content);
        bytes
    }
}
