//! An image's layers brought to their names: settled on each other, flushed once, named.

use crate::{Error, Result, layer_stream::Unpacked, rooms::Rooms};
use corten_archive::LowerView;
use corten_content::{Begun, Finished, IngestRequest, Lease};
use corten_oci::{Digest, manifest::MANIFEST_BYTES_MAX};
use corten_snapshot::{Layer, LayerLease, NewLayer, PendingLayer};
use std::{collections::HashMap, io::Write, os::fd::OwnedFd};

/// What committing a stack gave.
pub(crate) enum Committed {
    /// All layers are there, bottom first.
    Layers(Vec<LayerFacts>),
    /// A layer that somebody else was to commit is missing: fetch again. Those below it are
    /// there.
    Missing,
}

/// What is known of a layer that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerFacts {
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Bytes of its uncompressed tar, if it has just been read.
    pub tar_bytes: Option<u64>,
}

/// What becomes of the blobs of layers that are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blobs {
    /// All are kept.
    Kept,
    /// Those are given up whose layer gives its tar.
    IfNeeded,
}

/// Keeps what an image consists of until its record keeps it.
pub(crate) struct Leases {
    pub blobs: Lease,
    pub layers: LayerLease,
}

impl Leases {
    /// Leases that hold nothing yet.
    pub fn new(rooms: &Rooms) -> Self {
        Self {
            blobs: rooms.content.lease(),
            layers: rooms.layers.lease(),
        }
    }
}

/// A layer of the stack.
enum Place {
    There(Layer),
    /// To be committed with the stack: its index among those.
    New(usize),
}

/// Gives the layers of `diff_ids` (bottom first) their names. `take` gives the unpacked
/// layer of an index, if it was this caller's to commit. `documents` (configuration,
/// manifest) become durable with the blobs. Blocking; callers take turns.
pub(crate) fn commit_stack(
    rooms: &Rooms,
    leases: &Leases,
    diff_ids: &[Digest],
    mut take: impl FnMut(usize) -> Option<Unpacked>,
    documents: &[&[u8]],
    blobs: Blobs,
) -> Result<Committed> {
    let mut places: Vec<Place> = Vec::new();
    let mut layers: Vec<(PendingLayer, NewLayer)> = Vec::new();
    let mut finished: Vec<Finished> = Vec::new();
    let mut given_up: Vec<Finished> = Vec::new();
    let mut tars: HashMap<usize, u64> = HashMap::new();
    diff_ids
        .iter()
        .for_each(|diff_id| leases.layers.hold(diff_id));
    for index in 0..diff_ids.len() {
        let chain = &diff_ids[..=index];
        if let Some(layer) = rooms.layers.find(chain)? {
            let unused = take(index).and_then(|unpacked| unpacked.finished);
            match blobs == Blobs::IfNeeded && layer.has_tar() {
                true => given_up.extend(unused),
                false => finished.extend(unused),
            }
            places.push(Place::There(layer));
            continue;
        }
        // The same layer twice in one image.
        let twin = layers
            .iter()
            .position(|(_, new)| new.diff_id == diff_ids[index]);
        if let Some(twin) = twin.filter(|twin| layers[*twin].1.settled_on.is_none()) {
            places.push(Place::New(twin));
            continue;
        }
        let Some(mut unpacked) = take(index) else {
            // What is below is named already: its bytes may be nowhere else.
            commit(rooms, leases, layers, finished, given_up)?;
            return Ok(Committed::Missing);
        };
        if unpacked.applied.diff_id != diff_ids[index] {
            return Err(Error::LayerVerification(diff_ids[index].clone()));
        }
        let mut settled_on = None;
        if !unpacked.applied.unsettled.is_empty() {
            let lower = LowerView::of(visible(&places, &layers)?);
            unpacked.settle(rooms, &lower)?;
            settled_on = Some(diff_ids[..index].to_vec());
        }
        match blobs == Blobs::IfNeeded && unpacked.pending.has_tar() {
            true => given_up.extend(unpacked.finished),
            false => finished.extend(unpacked.finished),
        }
        let (applied, pending) = (unpacked.applied, unpacked.pending);
        tars.insert(index, applied.uncompressed_bytes);
        places.push(Place::New(layers.len()));
        let new = NewLayer {
            diff_id: applied.diff_id,
            settled_on,
            size_bytes: applied.size_bytes,
            has_root: applied.has_root,
            root_opaque: applied.root_opaque,
        };
        layers.push((pending, new));
    }
    for document in documents {
        finished.extend(finish_document(rooms, document)?);
    }
    commit(rooms, leases, layers, finished, given_up)?;
    match rooms.layers.stack(diff_ids) {
        Ok(stack) => {
            let fact = |(index, layer): (usize, &Layer)| LayerFacts {
                size_bytes: layer.size_bytes,
                tar_bytes: tars.get(&index).copied(),
            };
            Ok(Committed::Layers(
                stack.iter().enumerate().map(fact).collect(),
            ))
        }
        Err(corten_snapshot::Error::LayerNotFound { .. }) => Ok(Committed::Missing),
        Err(error) => Err(error.into()),
    }
}

/// Names layers and blobs, and holds these until a record does.
fn commit(
    rooms: &Rooms,
    leases: &Leases,
    layers: Vec<(PendingLayer, NewLayer)>,
    finished: Vec<Finished>,
    given_up: Vec<Finished>,
) -> Result<()> {
    // Before the flush: what was never written to disk need not be.
    for blob in given_up {
        blob.discard()?;
    }
    finished
        .iter()
        .for_each(|one| leases.blobs.hold(&one.blob().digest));
    // The flush for the layers is one of their whole file system.
    let flushed = !layers.is_empty() && rooms.layers.device()? == rooms.content.device()?;
    rooms.layers.commit(layers)?;
    match flushed {
        true => rooms.content.commit_flushed(finished)?,
        false => rooms.content.commit(finished)?,
    };
    Ok(())
}

/// Directories, the uppermost first, down to the first that hides the rest.
fn visible(places: &[Place], new: &[(PendingLayer, NewLayer)]) -> Result<Vec<OwnedFd>> {
    let hides = |place: &Place| match place {
        Place::There(layer) => layer.root_opaque,
        Place::New(index) => new[*index].1.root_opaque,
    };
    let from = places.iter().rposition(hides).unwrap_or(0);
    let open = |place: &Place| match place {
        Place::There(layer) => layer.open(),
        Place::New(index) => new[*index].0.open(),
    };
    let opened: Result<_, _> = places[from..].iter().rev().map(open).collect();
    Ok(opened?)
}

fn finish_document(rooms: &Rooms, bytes: &[u8]) -> Result<Option<Finished>> {
    let digest = Digest::of(bytes);
    match rooms.content.read(&digest, MANIFEST_BYTES_MAX) {
        Ok(_) => return Ok(None),
        Err(corten_content::Error::NotFound { .. }) => {}
        // Damaged since it was written.
        Err(_) => drop(rooms.content.delete(&digest)?),
    }
    let size = Some(bytes.len() as u64);
    let request = IngestRequest {
        expected: None,
        size,
        limit: MANIFEST_BYTES_MAX,
    };
    let Begun::Write(mut ingest) = rooms.content.ingest(&request)? else {
        return Ok(None);
    };
    ingest.write_all(bytes).map_err(|source| Error::Path {
        operation: "writing",
        path: Digest::of(bytes).to_string().into(),
        source,
    })?;
    Ok(Some(ingest.finish()?))
}
