//! `docker load`: images from one tar, taken in while it streams by.
//!
//! Layers stand before the documents that name them, so each large member is taken in as
//! a layer at once; what turns out to be needed gets its name at the end.

use crate::{
    Error, LoadRequest, Loaded, Progress, ProgressSender, Result,
    archive_index::{self, Listed, Wanted},
    kept_index::KeptIndex,
    layer_bytes,
    layer_stack::{Blobs, Committed, LayerFacts, Leases, commit_stack},
    layer_stream::Unpacked,
    load_index,
    load_members::{Layer, Members, member_name, missing, read},
    record::NameRecord,
    rooms::{Inner, blocking, parse_config},
    state::{Change, NewImage},
};
use corten_oci::{Descriptor, Digest, ImageConfig, Platform, Reference};
use std::{io::Read, path::Path, sync::Arc};

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
    corten_base::step("load.done");
    for line in lines {
        progress.send(Progress::Stream(line + "\n")).await;
    }
    Ok(loaded)
}

/// Records the archive's images. Gives the lines to tell.
fn record(
    inner: &Inner,
    leases: &Leases,
    mut members: Members,
    platform: Option<&Platform>,
) -> Result<(Loaded, Vec<String>)> {
    let wanted = Wanted {
        platform: platform.unwrap_or(&inner.config.platform),
        any: platform.is_none(),
    };
    let mut loaded = Loaded { images: Vec::new() };
    let mut lines = Vec::new();
    let images = archive_index::images(&members.documents, wanted)?;
    // An index that is kept lists the very blobs.
    let blobs = match images.iter().any(|listed| listed.index.is_some()) {
        true => Blobs::Kept,
        false => inner.blobs(),
    };
    for listed in images {
        let bytes = members.document(&listed.config)?.to_vec();
        let config = parse_config(&bytes)?;
        if platform.is_some_and(|platform| !platform.matches(&config.platform())) {
            continue;
        }
        let id = Digest::of(&bytes);
        leases.blobs.hold(&id);
        corten_base::step("load.layers");
        let members_of = (&mut members, &listed);
        let layers = stack(inner, leases, members_of, (&config, &bytes), blobs)?;
        // Who asks for one platform wants that one.
        let index = match listed.index.as_ref().filter(|_| platform.is_none()) {
            Some(root) => {
                corten_base::step("load.index");
                load_index::take_in(inner, leases, &mut members, root)?
            }
            None => None,
        };
        corten_base::step("load.record");
        name_image(inner, &listed, (&id, config), (layers, index), &mut lines)?;
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
    (members, listed): (&mut Members, &Listed),
    (config, config_bytes): (&ImageConfig, &[u8]),
    kept: Blobs,
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
    // Each round names at least one layer more.
    for _ in 0..=diff_ids.len() {
        let mut take = |index: usize| unpacked.get_mut(index).and_then(Option::take);
        let documents = &[config_bytes];
        match commit_stack(&inner.rooms, leases, diff_ids, &mut take, documents, kept)? {
            Committed::Layers(facts) => return Ok(blobs.into_iter().zip(facts).collect()),
            // Here, but unpacked on other layers only: once more.
            Committed::Missing => unpack_next(inner, diff_ids, &blobs, &mut unpacked)?,
        }
    }
    Err(Error::Interrupted)
}

/// Unpacks the lowest layer that is not unpacked on this stack. One higher up may not be
/// here yet: of the same layer twice, the first time has to be named.
fn unpack_next(
    inner: &Inner,
    diff_ids: &[Digest],
    blobs: &[Descriptor],
    unpacked: &mut [Option<Unpacked>],
) -> Result<()> {
    for (index, blob) in blobs.iter().enumerate() {
        if inner.rooms.layers.find(&diff_ids[..=index])?.is_none() {
            unpacked[index] = Some(unpack_kept(inner, &diff_ids[index], blob)?);
            return Ok(());
        }
    }
    Ok(())
}

/// Unpacks layers whose bytes are here and that are not unpacked on this stack.
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
        unpacked.push(Some(unpack_kept(inner, &diff_ids[index], blob)?));
    }
    Ok(unpacked)
}

fn unpack_kept(inner: &Inner, diff_id: &Digest, blob: &Descriptor) -> Result<Unpacked> {
    let tar = layer_bytes::open_tar(&inner.rooms, diff_id, &blob.digest)?;
    let (pending, applied) = crate::layer_stream::unpack(&inner.rooms, tar)?;
    Ok(Unpacked {
        pending,
        applied,
        finished: None,
        blob: blob.digest.clone(),
    })
}

fn name_image(
    inner: &Inner,
    listed: &Listed,
    (id, config): (&Digest, ImageConfig),
    (layers, index): (Vec<(Descriptor, LayerFacts)>, Option<KeptIndex>),
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
        if let Some(index) = &index {
            change.complete_index(state, &id, index);
        }
        let mut moved = Vec::new();
        for name in &listed.names {
            let old = state.named(name).filter(|old| **old != id);
            moved.extend(old.map(|old| (name.clone(), old.clone())));
            change.names.push((
                name.clone(),
                Some(NameRecord {
                    image: id.clone(),
                    descriptor: None,
                    index: index.clone().map(Box::new),
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
