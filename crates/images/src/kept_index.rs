//! What a name stands for beside the image that runs here: an index over images for several
//! platforms and what is said about them, as a builder made it or an archive brought it. Its
//! manifests, documents and layers are blobs of the content store; a push, a copy of the name
//! and an archive give them on as they are. Parts of it may be missing: single platforms can
//! be removed.

use crate::{
    Error, Result,
    artifact::{Artifact, Document},
    layer_stack::Leases,
    messages,
    record::NameRecord,
    rooms::Inner,
    state::{Change, State},
    tag::check_target,
};
use corten_oci::{
    Descriptor, Digest, Index, ManifestOrIndex, Platform, Reference, manifest::MANIFEST_BYTES_MAX,
};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// An index that a name keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptIndex {
    /// The index.
    pub root: Descriptor,
    /// Those that are here, in the order in which they are pushed: the root is the last.
    pub manifests: Vec<KeptManifest>,
    /// Configurations and statements.
    pub documents: Vec<Descriptor>,
    /// Each once, with its diff ID.
    pub layers: Vec<(Descriptor, Digest)>,
    /// Those that are here, in the index's order.
    pub images: Vec<KeptImage>,
}

/// A manifest of the index, or the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptManifest {
    pub descriptor: Descriptor,
    pub is_attestation: bool,
}

/// An image of the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptImage {
    pub platform: Platform,
    pub manifest: Descriptor,
    /// Its digest is the image's ID.
    pub config: Descriptor,
    /// The lowest first.
    pub layers: Vec<Descriptor>,
}

impl KeptIndex {
    /// None, when the artifact is one manifest.
    fn of(artifact: &Artifact) -> Option<Self> {
        let root = artifact.manifests.last()?;
        let Ok(ManifestOrIndex::Index(index)) = ManifestOrIndex::parse(None, &root.bytes) else {
            return None;
        };
        let manifests = artifact.manifests.iter().map(|it| KeptManifest {
            descriptor: it.descriptor.clone(),
            is_attestation: it.is_attestation,
        });
        Some(Self {
            root: artifact.root.clone(),
            manifests: manifests.collect(),
            documents: artifact.documents.iter().map(|it| it.0.clone()).collect(),
            layers: artifact.layers.clone(),
            images: images(&index, artifact),
        })
    }

    /// Every blob of it.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        let manifests = self.manifests.iter().map(|it| &it.descriptor.digest);
        let documents = self.documents.iter().map(|it| &it.digest);
        let layers = self.layers.iter().map(|it| &it.0.digest);
        manifests.chain(documents).chain(layers)
    }

    /// Whether one of its images is for this platform.
    pub fn has(&self, platform: &Platform) -> bool {
        self.choose(platform).is_some()
    }

    /// Whether this is the ID of one of its images.
    pub fn holds(&self, id: &Digest) -> bool {
        self.images.iter().any(|it| it.config.digest == *id)
    }

    /// The image that fits a platform best.
    pub fn choose(&self, platform: &Platform) -> Option<&KeptImage> {
        let fits = |it: &KeptImage| platform.preference(&it.platform);
        let fitting = self.images.iter().filter(|it| fits(it).is_some());
        fitting.min_by_key(|it| fits(it))
    }

    /// The image that fits a machine best, or the first where none does.
    pub fn best(&self, host: &Platform) -> Option<&KeptImage> {
        self.choose(host).or(self.images.first())
    }

    /// The image for a platform and nothing else; all of it where it has none.
    fn only(&self, platform: &Platform) -> Self {
        match self.choose(platform) {
            Some(image) => self.alone(image),
            None => self.clone(),
        }
    }

    /// One of its images and nothing else.
    pub fn alone(&self, image: &KeptImage) -> Self {
        let is_own = |it: &&(Descriptor, Digest)| {
            let digest = &it.0.digest;
            image.layers.iter().any(|own| own.digest == *digest)
        };
        Self {
            root: image.manifest.clone(),
            manifests: vec![KeptManifest {
                descriptor: image.manifest.clone(),
                is_attestation: false,
            }],
            documents: vec![image.config.clone()],
            layers: self.layers.iter().filter(is_own).cloned().collect(),
            images: vec![image.clone()],
        }
    }

    /// The same without one of its images. What is said about that stays.
    pub fn without(&self, image: &KeptImage) -> Self {
        let left = self.images.iter();
        let left = left.filter(|it| it.manifest.digest != image.manifest.digest);
        let images: Vec<KeptImage> = left.cloned().collect();
        let is_left = |digest: &Digest| {
            let mut blobs = images.iter().flat_map(|it| {
                let layers = it.layers.iter().map(|layer| &layer.digest);
                layers.chain([&it.manifest.digest, &it.config.digest])
            });
            blobs.any(|it| it == digest)
        };
        let is_gone = |digest: &Digest| {
            let own = image.layers.iter().map(|it| &it.digest);
            let mut own = own.chain([&image.manifest.digest, &image.config.digest]);
            own.any(|it| it == digest) && !is_left(digest)
        };
        let mut part = self.clone();
        part.manifests.retain(|it| !is_gone(&it.descriptor.digest));
        part.documents.retain(|it| !is_gone(&it.digest));
        part.layers.retain(|it| !is_gone(&it.0.digest));
        part.images = images;
        part
    }

    /// Its documents read, for a push or an archive: all of it, or the image for one
    /// platform. Blocking.
    pub fn open(
        &self,
        inner: &Inner,
        names: Vec<Reference>,
        platform: Option<&Platform>,
    ) -> Result<Artifact> {
        let part = platform.map(|platform| self.only(platform));
        let kept = part.as_ref().unwrap_or(self);
        let leases = Leases::new(&inner.rooms);
        kept.blobs().for_each(|digest| leases.blobs.hold(digest));
        let read = |digest| Ok::<_, Error>(inner.rooms.content.read(digest, MANIFEST_BYTES_MAX)?);
        let mut manifests = Vec::new();
        for it in &kept.manifests {
            manifests.push(Document {
                descriptor: it.descriptor.clone(),
                bytes: read(&it.descriptor.digest)?,
                is_attestation: it.is_attestation,
            });
        }
        let mut documents = Vec::new();
        for it in &kept.documents {
            documents.push((it.clone(), read(&it.digest)?));
        }
        // What an older client loads of an archive is what runs here.
        let host = Platform::host();
        let mut images: Vec<&KeptImage> = kept.images.iter().collect();
        images.sort_by_key(|it| host.preference(&it.platform).unwrap_or(usize::MAX));
        let first = images.first().map(|it| it.config.digest.clone());
        Ok(Artifact {
            root: kept.root.clone(),
            config: first.unwrap_or_else(|| kept.root.digest.clone()),
            names,
            manifests,
            documents,
            layers: kept.layers.clone(),
            images: images
                .into_iter()
                .map(|it| (it.config.clone(), it.layers.clone()))
                .collect(),
            leases,
        })
    }
}

