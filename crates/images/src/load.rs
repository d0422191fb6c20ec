//! `docker load`: images from one tar, taken in while it streams by.
//!
//! Layers stand before the documents that name them, so each large member is taken in as
//! a layer at once; what turns out to be needed gets its name at the end.

use crate::{
    Action, Error, LoadRequest, Loaded, Progress, ProgressSender, Result,
    archive_index::{self, Listed},
    layer_stack::{Committed, LayerFacts, Leases, commit_stack},
    layer_stream::Unpacked,
    rooms::{Inner, blocking, parse_config},
    state::{Change, NewImage},
    take_in::{TakenIn, take_in},
};
use corten_archive::{Decoder, Limits, tar};
use corten_oci::{
    Descriptor, Digest, ImageConfig, Platform, Reference, manifest::MANIFEST_BYTES_MAX,
};
use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read},
    path::{Component, Path},
    sync::Arc,
};

/// Bytes of all documents of one archive.
const DOCUMENTS_BYTES_MAX: u64 = 64 << 20;
/// Bytes read from the stream at a time.
const READ_BYTES: usize = 256 << 10;
/// How often progress is told: each so many bytes.
const PROGRESS_BYTES: u64 = 1 << 20;

/// What an archive's members turned out to be, by normalised name.
#[derive(Default)]
struct Members {
    documents: HashMap<String, Vec<u8>>,
    layers: HashMap<String, Layer>,
    links: HashMap<String, String>,
}

/// A large member.
enum Layer {
    /// Unpacked here.
    Taken(Box<TakenIn>),
    /// Its name says a diff ID that is here already.
    Here(Digest),
    /// Not a layer, for this reason.
    Not(Error),
    /// An image has it now.
    Used(Box<Descriptor>, Digest),
}

pub(crate) async fn load(
    inner: &Arc<Inner>,
    request: LoadRequest,
    archive: impl Read + Send + 'static,
    progress: &ProgressSender,
) -> Result<Loaded> {
    let (worker, teller) = (Arc::clone(inner), progress.clone());
    let quiet = request.quiet;
    let platform = request.platform.clone();
    let (loaded, lines) = blocking(move || {
        let leases = Leases::new(&worker.rooms);
        let members = read(&worker, &leases, archive, (!quiet).then_some(&teller))?;
        record(&worker, &leases, members, platform.as_ref())
    })
    .await?;
    for line in lines {
        progress.send(Progress::Stream(line + "\n")).await;
    }
    Ok(loaded)
}

/// Reads the whole archive, taking layers in.
fn read(
    inner: &Inner,
    leases: &Leases,
    archive: impl Read + Send,
    progress: Option<&ProgressSender>,
) -> Result<Members> {
    let decoded = BufReader::with_capacity(READ_BYTES, Decoder::new(archive)?);
    let mut reader = tar::Reader::new(decoded, Limits::default());
    let mut members = Members::default();
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
    }
    Ok(members)
}

