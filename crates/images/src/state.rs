//! All images in memory, as the store has them: what `list` and `resolve` answer from.

use crate::{
    Image, Origins,
    kept_index::KeptIndex,
    layer_stack::LayerFacts,
    origin::Origin,
    record::{ImageRecord, LayerRecord, NameRecord},
};
use corten_base::Timestamp;
use corten_oci::{Descriptor, Digest, ImageConfig, Reference};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// What is known at one moment.
#[derive(Default)]
pub(crate) struct State {
    pub images: BTreeMap<Digest, Entry>,
    pub names: BTreeMap<Reference, NameRecord>,
    pub layers: HashMap<Digest, LayerRecord>,
}

/// An image with its record.
#[derive(Clone)]
pub(crate) struct Entry {
    pub config: Arc<ImageConfig>,
    pub record: ImageRecord,
}

/// Changes that happen together, in the store first and then in memory.
#[derive(Default)]
pub(crate) struct Change {
    pub images: Vec<(Digest, Option<Entry>)>,
    pub names: Vec<(Reference, Option<NameRecord>)>,
    pub layers: Vec<(Digest, Option<LayerRecord>)>,
}

/// An image that is about to be recorded. Its layers and documents are durable.
pub(crate) struct NewImage {
    pub id: Digest,
    pub config: Arc<ImageConfig>,
    pub parent: Option<Digest>,
    /// The manifest it was pulled by.
    pub manifest: Option<Digest>,
    /// The lowest first: the blob and what is known of the layer.
    pub layers: Vec<(Descriptor, LayerFacts)>,
    /// Domain and repository that have the blobs.
    pub source: Option<(String, String)>,
}

impl Change {
    /// Records an image. One that is known keeps its record.
    pub fn add_image(&mut self, state: &State, new: NewImage) {
        for (diff_id, (blob, facts)) in new.config.diff_ids().iter().zip(&new.layers) {
            let known = state.layers.get(diff_id).cloned();
            let mut layer = known.unwrap_or_else(|| LayerRecord {
                blob: blob.clone(),
                made: None,
                tar_bytes: None,
                sources: Vec::new(),
            });
            layer.tar_bytes = facts.tar_bytes.or(layer.tar_bytes);
            if let Some((domain, path)) = &new.source {
                let digest = layer.blob.digest.clone();
                // Another registry may have it compressed in other bytes.
                if digest == blob.digest {
                    layer.add_source(domain, path, &digest);
                }
            }
            self.layers.push((diff_id.clone(), Some(layer)));
        }
        if state.images.contains_key(&new.id) {
            return;
        }
        let record = ImageRecord {
            parent: new.parent,
            last_tag_time: Timestamp::ZERO,
            last_used: Timestamp::now(),
            manifest: new.manifest,
            layer_sizes: new
                .layers
                .iter()
                .map(|(_, facts)| facts.size_bytes)
                .collect(),
            origins: Origins::default(),
        };
        self.images.push((
            new.id,
            Some(Entry {
                config: new.config,
                record,
            }),
        ));
    }

    /// An image's entry as it is to become, for who changes it further.
    fn take_entry(&mut self, state: &State, id: &Digest) -> Option<Entry> {
        match self.images.iter().position(|(changed, _)| changed == id) {
            Some(position) => self.images.remove(position).1,
            None => state.images.get(id).cloned(),
        }
    }

    /// Remembers how an image came.
    pub fn add_origin(&mut self, state: &State, id: &Digest, origin: Origin) {
        let is_changed = self.images.iter().any(|(changed, _)| changed == id);
        if let Some(mut entry) = self.take_entry(state, id)
            && (entry.record.origins.add(origin) || is_changed)
        {
            self.images.push((id.clone(), Some(entry)));
        }
    }

    /// Gives an image a name, as `docker tag` does: it remembers when.
    /// With an index the name stands for that, too.
    pub fn add_tag(
        &mut self,
        state: &State,
        id: &Digest,
        target: Reference,
        index: Option<KeptIndex>,
    ) {
        if let Some(mut entry) = self.take_entry(state, id) {
            entry.record.last_tag_time = Timestamp::now();
            self.images.push((id.clone(), Some(entry)));
        }
        if let Some(index) = &index {
            self.complete_index(state, id, index);
        }
        self.names.push((
            target,
            Some(NameRecord {
                image: id.clone(),
                descriptor: None,
                index: index.map(Box::new),
            }),
        ));
    }

