//! The members of an archive that is loaded: documents kept in memory, layers taken in as
//! they stream by.

use crate::{
    Action, Error, ProgressSender, Result,
    layer_bytes::has_tar,
    layer_stack::Leases,
    rooms::Inner,
    take_in::{TakenIn, take_in},
};
use corten_archive::{Decoder, Limits, tar};
use corten_oci::{Descriptor, Digest, manifest::MANIFEST_BYTES_MAX};
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path},
    thread::JoinHandle,
};

/// Bytes of all documents of one archive.
const DOCUMENTS_BYTES_MAX: u64 = 64 << 20;
/// Bytes read from the stream at a time.
const READ_BYTES: usize = 256 << 10;
/// Bytes of layers that are worth a flush while the archive is still being read.
const AHEAD_BYTES: u64 = 32 << 20;
/// How often progress is told: each so many bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What an archive's members turned out to be, by normalised name.
#[derive(Default)]
pub(crate) struct Members {
    pub documents: HashMap<String, Vec<u8>>,
    pub layers: HashMap<String, Layer>,
    links: HashMap<String, String>,
}

/// A large member.
pub(crate) enum Layer {
    /// Unpacked here.
    Taken(Box<TakenIn>),
    /// Its name says a diff ID that is here already.
    Here(Digest),
    /// Not a layer, for this reason.
    Not(Error),
    /// An image has it now.
    Used(Box<Descriptor>, Digest),
}

/// Brings layers to disk while the next ones are still being unpacked.
#[derive(Default)]
struct Ahead {
    bytes: u64,
    running: Option<JoinHandle<corten_snapshot::Result<()>>>,
}

impl Ahead {
    /// So many bytes more were unpacked.
    fn unpacked(&mut self, inner: &Inner, bytes: u64) -> Result<()> {
        self.bytes += bytes;
        let busy = self.running.as_ref().is_some_and(|it| !it.is_finished());
        if self.bytes < AHEAD_BYTES || busy {
            return Ok(());
        }
        self.end()?;
        self.bytes = 0;
        let layers = inner.rooms.layers.clone();
        let flushing = std::thread::Builder::new().name("load-flush".into());
        // Without a thread everything is flushed at the end.
        self.running = flushing.spawn(move || layers.flush()).ok();
        Ok(())
    }

    /// An error of the disk is told to the first who flushes: it must not be lost here.
    fn end(&mut self) -> Result<()> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(flushed)) => Ok(flushed?),
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

/// Reads the whole archive, taking layers in.
pub(crate) fn read(
    inner: &Inner,
    leases: &Leases,
    archive: impl Read + Send,
    progress: Option<&ProgressSender>,
) -> Result<Members> {
    let decoded = BufReader::with_capacity(READ_BYTES, Decoder::new(archive)?);
    let mut reader = tar::Reader::new(decoded, Limits::default());
    let mut members = Members::default();
    let mut ahead = Ahead::default();
    let mut budget = DOCUMENTS_BYTES_MAX;
    while let Some(entry) = reader.next_entry().map_err(ended_early)? {
        let Some(name) = member_name(entry.path()) else {
            continue;
        };
        match entry.kind {
            tar::EntryKind::Symlink | tar::EntryKind::HardLink => {
                let base = match entry.kind {
                    tar::EntryKind::Symlink => Path::new(&name).parent().unwrap_or(Path::new("")),
                    _ => Path::new(""),
                };
                if let Some(target) = member_name(&base.join(entry.link())) {
                    members.links.insert(name, target);
                }
                continue;
            }
            tar::EntryKind::Regular => {}
            _ => continue,
        }
        if entry.size <= MANIFEST_BYTES_MAX {
            let bytes = reader.read_all(MANIFEST_BYTES_MAX).map_err(ended_early)?;
            if is_document(&name, &bytes) {
                budget = budget.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    Error::Invalid("the archive has too many bytes of documents".into())
                })?;
                members.documents.insert(name, bytes);
            } else {
                let layer = layer(inner, leases, &name, entry.size, &bytes[..], progress)?;
                members.layers.insert(name, layer);
            }
            continue;
        }
        let data = MemberData(&mut reader);
        let layer = layer(inner, leases, &name, entry.size, data, progress)?;
        members.layers.insert(name, layer);
        ahead.unpacked(inner, entry.size)?;
    }
    ahead.end()?;
    Ok(members)
}

