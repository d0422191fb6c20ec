//! One layer held against its blob.

use crate::{
    Error, Result,
    layer_bytes::{has_tar, open_tar},
    layer_stream::{settle_pending, unpack},
    rooms::Rooms,
};
use corten_archive::{Applied, LowerView, compare};
use corten_oci::{Descriptor, Digest};
use corten_snapshot::{NewLayer, PendingLayer};
use std::{
    io::{self, Read},
    os::fd::AsFd,
};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What is wrong with a layer.
pub(crate) enum Trouble {
    /// The blob: nothing can be said about the files then.
    Blob(String),
    /// There is no blob, and the files do not give the layer's tar: only a registry tells
    /// what they should be.
    Tar(String),
    /// The unpacked files.
    Files { problem: String, fresh: Box<Fresh> },
}

/// A layer unpacked once more.
pub(crate) struct Fresh {
    pub pending: PendingLayer,
    pub layer: NewLayer,
}

/// Checks the last layer of a stack (diff IDs, bottom first), whose lower ones are right.
/// Blocking.
pub(crate) fn check(rooms: &Rooms, chain: &[Digest], blob: &Descriptor) -> Result<Option<Trouble>> {
    let diff_id = &chain[chain.len() - 1];
    // What is recorded of the layer may be damaged, too.
    let has_tar = has_tar(rooms, diff_id, blob).unwrap_or(false);
    let given_up = has_tar && !rooms.content.exists(&blob.digest)?;
    if given_up {
        if let Some(problem) = tar_problem(rooms, diff_id, blob) {
            return Ok(Some(Trouble::Tar(problem)));
        }
    } else if let Some(problem) = blob_problem(rooms, blob)? {
        return Ok(Some(Trouble::Blob(problem)));
    }
    let tar = open_tar(rooms, diff_id, &blob.digest)?;
    let fresh = match unpack(rooms, tar) {
        Ok((pending, applied)) if applied.diff_id == *diff_id => {
            fresh(rooms, chain, pending, applied, blob)?
        }
        Ok((_, applied)) => {
            let problem = format!("it holds the layer {}", applied.diff_id);
            return Ok(Some(Trouble::Blob(problem)));
        }
        Err(Error::Archive(
            error @ (corten_archive::Error::Decompress { .. }
            | corten_archive::Error::Malformed { .. }),
        )) => {
            return Ok(Some(Trouble::Blob(corten_base::chain(&error))));
        }
        // No room, no right: that says nothing about the blob.
        Err(error) => return Err(error),
    };
    let problem = match rooms.layers.find(chain) {
        Err(error) => Some(corten_base::chain(&error)),
        Ok(None) => Some("its files are missing".to_owned()),
        Ok(Some(layer)) => match layer.open() {
            Err(error) => Some(corten_base::chain(&error)),
            Ok(found) => {
                let expected = fresh.pending.open()?;
                match compare(found.as_fd(), expected.as_fd()) {
                    Ok(difference) => difference.map(|it| it.to_string()),
                    // A file that cannot be read is damaged.
                    Err(error) => Some(corten_base::chain(&error)),
                }
            }
        },
    };
    Ok(problem.map(|problem| Trouble::Files {
        problem,
        fresh: Box::new(fresh),
    }))
}

/// Settles an unpacked layer on those below it.
fn fresh(
    rooms: &Rooms,
    chain: &[Digest],
    mut pending: PendingLayer,
    mut applied: Applied,
    blob: &Descriptor,
) -> Result<Fresh> {
    let (diff_id, below) = chain.split_last().ok_or(Error::Interrupted)?;
    let mut settled_on = None;
    if !applied.unsettled.is_empty() {
        let lower = LowerView::open(&rooms.layers.directories(below)?)?;
        let again = || open_tar(rooms, diff_id, &blob.digest);
        settle_pending(&mut pending, &mut applied, &lower, again)?;
        settled_on = Some(below.to_vec());
    }
    let layer = NewLayer {
        diff_id: diff_id.clone(),
        settled_on,
        size_bytes: applied.size_bytes,
        has_root: applied.has_root,
        root_opaque: applied.root_opaque,
    };
    Ok(Fresh { pending, layer })
}

/// What is wrong with the tar that a layer's files give.
fn tar_problem(rooms: &Rooms, diff_id: &Digest, blob: &Descriptor) -> Option<String> {
    let found = open_tar(rooms, diff_id, &blob.digest).and_then(|mut tar| {
        digest(&mut tar, diff_id).map_err(|source| Error::Stream {
            operation: "reading its files",
            source,
        })
    });
    match found {
        Ok(found) if found == *diff_id => None,
        Ok(found) => Some(format!("they give the layer {found}")),
        Err(error) => Some(corten_base::chain(&error)),
    }
}

/// What is wrong with a blob's bytes. Blocking.
pub(crate) fn blob_problem(rooms: &Rooms, blob: &Descriptor) -> Result<Option<String>> {
    let mut file = match rooms.content.open_blob(&blob.digest) {
        Ok(file) => file,
        Err(corten_content::Error::NotFound { .. }) => return Ok(Some("it is missing".into())),
        Err(error) => return Err(error.into()),
    };
    let size = rooms.content.size(&blob.digest)?;
    if size != blob.size {
        let problem = format!("it has {size} bytes instead of {}", blob.size);
        return Ok(Some(problem));
    }
    Ok(match digest(&mut file, &blob.digest) {
        Ok(found) if found == blob.digest => None,
        Ok(found) => Some(format!("its bytes have the digest {found}")),
        // A sector that cannot be read is damage.
        Err(error) => Some(format!("it cannot be read: {error}")),
    })
}

fn digest(file: &mut impl Read, like: &Digest) -> io::Result<Digest> {
    let mut hasher = like.hasher();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
