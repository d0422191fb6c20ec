//! A stream's compression recognised by its first bytes and taken off.

use crate::{Compression, Error, Result};
use bzip2::Decompress;
use lzma_rust2::{Action, XzStream};
use std::io::{self, ErrorKind, Read};
use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{Decoder as Frame, InBuffer, Operation, OutBuffer};

/// Bytes read from the stream at once. Larger ones bring nothing, small ones cost: with
/// 256 KiB in and out zlib-rs inflates 915 MB/s.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;

/// Memory one xz block may ask for, in KiB: `xz -9` needs 65 MiB, and what a stream
/// announces is not taken at its word.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// Reads the uncompressed bytes of a stream that is gzip, zstd, xz, bzip2 or neither.
///
/// Several gzip members, zstd frames, xz or bzip2 streams in a row are one stream. Anything else after the
/// end, and a stream cut short, is an error.
pub struct Decoder<R> {
    inner: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    codec: Codec,
    /// The codec may hold more than the last buffer had room for.
    holds_more: bool,
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
    Xz {
        stream: Box<XzStream>,
        ended: bool,
    },
    /// None between streams.
    Bzip2(Option<Decompress>),
}

// RFC 1952 § 2.3.1 (with deflate, the only method), RFC 8878 § 3.1.1 and 3.1.2.
const GZIP: [u8; 3] = [0x1f, 0x8b, 8];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const BZIP2: [u8; 3] = *b"BZh";

impl<R: Read> Decoder<R> {
    /// Looks at the first bytes. An empty stream is an empty, uncompressed one.
    pub fn new(inner: R) -> Result<Self> {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        let mut decoder = Self {
            inner,
            buffer,
            start: 0,
            end: 0,
            codec: Codec::Plain,
            holds_more: false,
        };
        while decoder.end < XZ.len() && decoder.fill()? {}
        let head = &decoder.buffer[..decoder.end];
        if head.starts_with(&GZIP) {
            decoder.codec = Codec::Gzip(None);
        } else if head.starts_with(&ZSTD)
            || (head.len() > 3 && head[0] & 0xf0 == 0x50 && head[1..].starts_with(&ZSTD_SKIPPABLE))
        {
            // libzstd refuses windows above 128 MiB by itself.
            let frame = Frame::new().map_err(zstd_error)?;
            decoder.codec = Codec::Zstd { frame, idle: true };
        } else if head.starts_with(&XZ) {
            let stream = Box::new(XzStream::new_mem_limit(true, XZ_MEMORY_KIB));
            let ended = false;
            decoder.codec = Codec::Xz { stream, ended };
        } else if head.starts_with(&BZIP2) {
            decoder.codec = Codec::Bzip2(None);
        }
        Ok(decoder)
    }

    /// What was recognised.
    pub fn format(&self) -> Compression {
        match self.codec {
            Codec::Plain => Compression::None,
            Codec::Gzip(_) => Compression::Gzip,
            Codec::Zstd { .. } => Compression::Zstd,
            Codec::Xz { .. } => Compression::Xz,
            Codec::Bzip2(_) => Compression::Bzip2,
        }
    }

    /// As [`Read::read`], with a typed error.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.start == self.end && !self.holds_more && !self.fill()? {
                return self.at_end();
            }
            let (read, written) = self.step(buffer)?;
            self.start += read;
            let keeps_back = matches!(self.codec, Codec::Xz { .. } | Codec::Bzip2(Some(_)));
            self.holds_more = keeps_back && written == buffer.len();
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
            Codec::Xz { stream, ended } => {
                let moved = stream.process(input, output, Action::Run);
                let moved = moved.map_err(|error| xz_error(&error.to_string()))?;
                *ended = moved.status == lzma_rust2::Status::StreamEnd;
                let (read, written) = (moved.bytes_consumed, moved.bytes_produced);
                if read == 0 && written == 0 && !input.is_empty() {
                    return Err(xz_error("it makes no progress"));
                }
                Ok((read, written))
            }
            Codec::Bzip2(stream) => {
                let inflate = stream.get_or_insert_with(|| Decompress::new(false));
                let before = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(input, output);
                let status = status.map_err(|error| bzip2_error(&error.to_string()))?;
                let read = (inflate.total_in() - before.0) as usize;
                let written = (inflate.total_out() - before.1) as usize;
                if status == bzip2::Status::StreamEnd {
                    *stream = None;
                } else if read == 0 && written == 0 && !input.is_empty() {
                    return Err(bzip2_error("it makes no progress"));
                }
                Ok((read, written))
            }
        }
    }

    fn at_end(&mut self) -> Result<usize> {
        if let Codec::Xz {
            stream,
            ended: false,
        } = &mut self.codec
        {
            // Only the end of the input tells whether another stream follows.
            let moved = stream.process(&[], &mut [], Action::Finish);
            let moved = moved.map_err(|error| xz_error(&error.to_string()))?;
            if moved.status != lzma_rust2::Status::StreamEnd {
                return Err(xz_error("unexpected end"));
            }
        }
        match &self.codec {
            Codec::Bzip2(Some(_)) => Err(bzip2_error("unexpected end")),
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

/// The same stream without xz or bzip2 around it; other streams as they are. For whoever
/// keeps gzip and zstd as they come.
pub fn without_xz_and_bzip2<'a>(mut stream: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut head = Vec::with_capacity(XZ.len());
    let taken = (&mut stream).take(XZ.len() as u64).read_to_end(&mut head);
    taken.map_err(Error::from_read)?;
    let packed = head.starts_with(&XZ) || head.starts_with(&BZIP2);
    let stream = io::Cursor::new(head).chain(stream);
    Ok(match packed {
        true => Box::new(Decoder::new(stream)?),
        false => Box::new(stream),
    })
}

/// A stream without compression, read where it lies: what was looked at first from our
/// buffer, the rest from the stream's own. Not copied once more.
pub(crate) struct Plain<R>(Decoder<R>);

impl<R: io::BufRead> Decoder<R> {
    /// The stream as it is, where it is not compressed.
    pub(crate) fn into_plain(self) -> Result<Plain<R>, Self> {
        match self.codec {
            Codec::Plain => Ok(Plain(self)),
            _ => Err(self),
        }
    }
}

impl<R: io::BufRead> io::BufRead for Plain<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let decoder = &mut self.0;
        match decoder.start == decoder.end {
            true => decoder.inner.fill_buf(),
            false => Ok(&decoder.buffer[decoder.start..decoder.end]),
        }
    }

    fn consume(&mut self, count: usize) {
        let decoder = &mut self.0;
        match decoder.start == decoder.end {
            true => decoder.inner.consume(count),
            false => decoder.start += count,
        }
    }
}

