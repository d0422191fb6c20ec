//! An image of an index that a name keeps, other than the one the name means by itself:
//! looked at as it lies there, and unpacked when somebody needs its files. What was unpacked
//! is an image of this machine without a name; lists and prunes pass over it while an index
//! keeps it, and it goes with the last one.

use crate::{
    Error, Image, Result,
    kept_index::{KeptImage, of_name},
    layer_stack::{Blobs, Committed, Leases, commit_stack},
    load::unpack_missing,
    messages,
    resolve::lookup_key,
    rooms::{Inner, Rooms, parse_config},
    state::{Change, NewImage, State},
};
use corten_oci::{
    Descriptor, Digest, ImageConfig, Platform, Reference, manifest::MANIFEST_BYTES_MAX,
};
use std::sync::Arc;

/// What a name means for a platform.
pub(crate) enum Meant {
    /// An image of this machine.
    Here(Image),
    /// One that an index keeps and that is not unpacked.
    Kept(Box<KeptImage>),
}

impl State {
    /// What a name means for a platform; none, when it has nothing for that.
    pub fn meant(&self, name: &str, platform: &Platform) -> Result<Option<Meant>> {
        let image = self.resolve(name)?;
        let named = name.parse::<Reference>().ok();
        let named = named.and_then(|it| self.names.get(&lookup_key(&it)));
        if let Some(kept) = of_name(named, &image.id)
            && let Some(kept) = kept.choose(platform)
        {
            return Ok(Some(match self.image(&kept.config.digest) {
                Some(image) => Meant::Here(image),
                None => Meant::Kept(Box::new(kept.clone())),
            }));
        }
        let fits = platform.matches(&image.config.platform());
        Ok(fits.then_some(Meant::Here(image)))
    }

    /// As [`State::meant`], with Docker's sentence where there is nothing.
    pub fn meant_or_missing(&self, name: &str, platform: &Platform) -> Result<Meant> {
        let missing = || {
            let actual = self.resolve(name).map(|image| image.config.platform());
            let actual = actual.unwrap_or_default();
            Error::NotFound(messages::wrong_platform(name, &actual, platform))
        };
        self.meant(name, platform)?.ok_or_else(missing)
    }
}

/// The image as it would be on this machine, and the bytes of each layer: of its files where
/// they are unpacked, else of its blob. Blocking.
pub(crate) fn look(rooms: &Rooms, kept: &KeptImage) -> Result<(Image, Vec<u64>)> {
    let config = Arc::new(config(rooms, kept)?);
    let mut sizes = Vec::new();
    for (index, blob) in kept.layers.iter().enumerate() {
        let chain = config.diff_ids().get(..=index).unwrap_or_default();
        let unpacked = rooms.layers.find(chain)?;
        sizes.push(unpacked.map_or(blob.size, |layer| layer.size_bytes));
    }
    let image = Image {
        id: kept.config.digest.clone(),
        config,
        parent: None,
        size_bytes: sizes.iter().sum(),
        last_tag_time: corten_base::Timestamp::ZERO,
    };
    Ok((image, sizes))
}

pub(crate) fn config(rooms: &Rooms, kept: &KeptImage) -> Result<ImageConfig> {
    let digest = &kept.config.digest;
    parse_config(&rooms.content.read(digest, MANIFEST_BYTES_MAX)?)
}

/// Makes it an image of this machine, without a name. Blocking.
pub(crate) fn unpack(inner: &Inner, kept: &KeptImage) -> Result<Image> {
    let leases = Leases::new(&inner.rooms);
    let id = &kept.config.digest;
    let layers = kept.layers.iter().map(|it| &it.digest);
    layers
        .chain([id, &kept.manifest.digest])
        .for_each(|digest| leases.blobs.hold(digest));
    let known = |inner: &Inner| inner.state().image(id);
    if let Some(image) = known(inner) {
        return Ok(image);
    }
    corten_base::step("index.unpack");
    let bytes = inner.rooms.content.read(id, MANIFEST_BYTES_MAX)?;
    let config = parse_config(&bytes)?;
    let diff_ids = config.diff_ids();
    diff_ids.iter().for_each(|it| leases.layers.hold(it));
    let blobs: Vec<Descriptor> = kept.layers.clone();
    if blobs.len() != diff_ids.len() {
        let sentence = "layers from manifest don't match image configuration";
        return Err(Error::Invalid(sentence.into()));
    }
    let mut unpacked = unpack_missing(inner, diff_ids, &blobs)?;
    let take = |index: usize| unpacked.get_mut(index).and_then(Option::take);
    let committed = commit_stack(
        &inner.rooms,
        &leases,
        diff_ids,
        take,
        &[&bytes],
        Blobs::Kept,
    )?;
    let Committed::Layers(facts) = committed else {
        return Err(Error::Interrupted);
    };
    corten_base::step("index.unpacked");
    let new = NewImage {
        id: id.clone(),
        config: Arc::new(config),
        parent: None,
        manifest: None,
        layers: blobs.into_iter().zip(facts).collect(),
        source: None,
    };
    inner.change(|state| {
        let mut change = Change::default();
        change.add_image(state, new);
        Ok((change, ()))
    })?;
    known(inner).ok_or(Error::Interrupted)
}

/// The image that a name means for a platform, unpacked; none, when it has nothing for that.
/// Blocking.
pub(crate) fn for_platform(
    inner: &Inner,
    name: &str,
    platform: &Platform,
) -> Result<Option<(Image, Option<Descriptor>)>> {
    let meant = inner.state().meant(name, platform)?;
    match meant {
        None => Ok(None),
        Some(Meant::Here(image)) => {
            let manifest = inner.state().kept_manifest(name, &image.id);
            Ok(Some((image, manifest)))
        }
        Some(Meant::Kept(kept)) => {
            let image = unpack(inner, &kept)?;
            Ok(Some((image, Some(kept.manifest.clone()))))
        }
    }
}

impl State {
    /// The manifest of an image in the index that a name keeps.
    pub fn kept_manifest(&self, name: &str, id: &Digest) -> Option<Descriptor> {
        let name = name.parse::<Reference>().ok()?;
        let index = self.names.get(&lookup_key(&name))?.index.as_deref()?;
        let mut images = index.images.iter();
        let found = images.find(|it| it.config.digest == *id)?;
        Some(found.manifest.clone())
    }
}
