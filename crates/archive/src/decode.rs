//! A stream's compression recognised by its first bytes and taken off.

use crate::{Compression, Error, Result};
use std::io::{self, ErrorKind, Read};
use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{Decoder as Frame, InBuffer, Operation, OutBuffer};

/// Bytes read from the stream at once. Larger ones bring nothing, small ones cost: with
/// 256 KiB in and out zlib-rs inflates 915 MB/s.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// Reads the uncompressed bytes of a stream that is gzip, zstd or neither.
///
/// Several gzip members or zstd frames in a row are one stream. Anything else after the
/// end, and a stream cut short, is an error.
pub struct Decoder<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    codec: Codec,
}

enum Codec {
    Plain,
    /// None between members.
    Gzip(Option<Box<Inflate>>),
    Zstd {
        frame: Frame<'static>,
        /// Between frames.
        idle: bool,
    },
}

// RFC 1952 § 2.3.1 (with deflate, the only method), RFC 8878 § 3.1.1 and 3.1.2.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const BZIP2: [u8; 3] = *b"BZh";

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes. Fails for compressions that are known but not supported
    /// (xz, bzip2). An empty stream is an empty, uncompressed one.
    pub fn new(inner: R) -> Result<Self> {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let mut decoder = Self {
            inner,
            buffer,
            start: 0,
            end: 0,
            codec: Codec::Plain,
        };
        while decoder.end < XZ.len() && decoder.fill()? {}
        let head = &decoder.buffer[..decoder.end];
        if head.starts_with(&XZ) {
            return Err(Error::Compression { format: "xz" });
        }
        if head.starts_with(&BZIP2) {
            return Err(Error::Compression { format: "bzip2" });
        }
        if head.starts_with(&GZIP) {
            decoder.codec = Codec::Gzip(None);
        } else if head.starts_with(&ZSTD)
            || (head.len() > 3 && head[0] & 0xf0 == 0x50 && head[1..].starts_with(&ZSTD_SKIPPABLE))
        {
            // libzstd refuses windows above 128 MiB by itself.
            let frame = Frame::new().map_err(zstd_error)?;
            decoder.codec = Codec::Zstd { frame, idle: true };
        }
        Ok(decoder)
    }

    /// What was recognised.
    pub fn format(&self) -> Compression {
        match self.codec {
            Codec::Plain => Compression::None,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd { .. } => Compression::Zstd,
        }
    }

    /// As [`Read::read`], with a typed error.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.start == self.end && !self.fill()? {
                return self.at_end();
            }
            let (read, written) = self.step(buffer)?;
            self.start += read;
            if written > 0 {
                return Ok(written);
            }
        }
    }

    /// Moves bytes on: how many were read from our buffer, how many written to theirs.
    fn step(&mut self, output: &mut [u8]) -> Result<(usize, usize)> {
        let input = &self.buffer[self.start..self.end];
        match &mut self.codec {
            Codec::Plain => {
                let count = input.len().min(output.len());
                output[..count].copy_from_slice(&input[..count]);
                Ok((count, count))
            }
            Codec::Gzip(member) => {
                // Window bits 15, and 16 for gzip: header, CRC and length are checked there.
                let inflate = member.get_or_insert_with(|| Box::new(Inflate::new(true, 31)));
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(input, output, InflateFlush::NoFlush);
                let read = (inflate.total_in() - before.0) as usize;
                let written = (inflate.total_out() - before.1) as usize;
                match status {
                    Ok(Status::StreamEnd) => *member = None,
                    Ok(_) if read == 0 && written == 0 => {
                        return Err(gzip_error("it makes no progress"));
                    }
                    Ok(_) => {}
                    Err(error) => return Err(gzip_error(error.as_str())),
                }
                Ok((read, written))
            }
            Codec::Zstd { frame, idle } => {
                if *idle {
                    frame.reinit().map_err(zstd_error)?;
                }
                let mut input = InBuffer::around(input);
                let mut output = OutBuffer::around(output);
                let hint = frame.run(&mut input, &mut output).map_err(zstd_error)?;
                *idle = hint == 0;
                Ok((input.pos(), output.pos()))
            }
        }
    }

    fn at_end(&mut self) -> Result<usize> {
        match &self.codec {
            Codec::Gzip(Some(_)) => Err(gzip_error("unexpected end")),
            Codec::Zstd { idle: false, .. } => Err(Error::Decompress {
                format: "zstd",
                reason: "unexpected end".to_owned(),
            }),
            _ => Ok(0),
        }
    }

    /// Reads more of the stream; false at its end.
    fn fill(&mut self) -> Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::from_read(error)),
            }
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(io::Error::other)
    }
}

fn gzip_error(reason: &str) -> Error {
    Error::Decompress {
        format: "gzip",
        reason: reason.to_owned(),
    }
}

fn zstd_error(error: io::Error) -> Error {
    Error::Decompress {
        format: "zstd",
        reason: error.to_string(),
    }
}