impl<R: io::BufRead> Read for Plain<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = io::BufRead::fill_buf(self)?;
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        io::BufRead::consume(self, count);
        Ok(count)
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

fn xz_error(reason: &str) -> Error {
    Error::Decompress {
        format: "xz",
        reason: reason.to_owned(),
    }
}

fn bzip2_error(reason: &str) -> Error {
    Error::Decompress {
        format: "bzip2",
        reason: reason.to_owned(),
    }
}

fn zstd_error(error: io::Error) -> Error {
    Error::Decompress {
        format: "zstd",
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    /// Packed by the program that everybody uses.
    fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program)
            .arg("-c")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = bytes.to_vec();
        let writing = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        output.stdout
    }

    fn read(bytes: &[u8], room: usize) -> Result<Vec<u8>> {
        let mut decoder = Decoder::new(bytes)?;
        let (mut whole, mut buffer) = (Vec::new(), vec![0; room]);
        loop {
            match decoder.read_some(&mut buffer)? {
                0 => return Ok(whole),
                count => whole.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn what_xz_and_bzip2_pack_is_read_back_and_damage_is_noticed() {
        let bytes: Vec<u8> = (0..400_000_u32)
            .flat_map(|n| (n / 7).to_le_bytes())
            .collect();
        for (program, format) in [("xz", Compression::Xz), ("bzip2", Compression::Bzip2)] {
            let whole = packed(program, &bytes);
            assert_eq!(Decoder::new(&whole[..]).unwrap().format(), format);
            for room in [1 << 20, 4096, 100] {
                assert_eq!(read(&whole, room).unwrap(), bytes, "{program} {room}");
            }
            let twice = [whole.clone(), whole.clone()].concat();
            assert_eq!(
                read(&twice, 4096).unwrap().len(),
                2 * bytes.len(),
                "{program}"
            );
            assert_eq!(read(&packed(program, b""), 10).unwrap(), b"", "{program}");
            let mut damaged = whole.clone();
            damaged[whole.len() / 2] ^= 1;
            assert!(read(&damaged, 4096).is_err(), "{program}: damage");
            for end in [7, 40, whole.len() / 2, whole.len() - 1] {
                assert!(
                    read(&whole[..end], 4096).is_err(),
                    "{program}: cut at {end}"
                );
            }
        }
    }

    #[test]
    fn an_xz_stream_that_asks_for_much_memory_is_refused() {
        // `xz --lzma2=dict=1536MiB`: the block header's property byte says how much.
        let mut stream = packed("xz", &[0; 100_000]);
        let property = stream[12..24]
            .iter()
            .position(|byte| *byte == 0x21)
            .unwrap()
            + 12
            + 2;
        stream[property] = 40;
        // The header's checksum is the last four of its (byte + 1) * 4 bytes.
        let length = (usize::from(stream[12]) + 1) * 4;
        let mut crc = flate2::Crc::new();
        crc.update(&stream[12..12 + length - 4]);
        stream[12 + length - 4..12 + length].copy_from_slice(&crc.sum().to_le_bytes());
        let error = read(&stream, 4096).unwrap_err().to_string();
        assert!(error.contains("xz"), "{error}");
    }
}
