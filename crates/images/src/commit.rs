//! New images made on this machine: `docker commit` and `docker import`.

use crate::{
    CommitRequest, Error, ImportRequest, Result, changes,
    layer_stack::{Committed, LayerFacts, Leases, commit_stack},
    layer_stream::Unpacked,
    load::unpack_missing,
    messages,
    rooms::Inner,
    state::{Change, NewImage},
    tag::check_target,
    take_in::{TakenIn, take_in, take_in_written},
};
use corten_archive::{DiffOptions, diff};
use corten_base::Timestamp;
use corten_oci::{
    Descriptor, Digest, History, ImageConfig, Platform, Reference, RootFs, RunConfig,
};
use rustix::fs::{Mode, OFlags};
use std::{
    io::Read,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

/// The diff ID of a tar without members: 1024 zero bytes.
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// A new image before it has layers.
struct Draft {
    config: ImageConfig,
    parent: Option<Digest>,
    reference: Option<Reference>,
    /// Blobs of the layers below the new one.
    below: Vec<Descriptor>,
}

/// Makes an image of a file system tree. Blocking.
pub(crate) fn import(inner: &Inner, request: ImportRequest, tar: impl Read) -> Result<Digest> {
    let platform = request.platform.unwrap_or_else(Platform::host);
    if platform.os != Platform::host().os {
        return Err(Error::Invalid(messages::OS_UNSUPPORTED.into()));
    }
    let mut run = RunConfig::default();
    changes::apply(&mut run, &request.changes)?;
    let reference = request.reference.as_ref().map(check_target).transpose()?;
    let leases = Leases::new(&inner.rooms);
    let taken = take_in(&inner.rooms, tar, |_| {})?;
    let created = Timestamp::now();
    let comment = Some(request.message).filter(|text| !text.is_empty());
    let comment = comment.unwrap_or_else(|| "Imported from -".into());
    let step = History {
        created: Some(created),
        comment: Some(comment.clone()),
        ..History::default()
    };
    let config = ImageConfig {
        architecture: platform.architecture,
        variant: platform.variant,
        os: platform.os,
        created: Some(created),
        comment: Some(comment),
        config: Some(run),
        history: vec![step],
        ..ImageConfig::default()
    };
    let draft = Draft {
        config,
        parent: None,
        reference,
        below: Vec::new(),
    };
    finish(inner, &leases, draft, Some(taken))
}

/// Makes an image of a container's writable directory. Blocking.
pub(crate) fn commit(inner: &Inner, request: CommitRequest) -> Result<Digest> {
    let mut run = request.config.clone();
    changes::apply(&mut run, &request.changes)?;
    let reference = request.reference.as_ref().map(check_target).transpose()?;
    let leases = Leases::new(&inner.rooms);
    let upper = open_directory(&request.upper)?;
    let options = DiffOptions {
        exclude: request.exclude.clone(),
        ..DiffOptions::default()
    };
    let taken = take_in_written(&inner.rooms, |out| Ok(diff(upper.as_fd(), out, &options)?))?;
    let is_empty = taken.unpacked.applied.diff_id.to_string() == EMPTY_LAYER;
    let mut draft = Draft::child_of(inner, &leases, &request)?;
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let created = Timestamp::now();
    let command = request.command.join(" ");
    draft.config.history.push(History {
        created: Some(created),
        author: text(&request.author),
        created_by: text(&command),
        comment: text(&request.comment),
        empty_layer: is_empty.then_some(true),
    });
    draft.config.created = Some(created);
    draft.config.author = text(&request.author);
    draft.config.comment = text(&request.comment);
    draft.config.container = Some(request.container_id.clone());
    draft.config.config = Some(run);
    draft.reference = reference;
    finish(inner, &leases, draft, (!is_empty).then_some(taken))
}

impl Draft {
    /// What an image has from its parent: platform, history and layers.
    fn child_of(inner: &Inner, leases: &Leases, request: &CommitRequest) -> Result<Self> {
        let host = Platform::host();
        let Some(parent) = &request.parent else {
            let config = ImageConfig {
                architecture: host.architecture,
                variant: host.variant,
                os: host.os,
                ..ImageConfig::default()
            };
            return Ok(Self {
                config,
                parent: None,
                reference: None,
                below: Vec::new(),
            });
        };
        let state = inner.state();
        let sentence = || Error::NotFound(crate::messages::no_such_image(&parent.to_string()));
        let entry = state.images.get(parent).ok_or_else(sentence)?;
        let mut below = Vec::new();
        for diff_id in entry.config.diff_ids() {
            leases.layers.hold(diff_id);
            let layer = state.layers.get(diff_id);
            let layer = layer.ok_or_else(|| {
                Error::NotFound(format!("layer {diff_id} has no bytes on this machine"))
            })?;
            leases.blobs.hold(&layer.blob.digest);
            below.push(layer.blob.clone());
        }
        let base = ImageConfig::clone(&entry.config);
        let config = ImageConfig {
            architecture: base.architecture,
            variant: base.variant,
            os: base.os,
            os_version: base.os_version,
            os_features: base.os_features,
            rootfs: base.rootfs,
            history: base.history,
            ..ImageConfig::default()
        };
        Ok(Self {
            config,
            parent: Some(parent.clone()),
            reference: None,
            below,
        })
    }
}

/// Puts the new layer on top, makes all durable and records the image.
fn finish(inner: &Inner, leases: &Leases, draft: Draft, taken: Option<TakenIn>) -> Result<Digest> {
    let Draft {
        mut config,
        parent,
        reference,
        below: mut blobs,
    } = draft;
    let mut diff_ids = config.rootfs.diff_ids;
    let mut top = None;
    if let Some(taken) = taken {
        diff_ids.push(taken.unpacked.applied.diff_id.clone());
        blobs.push(taken.blob);
        top = Some(taken.unpacked);
    }
    config.rootfs = RootFs {
        diff_ids: diff_ids.clone(),
        ..RootFs::default()
    };
    config.docker_version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let bytes = serde_json::to_vec(&config).expect("a configuration is always JSON");
    let id = Digest::of(&bytes);
    leases.blobs.hold(&id);
    let facts = stack(inner, leases, &diff_ids, &blobs, top, &bytes)?;
    let new = NewImage {
        id: id.clone(),
        config: Arc::new(config),
        parent,
        manifest: None,
        layers: blobs.into_iter().zip(facts).collect(),
        source: None,
    };
    inner.change(|state| {
        let mut change = Change::default();
        change.add_image(state, new);
        if let Some(name) = reference {
            change.add_tag(state, &id, name, None);
        }
        Ok((change, id.clone()))
    })
}

fn stack(
    inner: &Inner,
    leases: &Leases,
    diff_ids: &[Digest],
    blobs: &[Descriptor],
    mut top: Option<Unpacked>,
    config: &[u8],
) -> Result<Vec<LayerFacts>> {
    let last = diff_ids.len().wrapping_sub(1);
    let take = |index: usize| top.take_if(|_| index == last);
    let (rooms, kept_blobs) = (&inner.rooms, inner.blobs());
    if let Committed::Layers(facts) =
        commit_stack(rooms, leases, diff_ids, take, &[config], kept_blobs)?
    {
        return Ok(facts);
    }
    // What the top is made of is kept only when it is named.
    let kept = diff_ids.len() - usize::from(top.is_some());
    let mut again = unpack_missing(inner, &diff_ids[..kept], &blobs[..kept])?;
    again.push(top);
    let take = |index: usize| again.get_mut(index).and_then(Option::take);
    match commit_stack(rooms, leases, diff_ids, take, &[config], kept_blobs)? {
        Committed::Layers(facts) => Ok(facts),
        Committed::Missing => Err(Error::Interrupted),
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|e| Error::Path {
        operation: "opening",
        path: path.to_owned(),
        source: e.into(),
    })
}
