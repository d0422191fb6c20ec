//! Images whose layers a builder has made and committed already.

use crate::{
    BuiltRequest, Error, Result,
    layer_stack::{Blobs, Committed, Leases, commit_stack},
    origin::Origin,
    rooms::{Inner, Rooms},
    state::{Change, NewImage},
    tag::check_target,
    take_in::new_blob,
};
use corten_archive::{Compression, DiffOptions, Packer, diff};
use corten_content::{Finished, Ingest};
use corten_oci::{Descriptor, Digest, Hasher, media_type};
use std::{io::Write, os::fd::AsFd, sync::Arc};

/// zstd's quickest usual level, as for commits.
const ZSTD_LEVEL: i32 = 1;

/// Compresses and hashes what is written.
struct Layer {
    hasher: Hasher,
    blob: Packer<Ingest>,
}

impl Write for Layer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hasher.update(bytes);
        self.blob.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Records an image of layers that are unpacked. A layer that has no blob yet gets one,
/// made of its directory; its diff ID has to come out. Blocking.
pub(crate) fn add_built(inner: &Inner, request: BuiltRequest) -> Result<Digest> {
    let names = request
        .names
        .iter()
        .map(check_target)
        .collect::<Result<Vec<_>>>()?;
    let leases = Leases::new(&inner.rooms);
    let diff_ids = request.config.diff_ids().to_vec();
    diff_ids
        .iter()
        .for_each(|diff_id| leases.layers.hold(diff_id));
    let bytes = serde_json::to_vec(&request.config).expect("a configuration is always JSON");
    let id = Digest::of(&bytes);
    leases.blobs.hold(&id);
    let known: Vec<Option<Descriptor>> = {
        let state = inner.state();
        let blob = |diff_id| state.layers.get(diff_id).map(|layer| layer.blob.clone());
        diff_ids.iter().map(blob).collect()
    };
    known
        .iter()
        .flatten()
        .for_each(|blob| leases.blobs.hold(&blob.digest));
    corten_base::step("built.compress");
    let made = compress(&inner.rooms, &diff_ids, &known)?;
    let mut finished = Vec::new();
    let mut blobs = Vec::new();
    for (known, made) in known.into_iter().zip(made) {
        match (known, made) {
            (Some(blob), _) => blobs.push(blob),
            (None, Some(made)) => {
                let stored = made.blob();
                leases.blobs.hold(&stored.digest);
                blobs.push(Descriptor::new(
                    media_type::OCI_LAYER_ZSTD,
                    stored.digest.clone(),
                    stored.size,
                ));
                finished.push(made);
            }
            (None, None) => return Err(Error::Interrupted),
        }
    }
    corten_base::step("built.blobs");
    inner.rooms.content.commit(finished)?;
    corten_base::step("built.layers");
    let Committed::Layers(facts) = commit_stack(
        &inner.rooms,
        &leases,
        &diff_ids,
        |_| None,
        &[&bytes],
        Blobs::Kept,
    )?
    else {
        return Err(Error::Interrupted);
    };
    let new = NewImage {
        id: id.clone(),
        config: Arc::new(request.config),
        parent: None,
        manifest: None,
        layers: blobs.into_iter().zip(facts).collect(),
        source: None,
    };
    corten_base::step("built.record");
    inner.change(|state| {
        let mut change = Change::default();
        change.add_image(state, new);
        if let Some(origin) = request.origin {
            change.add_origin(state, &id, Origin::Build(origin));
        }
        for name in names {
            change.add_tag(state, &id, name, None);
        }
        Ok((change, id.clone()))
    })
}

/// Blobs for the layers that have none, all at the same time.
fn compress(
    rooms: &Rooms,
    diff_ids: &[Digest],
    known: &[Option<Descriptor>],
) -> Result<Vec<Option<Finished>>> {
    std::thread::scope(|scope| {
        let begin = |(index, known): (usize, &Option<Descriptor>)| match known {
            Some(_) => None,
            // A layer that is there twice is compressed twice: it is empty or small.
            None => Some(scope.spawn(move || layer(rooms, &diff_ids[..=index]))),
        };
        let running: Vec<_> = known.iter().enumerate().map(begin).collect();
        running
            .into_iter()
            .map(|running| match running {
                None => Ok(None),
                Some(running) => running
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                    .map(Some),
            })
            .collect()
    })
}

/// The blob of a layer made of its files, which have to give its diff ID. Blocking.
pub(crate) fn layer(rooms: &Rooms, chain: &[Digest]) -> Result<Finished> {
    let diff_id = &chain[chain.len() - 1];
    let missing = || Error::NotFound(format!("layer {diff_id} is not on this machine"));
    let found = rooms.layers.find(chain)?.ok_or_else(missing)?;
    let directory = found.open()?;
    let out = Layer {
        hasher: Hasher::sha256(),
        blob: Packer::new(new_blob(rooms)?, Compression::Zstd, Some(ZSTD_LEVEL))?,
    };
    let out = diff(directory.as_fd(), out, &DiffOptions::default())?;
    if out.hasher.finish() != *diff_id {
        return Err(Error::LayerVerification(diff_id.clone()));
    }
    Ok(out.blob.finish()?.finish()?)
}