/// The images of an artifact with what its index says of them; both have them in one order.
fn images(index: &Index, artifact: &Artifact) -> Vec<KeptImage> {
    let listed = index.manifests.iter().filter_map(|it| {
        let attested = artifact.manifests.iter();
        let is_attestation = attested
            .filter(|own| own.is_attestation)
            .any(|own| own.descriptor.digest == it.digest);
        (!is_attestation).then_some((it, it.platform.clone()?))
    });
    let images = listed.zip(&artifact.images);
    let kept = images.map(|((manifest, platform), (config, layers))| KeptImage {
        platform,
        manifest: manifest.clone(),
        config: config.clone(),
        layers: layers.clone(),
    });
    kept.collect()
}

/// Gives an image of this machine names that stand for the artifact. Blocking.
pub(crate) fn name(
    inner: &Inner,
    artifact: &Artifact,
    image: &Digest,
    names: &[Reference],
) -> Result<()> {
    let names = names.iter().map(check_target);
    let names = names.collect::<Result<Vec<Reference>>>()?;
    let kept = KeptIndex::of(artifact);
    if kept.is_some() {
        corten_base::step("index.documents");
        let manifests = artifact.manifests.iter().map(|it| &it.bytes);
        for bytes in manifests.chain(artifact.documents.iter().map(|it| &it.1)) {
            artifact.leases.blobs.hold(&Digest::of(bytes));
            inner.rooms.content.put(bytes)?;
        }
    }
    corten_base::step("index.record");
    inner.change(|state| {
        if !state.images.contains_key(image) {
            return Err(Error::NotFound(messages::no_such_image(&image.to_string())));
        }
        let mut change = Change::default();
        for name in names {
            change.add_tag(state, image, name, kept.clone());
        }
        Ok((change, ()))
    })
}

/// Bytes of the blobs that names keep, each once, but for layers of images that are here.
pub(crate) fn bytes(state: &State) -> u64 {
    let mut seen = HashSet::new();
    let mut sum = 0;
    for kept in state.names.values().filter_map(|it| it.index.as_deref()) {
        let manifests = kept.manifests.iter().map(|it| &it.descriptor);
        let layers = kept.layers.iter();
        let layers = layers.filter(|(_, diff_id)| !state.layers.contains_key(diff_id));
        let blobs = manifests
            .chain(&kept.documents)
            .chain(layers.map(|it| &it.0));
        sum += blobs
            .filter(|it| seen.insert(&it.digest))
            .map(|it| it.size)
            .sum::<u64>();
    }
    sum
}

/// What a name as users write it keeps, if it is that of this image.
pub(crate) fn of_name(record: Option<&NameRecord>, image: &Digest) -> Option<KeptIndex> {
    let record = record.filter(|record| record.image == *image)?;
    record.index.as_deref().cloned()
}