    /// An index is here in full: that of other names is the same one, parts of which may have
    /// been removed.
    pub fn complete_index(&mut self, state: &State, id: &Digest, index: &KeptIndex) {
        for (name, record) in &state.names {
            let own = record.index.as_deref();
            if own.is_some_and(|own| own.root.digest == index.root.digest) {
                let record = NameRecord {
                    image: id.clone(),
                    descriptor: record.descriptor.clone(),
                    index: Some(Box::new(index.clone())),
                };
                self.names.push((name.clone(), Some(record)));
            }
        }
    }
}

impl State {
    pub fn apply(&mut self, change: Change) {
        for (id, entry) in change.images {
            match entry {
                Some(entry) => self.images.insert(id, entry),
                None => self.images.remove(&id),
            };
        }
        for (name, record) in change.names {
            match record {
                Some(record) => self.names.insert(name, record),
                None => self.names.remove(&name),
            };
        }
        for (diff_id, record) in change.layers {
            match record {
                Some(record) => self.layers.insert(diff_id, record),
                None => self.layers.remove(&diff_id),
            };
        }
    }

    pub fn image(&self, id: &Digest) -> Option<Image> {
        let entry = self.images.get(id)?;
        Some(Image {
            id: id.clone(),
            config: Arc::clone(&entry.config),
            parent: entry.record.parent.clone(),
            size_bytes: entry.record.layer_sizes.iter().sum(),
            last_tag_time: entry.record.last_tag_time,
        })
    }

    /// All names of an image, sorted.
    pub fn names_of<'a>(&'a self, id: &'a Digest) -> impl Iterator<Item = &'a Reference> {
        self.names
            .iter()
            .filter(move |(_, record)| record.image == *id)
            .map(|(name, _)| name)
    }

    /// Whether an index that a name keeps has this image.
    pub fn is_kept(&self, id: &Digest) -> bool {
        let mut indexes = self.names.values().filter_map(|it| it.index.as_deref());
        indexes.any(|index| index.holds(id))
    }

    /// Images that say they were made from this one.
    pub fn children<'a>(&'a self, id: &'a Digest) -> impl Iterator<Item = &'a Digest> {
        let is_child = move |entry: &Entry| entry.record.parent.as_ref() == Some(id);
        self.images
            .iter()
            .filter(move |(_, entry)| is_child(entry))
            .map(|(id, _)| id)
    }

    /// The descriptor a registry gave for the image, from one of its names by digest.
    pub fn descriptor_of(&self, id: &Digest) -> Option<Descriptor> {
        let mut records = self.names.values().filter(|record| record.image == *id);
        records.find_map(|record| record.descriptor.clone())
    }

    /// Blobs that images need.
    pub fn needed_blobs(&self) -> HashSet<Digest> {
        let mut needed = HashSet::new();
        for (id, entry) in &self.images {
            needed.insert(id.clone());
            needed.extend(entry.record.manifest.clone());
            for diff_id in entry.config.diff_ids() {
                if let Some(layer) = self.layers.get(diff_id) {
                    needed.insert(layer.blob.digest.clone());
                    needed.extend(layer.made.as_ref().map(|made| made.digest.clone()));
                }
            }
        }
        let indexes = self.names.values().filter_map(|it| it.index.as_ref());
        needed.extend(indexes.flat_map(|it| it.blobs().cloned()));
        needed
    }

    /// Stacks of layers that images need, each bottom first.
    pub fn needed_chains(&self) -> Vec<Vec<Digest>> {
        self.images
            .values()
            .map(|entry| entry.config.diff_ids().to_vec())
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Images whose IDs are the given two digits and zeroes, with these names.
    pub fn state_of(images: &[(&str, &[&str])]) -> State {
        let mut state = State::default();
        for (digits, names) in images {
            let id = Digest::from_sha256_hex(&format!("{digits:0<64}")).unwrap();
            let record = ImageRecord {
                parent: None,
                last_tag_time: corten_base::Timestamp::ZERO,
                last_used: corten_base::Timestamp::ZERO,
                manifest: None,
                layer_sizes: Vec::new(),
                origins: Origins::default(),
            };
            let entry = Entry {
                config: Arc::default(),
                record,
            };
            let mut change = Change {
                images: vec![(id.clone(), Some(entry))],
                ..Change::default()
            };
            for name in *names {
                let record = NameRecord {
                    image: id.clone(),
                    descriptor: None,
                    index: None,
                };
                change.names.push((name.parse().unwrap(), Some(record)));
            }
            state.apply(change);
        }
        state
    }
}
