//! One layer from a registry to a directory: download, verify, decompress and unpack at
//! the same time.
//!
//! ```text
//! registry ──Bytes──> writer thread ──Bytes──> unpacker thread
//!                     blob file, digest        decompression, diff ID, files
//! ```
//! A download that goes on where an earlier one broke is unpacked from the blob file.

use crate::{
    Error, Result,
    download::{DownloadRequest, Stage},
    layer_bytes::open_tar,
    piece::{PIECES, Piece, channel},
    rooms::{Rooms, blocking},
};
use corten_archive::{Applied, ApplyOptions, Indexed, LowerView, apply_recording, index, settle};
use corten_content::{Begun, Finished, Ingest, IngestRequest};
use corten_oci::{Descriptor, Digest};
use corten_snapshot::{Form, PendingLayer};
use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// How often progress is told.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// For an abandoned download of the same blob to let go of it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of one compressed layer.
pub(crate) const BLOB_BYTES_MAX: u64 = 1 << 40;

/// A layer that is unpacked but has no name yet.
pub(crate) struct Unpacked {
    /// Its directory, removed when dropped.
    pub pending: PendingLayer,
    /// What was found in it.
    pub applied: Applied,
    /// Its blob, not durable yet; none if the content store had it.
    pub finished: Option<Finished>,
    /// That blob's digest.
    pub blob: Digest,
}

impl Unpacked {
    /// Settles the layer on those below it.
    pub fn settle(&mut self, rooms: &Rooms, lower: &LowerView) -> Result<()> {
        let diff_id = self.applied.diff_id.clone();
        let again = || -> Result<Box<dyn Read + Send>> {
            Ok(match &self.finished {
                Some(finished) => Box::new(finished.reader()?),
                None => open_tar(rooms, &diff_id, &self.blob)?,
            })
        };
        settle_pending(&mut self.pending, &mut self.applied, lower, again)
    }
}

/// Settles an unpacked layer on those below it; `again` opens its bytes.
pub(crate) fn settle_pending<R: Read + Send>(
    pending: &mut PendingLayer,
    applied: &mut Applied,
    lower: &LowerView,
    again: impl FnOnce() -> Result<R>,
) -> Result<()> {
    let root = pending.open()?;
    let options = ApplyOptions::default();
    corten_base::step("layer.settle");
    settle(root.as_fd(), applied, lower, &options, || {
        again().map(Again)
    })?;
    if !applied.recorded {
        pending.without_split()?;
    }
    corten_base::step("layer.settled");
    Ok(())
}

/// A layer's bytes that are read a second time.
struct Again<R>(R);

impl<R: Read> Read for Again<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        corten_base::step("layer.reread");
        self.0.read(buffer)
    }
}

/// Fetches what the store does not have and unpacks it.
pub(crate) async fn fetch_and_unpack(
    request: DownloadRequest,
    stage: &watch::Sender<Stage>,
) -> Result<Unpacked> {
    let (rooms, blob) = (request.rooms.clone(), request.blob.clone());
    match blocking(move || begin(&rooms, &blob)).await? {
        Begun::Exists(blob) => {
            let file = request.rooms.content.open_blob(&blob.digest)?;
            unpack_file(&request, file, None, stage).await
        }
        Begun::Write(ingest) if ingest.offset() > 0 => {
            let finished = fetch(&request, ingest, None, stage).await?;
            let file = finished.reader()?;
            unpack_file(&request, file, Some(finished), stage).await
        }
        Begun::Write(ingest) => {
            let read = Arc::new(AtomicU64::new(0));
            let (pieces, reader) = channel(Arc::clone(&read));
            let rooms = request.rooms.clone();
            let unpacking = tokio::spawn(blocking(move || unpack(&rooms, reader)));
            let finished = fetch(&request, ingest, Some(pieces), stage).await?;
            let (pending, applied) = tell_extracting(unpacking, &read, stage).await?;
            Ok(Unpacked {
                pending,
                applied,
                finished: Some(finished),
                blob: request.blob.digest.clone(),
            })
        }
    }
}

fn begin(rooms: &Rooms, blob: &Descriptor) -> Result<Begun> {
    let request = IngestRequest {
        expected: Some(blob.digest.clone()),
        size: Some(blob.size),
        limit: BLOB_BYTES_MAX,
    };
    loop {
        match rooms.content.ingest(&request) {
            Err(corten_content::Error::Busy { .. })
                if rooms.content.wait_free(&blob.digest, BUSY_TIMEOUT) => {}
            other => return Ok(other?),
        }
    }
}