/// A normalised member name: relative, without `.`; nothing for one that leads outside.
fn member_name(path: &Path) -> Option<String> {
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
            if inner.rooms.content.exists(&record.blob.digest)? {
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
    fn follow<'a>(&'a self, name: &'a str) -> &'a str {
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

    fn document(&self, name: &str) -> Result<&[u8]> {
        let normal = member_name(Path::new(name)).unwrap_or_default();
        let found = self.documents.get(self.follow(&normal));
        found.map(Vec::as_slice).ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> Error {
    Error::Invalid(format!("invalid archive: {name:?} is missing"))
}

/// Records the archive's images. Gives the lines to tell.
fn record(
    inner: &Inner,
    leases: &Leases,
    mut members: Members,
    platform: Option<&Platform>,
) -> Result<(Loaded, Vec<String>)> {
    let wanted = platform.unwrap_or(&inner.config.platform);
    let mut loaded = Loaded { images: Vec::new() };
    let mut lines = Vec::new();
    for listed in archive_index::images(&members.documents, wanted)? {
        let bytes = members.document(&listed.config)?.to_vec();
        let config = parse_config(&bytes)?;
        if platform.is_some_and(|platform| !platform.matches(&config.platform())) {
            continue;
        }
        let id = Digest::of(&bytes);
        leases.blobs.hold(&id);
        let layers = stack(inner, leases, &mut members, &listed, &config, &bytes)?;
        name_image(inner, &listed, &id, config, layers, &mut lines)?;
        loaded.images.push((id, listed.names));
    }
    if loaded.images.is_empty() {
        let sentence = match platform {
            Some(platform) => format!("the archive has no image for platform {platform}"),
            None => "the archive has no image".into(),
        };
        return Err(Error::NotFound(sentence));
    }
    Ok((loaded, lines))
}

/// Gives an image's layers their names.
fn stack(
    inner: &Inner,
    leases: &Leases,
    members: &mut Members,
    listed: &Listed,
    config: &ImageConfig,
    config_bytes: &[u8],
) -> Result<Vec<(Descriptor, LayerFacts)>> {
    let diff_ids = config.diff_ids();
    if diff_ids.len() != listed.layers.len() {
        let (expected, actual) = (listed.layers.len(), diff_ids.len());
        let sentence =
            format!("invalid manifest, layers length mismatch: expected {expected}, got {actual}");
        return Err(Error::Invalid(sentence));
    }
    let mut blobs = Vec::new();
    let mut unpacked: Vec<Option<Unpacked>> = Vec::new();
    for (name, diff_id) in listed.layers.iter().zip(diff_ids) {
        let normal = member_name(Path::new(name)).unwrap_or_default();
        let normal = members.follow(&normal).to_owned();
        let layer = members
            .layers
            .remove(&normal)
            .ok_or_else(|| missing(name))?;
        let (blob, found, parts) = match layer {
            Layer::Taken(taken) => {
                let found = taken.unpacked.applied.diff_id.clone();
                (taken.blob, found, Some(taken.unpacked))
            }
            Layer::Here(diff_id) => {
                let record = inner.state().layers.get(&diff_id).cloned();
                (record.ok_or_else(|| missing(name))?.blob, diff_id, None)
            }
            Layer::Used(blob, found) => (*blob, found, None),
            Layer::Not(error) => return Err(error),
        };
        if found != *diff_id {
            let sentence = format!(
                "invalid diffID for layer {}: expected {diff_id:?}, got {found:?}",
                blobs.len()
            );
            return Err(Error::Invalid(sentence));
        }
        members
            .layers
            .insert(normal, Layer::Used(Box::new(blob.clone()), found));
        blobs.push(blob);
        unpacked.push(parts);
    }
    let mut rounds = 0;
    loop {
        let mut take = |index: usize| unpacked.get_mut(index).and_then(Option::take);
        match commit_stack(&inner.rooms, leases, diff_ids, &mut take, &[config_bytes])? {
            Committed::Layers(facts) => return Ok(blobs.into_iter().zip(facts).collect()),
            // Here as a blob, but unpacked on other layers only: once more from the blob.
            Committed::Missing if rounds == 0 => {
                rounds += 1;
                unpacked = unpack_missing(inner, diff_ids, &blobs)?;
            }
            Committed::Missing => return Err(Error::Interrupted),
        }
    }
}

/// Unpacks kept blobs of layers that are not unpacked on this stack.
pub(crate) fn unpack_missing(
    inner: &Inner,
    diff_ids: &[Digest],
    blobs: &[Descriptor],
) -> Result<Vec<Option<Unpacked>>> {
    let mut unpacked = Vec::new();
    for (index, blob) in blobs.iter().enumerate() {
        if inner.rooms.layers.find(&diff_ids[..=index])?.is_some() {
            unpacked.push(None);
            continue;
        }
        let file = inner.rooms.content.open_blob(&blob.digest)?;
        let (pending, applied) = crate::layer_stream::unpack(&inner.rooms, file)?;
        unpacked.push(Some(Unpacked {
            pending,
            applied,
            finished: None,
        }));
    }
    Ok(unpacked)
}

fn name_image(
    inner: &Inner,
    listed: &Listed,
    id: &Digest,
    config: ImageConfig,
    layers: Vec<(Descriptor, LayerFacts)>,
    lines: &mut Vec<String>,
) -> Result<()> {
    let config = Arc::new(config);
    let (id, parent) = (id.clone(), listed.parent.clone());
    let moved: Vec<(Reference, Digest)> = inner.change(|state| {
        let mut change = Change::default();
        // A parent counts only if it is here and lies below.
        let parent = parent.filter(|parent| {
            let below = state
                .images
                .get(parent)
                .map(|entry| Arc::clone(&entry.config));
            below.is_some_and(|below| config.diff_ids().starts_with(below.diff_ids()))
        });
        let new = NewImage {
            id: id.clone(),
            config,
            parent,
            manifest: None,
            layers,
            source: None,
        };
        change.add_image(state, new);
        let mut moved = Vec::new();
        for name in &listed.names {
            let old = state.named(name).filter(|old| **old != id);
            moved.extend(old.map(|old| (name.clone(), old.clone())));
            change.names.push((
                name.clone(),
                Some(crate::record::NameRecord {
                    image: id.clone(),
                    descriptor: None,
                }),
            ));
        }
        Ok((change, moved))
    })?;
    for (name, old) in moved {
        lines.push(format!(
            "The image {} already exists, renaming the old one with ID {old} to empty string",
            name.familiar()
        ));
    }
    match &listed.names[..] {
        [] => lines.push(format!("Loaded image ID: {id}")),
        names => {
            lines.extend(
                names
                    .iter()
                    .map(|name| format!("Loaded image: {}", name.familiar())),
            );
        }
    }
    Ok(())
}
