//! A layer from a tar stream of this machine: unpacked and kept as a blob in one pass.
//!
//! ```text
//! stream ──> unpacker thread: decompression, diff ID, files
//!       └──> this thread: blob file (zstd, unless the stream is compressed already)
//! ```

use crate::{
    Error, Result,
    layer_stream::{BLOB_BYTES_MAX, Unpacked, unpack},
    piece::{Piece, PieceReader, channel},
    rooms::Rooms,
};
use bytes::Bytes;
use corten_archive::{Compression, Packer, without_xz_and_bzip2};
use corten_content::{Begun, Finished, Ingest, IngestRequest};
use corten_oci::{Descriptor, media_type};
use std::{
    io::{Read, Write},
    sync::{Arc, atomic::AtomicU64, mpsc::SyncSender},
};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;
/// zstd's quickest usual level: as quick as the disk, a third of the size.
const ZSTD_LEVEL: i32 = 1;
/// Magic numbers of gzip (RFC 1952) and zstd (RFC 8878).
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A layer taken in: unpacked without a name, and its blob's descriptor.
pub(crate) struct TakenIn {
    pub unpacked: Unpacked,
    pub blob: Descriptor,
}

/// Where the blob's bytes go.
enum Sink {
    AsIs(Box<Ingest>),
    Compressed(Box<Packer<Ingest>>),
}

/// Takes in a layer. `read_so_far` is called with the bytes read. Blocking.
pub(crate) fn take_in(
    rooms: &Rooms,
    stream: impl Read,
    read_so_far: impl Fn(u64),
) -> Result<TakenIn> {
    let mut stream = without_xz_and_bzip2(stream)?;
    let (pieces, reader) = channel(Arc::new(AtomicU64::new(0)));
    std::thread::scope(|scope| {
        let unpacking = scope.spawn(move || unpack(rooms, reader));
        let copied = copy(rooms, &mut stream, pieces, read_so_far);
        let unpacked = unpacking
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // A broken stream says more than the unpacker's complaint about its end.
        let (finished, kind) = match (copied, &unpacked) {
            (Err(Error::Interrupted), Err(_)) => (None, ""),
            (copied, _) => copied.map(|(finished, kind)| (Some(finished), kind))?,
        };
        let (pending, applied) = unpacked?;
        let finished = finished.ok_or(Error::Interrupted)?;
        let stored = finished.blob();
        let blob = Descriptor::new(kind, stored.digest.clone(), stored.size);
        Ok(TakenIn {
            unpacked: Unpacked {
                pending,
                applied,
                finished: Some(finished),
                blob: blob.digest.clone(),
            },
            blob,
        })
    })
}

fn copy(
    rooms: &Rooms,
    stream: &mut impl Read,
    pieces: SyncSender<Piece>,
    read_so_far: impl Fn(u64),
) -> Result<(Finished, &'static str)> {
    let broken = |source| Error::Stream {
        operation: "reading a layer",
        source,
    };
    let mut total = 0;
    let mut chunk = read_chunk(stream).map_err(broken)?;
    let (mut sink, kind) = Sink::open(rooms, &chunk)?;
    while !chunk.is_empty() {
        total += chunk.len() as u64;
        if pieces.send(Piece::Data(chunk.clone())).is_err() {
            // The unpacker has given up and says why.
            return Err(Error::Interrupted);
        }
        sink.write(&chunk)?;
        read_so_far(total);
        chunk = read_chunk(stream).map_err(broken)?;
    }
    let _ = pieces.send(Piece::End);
    Ok((sink.finish()?, kind))
}

fn read_chunk(stream: &mut impl Read) -> std::io::Result<Bytes> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut filled = 0;
    while filled < chunk.len() {
        match stream.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    chunk.truncate(filled);
    Ok(chunk.into())
}

impl Sink {
    fn open(rooms: &Rooms, start: &[u8]) -> Result<(Self, &'static str)> {
        let ingest = new_blob(rooms)?;
        Ok(if start.starts_with(GZIP) {
            (Self::AsIs(Box::new(ingest)), media_type::OCI_LAYER_GZIP)
        } else if start.starts_with(ZSTD) {
            (Self::AsIs(Box::new(ingest)), media_type::OCI_LAYER_ZSTD)
        } else {
            // The unpacker finds out the diff ID, the blob its own digest.
            let packer = Packer::new(ingest, Compression::Zstd, Some(ZSTD_LEVEL))?;
            (
                Self::Compressed(Box::new(packer)),
                media_type::OCI_LAYER_ZSTD,
            )
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match self {
            Self::AsIs(ingest) => Ok(ingest.add(bytes)?),
            Self::Compressed(packer) => packer.write_all(bytes).map_err(|source| Error::Stream {
                operation: "compressing a layer",
                source,
            }),
        }
    }

    fn finish(self) -> Result<Finished> {
        match self {
            Self::AsIs(ingest) => Ok(ingest.finish()?),
            Self::Compressed(packer) => Ok(packer.finish()?.finish()?),
        }
    }
}

/// A blob whose digest is found out.
pub(crate) fn new_blob(rooms: &Rooms) -> Result<Ingest> {
    let request = IngestRequest {
        expected: None,
        size: None,
        limit: BLOB_BYTES_MAX,
    };
    match rooms.content.ingest(&request)? {
        Begun::Write(ingest) => Ok(ingest),
        // Only a known digest can be there already.
        Begun::Exists(_) => Err(Error::Interrupted),
    }
}

/// A tar that a function writes, read from the other side.
pub(crate) struct PieceWriter(pub SyncSender<Piece>);

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let piece = Piece::Data(Bytes::copy_from_slice(bytes));
        self.0
            .send(piece)
            .map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes in what `write` writes. Blocking.
pub(crate) fn take_in_written(
    rooms: &Rooms,
    write: impl FnOnce(PieceWriter) -> Result<PieceWriter> + Send,
) -> Result<TakenIn> {
    let (pieces, reader): (_, PieceReader) = channel(Arc::new(AtomicU64::new(0)));
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || {
            let PieceWriter(pieces) = write(PieceWriter(pieces))?;
            let _ = pieces.send(Piece::End);
            Ok(())
        });
        let taken = take_in(rooms, reader, |_| {});
        let written = writing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // When the reader gave up, its reason counts.
        match (taken, written) {
            (Err(Error::Stream { .. }), Err(error)) => Err(error),
            (taken, _) => taken,
        }
    })
}