/// Downloads the rest of a blob into `ingest`, handing a copy to the unpacker.
async fn fetch(
    request: &DownloadRequest,
    ingest: Ingest,
    unpacker: Option<SyncSender<Piece>>,
    stage: &watch::Sender<Stage>,
) -> Result<Finished> {
    let offset = ingest.offset();
    let (chunks, received) = mpsc::channel(PIECES);
    let writing = tokio::spawn(blocking(move || write(ingest, received, unpacker)));
    let gone = || Error::NotFound(format!("the blob {} is gone", request.blob.digest));
    let repository = request.repository.as_ref().ok_or_else(gone)?;
    let mut reader = repository
        .blob(&request.blob, offset, request.attempts)
        .await?;
    stage.send_replace(Stage::Downloading(offset));
    let mut told = Instant::now();
    while let Some(chunk) = reader.next().await? {
        if chunks.send(Piece::Data(chunk)).await.is_err() {
            break;
        }
        if told.elapsed() >= PROGRESS_PERIOD {
            stage.send_replace(Stage::Downloading(reader.offset()));
            told = Instant::now();
        }
    }
    stage.send_replace(Stage::Verifying);
    let _ = chunks.send(Piece::End).await;
    drop(chunks);
    let finished = writing.await.map_err(|_| Error::Interrupted)?;
    stage.send_replace(Stage::Downloaded);
    finished.map_err(|error| match error {
        Error::Content(corten_content::Error::WrongDigest { expected, .. }) => {
            Error::LayerVerification(expected)
        }
        other => other,
    })
}

/// The writer thread. Goes on to the end even if the unpacker has given up: a wrong digest
/// says more than the unpacker's complaint about wrong bytes.
fn write(
    mut ingest: Ingest,
    mut received: mpsc::Receiver<Piece>,
    mut unpacker: Option<SyncSender<Piece>>,
) -> Result<Finished> {
    while let Some(piece) = received.blocking_recv() {
        match piece {
            Piece::Data(bytes) => {
                ingest.add(&bytes)?;
                if let Some(pieces) = &unpacker
                    && pieces.send(Piece::Data(bytes)).is_err()
                {
                    unpacker = None;
                }
            }
            Piece::End => {
                corten_base::step("blob.verify");
                let finished = ingest.finish()?;
                if let Some(pieces) = &unpacker {
                    let _ = pieces.send(Piece::End);
                }
                return Ok(finished);
            }
        }
    }
    Err(Error::Interrupted)
}

async fn unpack_file(
    request: &DownloadRequest,
    file: File,
    finished: Option<Finished>,
    stage: &watch::Sender<Stage>,
) -> Result<Unpacked> {
    let read = Arc::new(AtomicU64::new(0));
    let reader = CountingFile {
        file,
        read: Arc::clone(&read),
    };
    let rooms = request.rooms.clone();
    let unpacking = tokio::spawn(blocking(move || unpack(&rooms, reader)));
    let (pending, applied) = tell_extracting(unpacking, &read, stage).await?;
    Ok(Unpacked {
        pending,
        applied,
        finished,
        blob: request.blob.digest.clone(),
    })
}

async fn tell_extracting<T>(
    work: tokio::task::JoinHandle<Result<T>>,
    read: &AtomicU64,
    stage: &watch::Sender<Stage>,
) -> Result<T> {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(PROGRESS_PERIOD, &mut work).await {
            Ok(done) => return done.map_err(|_| Error::Interrupted)?,
            Err(_) => stage.send_replace(Stage::Extracting(read.load(Ordering::Relaxed))),
        };
    }
}

/// Brings a layer into the form that new layers have.
pub(crate) fn unpack(rooms: &Rooms, reader: impl Read + Send) -> Result<(PendingLayer, Applied)> {
    corten_base::step("layer.unpack");
    let pending = rooms.layers.begin()?;
    let made = match rooms.layers.form() {
        Form::Unpacked => unpack_into(pending, reader),
        Form::Indexed => keep(pending, reader),
    }?;
    corten_base::step("layer.unpacked");
    Ok(made)
}

/// Keeps a layer's tar beside an index, or unpacks what cannot be kept so.
fn keep(pending: PendingLayer, reader: impl Read + Send) -> Result<(PendingLayer, Applied)> {
    let (tar, root) = (pending.tar()?, pending.open()?);
    match index(reader, &tar, root.as_fd(), &ApplyOptions::default())? {
        Indexed::Image(applied, image) => Ok((pending.indexed_by(&image)?, *applied)),
        Indexed::Unpacked(applied, reason) => {
            tracing::debug!(%reason, "a layer is unpacked");
            pending.without_tar()?;
            Ok((pending, *applied))
        }
    }
}

fn unpack_into(
    mut pending: PendingLayer,
    reader: impl Read + Send,
) -> Result<(PendingLayer, Applied)> {
    let (root, record) = (pending.open()?, pending.split()?);
    let applied = apply_recording(reader, root.as_fd(), &ApplyOptions::default(), record)?;
    if !applied.recorded {
        pending.without_split()?;
    }
    Ok((pending, applied))
}

struct CountingFile {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for CountingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