/// A normalised member name: relative, without `.`; nothing for one that leads outside.
pub(crate) fn member_name(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// JSON, or one of the old format's small text members.
fn is_document(name: &str, bytes: &[u8]) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    matches!(last, "VERSION" | "oci-layout" | "repositories")
        || matches!(bytes.first(), Some(b'{' | b'['))
            && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn layer(
    inner: &Inner,
    leases: &Leases,
    name: &str,
    size: u64,
    data: impl Read,
    progress: Option<&ProgressSender>,
) -> Result<Layer> {
    // In an OCI layout an uncompressed layer is named by its diff ID.
    let hex = name.strip_prefix("blobs/sha256/");
    if let Some(diff_id) = hex.and_then(|hex| Digest::from_sha256_hex(hex).ok()) {
        leases.layers.hold(&diff_id);
        let record = inner.state().layers.get(&diff_id).cloned();
        if let Some(record) = record {
            leases.blobs.hold(&record.blob.digest);
            if has_tar(&inner.rooms, &diff_id, &record.blob)? {
                return Ok(Layer::Here(diff_id));
            }
        }
    }
    let id = hex.unwrap_or_else(|| name.split('/').next().unwrap_or(name));
    let id = id.get(..12).unwrap_or(id);
    let mut told = 0;
    let tell = std::cell::RefCell::new(|now: u64| {
        if let Some(progress) = progress
            && (now - told >= PROGRESS_BYTES || now == size)
        {
            told = now;
            progress.figure(id, Action::Loading, now, Some(size));
        }
    });
    match take_in(&inner.rooms, data, |now| (tell.borrow_mut())(now)) {
        Ok(taken) => Ok(Layer::Taken(Box::new(taken))),
        // Maybe nobody asks for it; the rest of the member is skipped.
        Err(error @ Error::Archive(_)) => Ok(Layer::Not(error)),
        Err(Error::Stream { source, .. }) if is_early_end(&source) => Err(unexpected_end()),
        Err(error) => Err(error),
    }
}

/// The data of the member that a reader stands on.
struct MemberData<'a, R: BufRead>(&'a mut tar::Reader<R>);

impl<R: BufRead> Read for MemberData<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_data(buffer).map_err(io::Error::other)
    }
}

fn is_early_end(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<corten_archive::Error>());
    matches!(inner, Some(error) if is_truncation(error))
}

fn is_truncation(error: &corten_archive::Error) -> bool {
    match error {
        corten_archive::Error::Read(e) => e.kind() == io::ErrorKind::UnexpectedEof,
        corten_archive::Error::Malformed { reason, .. } => reason.contains("ends"),
        _ => false,
    }
}

fn unexpected_end() -> Error {
    Error::Invalid("unexpected EOF".into())
}

fn ended_early(error: corten_archive::Error) -> Error {
    if is_truncation(&error) {
        unexpected_end()
    } else {
        Error::Invalid(error.to_string())
    }
}

impl Members {
    pub fn follow<'a>(&'a self, name: &'a str) -> &'a str {
        let mut name = name;
        // A chain as long as the table is a circle.
        for _ in 0..=self.links.len() {
            match self.links.get(name) {
                Some(target) => name = target,
                None => break,
            }
        }
        name
    }

    pub fn document(&self, name: &str) -> Result<&[u8]> {
        let normal = member_name(Path::new(name)).unwrap_or_default();
        let found = self.documents.get(self.follow(&normal));
        found.map(Vec::as_slice).ok_or_else(|| missing(name))
    }
}

pub(crate) fn missing(name: &str) -> Error {
    Error::Invalid(format!("invalid archive: {name:?} is missing"))
}
