//! `docker images`, `docker image inspect`, `docker history`: what is shown of images.

use crate::{
    Error, HistoryStep, Image, IndexSummary, Inspect, ListRequest, ManifestSummary, Result,
    Summary,
    kept_image::{self, Meant},
    kept_index::KeptIndex,
    manifest_list,
    pattern::matches_pattern,
    resolve::lookup_key,
    rooms::Rooms,
    state::State,
};
use corten_base::Timestamp;
use corten_oci::{Digest, Platform, Reference, chain_id};
use std::collections::{BTreeMap, HashMap};

/// Familiar forms of an image's names: with tags, and with digests.
pub(crate) fn names(state: &State, id: &Digest) -> (Vec<String>, Vec<String>) {
    familiar(state.names_of(id).collect())
}

fn familiar(names: Vec<&Reference>) -> (Vec<String>, Vec<String>) {
    let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
        names.into_iter().partition(|name| name.digest().is_some());
    // In the order of the whole names, as Docker lists them.
    let familiar = |list: Vec<&Reference>| list.into_iter().map(Reference::familiar).collect();
    (familiar(tags), familiar(digests))
}

fn created(image: &Image) -> Timestamp {
    image.config.created.unwrap_or_default()
}

/// Whether an image passes the filters that look at the image itself.
pub(crate) fn passes(request: &ListRequest, image: &Image) -> bool {
    let has = |filter: &String| {
        let (name, value) = match filter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (filter.as_str(), None),
        };
        image
            .config
            .labels()
            .any(|(n, v)| n == name && value.is_none_or(|value| value == v))
    };
    request.labels.iter().all(has)
        && !request.labels_not.iter().any(has)
        && request
            .until
            .is_none_or(|until| image.config.created.is_some_and(|created| created < until))
}

/// Names that are one line: all names of an image, or those that keep the same beside it.
struct Line<'a> {
    names: Vec<&'a Reference>,
    index: Option<&'a KeptIndex>,
}

fn lines<'a>(state: &'a State, id: &'a Digest, manifests: bool) -> Vec<Line<'a>> {
    if !manifests {
        let names = state.names_of(id).collect();
        return vec![Line { names, index: None }];
    }
    let mut lines: Vec<Line<'a>> = Vec::new();
    for name in state.names_of(id) {
        let record = state.names.get(name);
        let index = record.and_then(|it| it.index.as_deref());
        let same = |line: &&mut Line<'a>| {
            line.index.map(|it| &it.root.digest) == index.map(|it| &it.root.digest)
        };
        match lines.iter_mut().find(same) {
            Some(line) => line.names.push(name),
            None => lines.push(Line {
                names: vec![name],
                index,
            }),
        }
    }
    if lines.is_empty() {
        let names = Vec::new();
        lines.push(Line { names, index: None });
    }
    lines
}

fn index_summary(rooms: &Rooms, kept: &KeptIndex) -> Result<IndexSummary> {
    Ok(IndexSummary {
        descriptor: kept.root.clone(),
        manifests: manifest_list::summaries(rooms, kept)?,
    })
}

pub(crate) fn list(state: &State, rooms: &Rooms, request: &ListRequest) -> Result<Vec<Summary>> {
    let times = |names: &[String]| -> Result<Vec<Timestamp>> {
        names
            .iter()
            .map(|name| Ok(created(&state.resolve(name)?)))
            .collect()
    };
    let (before, since) = (times(&request.before)?, times(&request.since)?);
    let shared = if request.shared_size {
        shared_layers(state)
    } else {
        HashMap::new()
    };
    let mut summaries = Vec::new();
    for (id, entry) in &state.images {
        let Some(image) = state.image(id) else {
            continue;
        };
        let in_time = before.iter().all(|limit| created(&image) < *limit)
            && since.iter().all(|limit| created(&image) > *limit);
        if !in_time || !passes(request, &image) {
            continue;
        }
        for line in lines(state, id, request.manifests) {
            let Some((repo_tags, repo_digests)) = shown_names(state, request, id, &line) else {
                continue;
            };
            let shared_size_bytes = request.shared_size.then(|| shared_size(state, id, &shared));
            let index = line.index.map(|it| index_summary(rooms, it)).transpose()?;
            let mut image = image.clone();
            if let Some(index) = &index {
                let sizes = index.manifests.iter().map(ManifestSummary::total_bytes);
                image.size_bytes = sizes.sum();
            }
            summaries.push(Summary {
                image,
                repo_tags,
                repo_digests,
                shared_size_bytes,
                index,
                origins: entry.record.origins.clone(),
            });
        }
    }
    summaries.sort_by_key(|summary| std::cmp::Reverse(created(&summary.image)));
    Ok(summaries)
}

/// The names that a line is shown with, tags and digests; none, when it is not shown.
fn shown_names(
    state: &State,
    request: &ListRequest,
    id: &Digest,
    line: &Line<'_>,
) -> Option<(Vec<String>, Vec<String>)> {
    let (tags, digests) = familiar(line.names.clone());
    let is_named = !(tags.is_empty() && digests.is_empty());
    let is_wanted = match request.dangling {
        Some(true) => tags.is_empty(),
        Some(false) => is_named,
        None => true,
    };
    // What other images are made from, or an index keeps.
    let is_part = || state.children(id).next().is_some() || state.is_kept(id);
    if !is_wanted || !is_named && !request.all && is_part() {
        return None;
    }
    if request.references.is_empty() {
        return Some((tags, digests));
    }
    let patterns = &request.references;
    let fits = |name: &String| patterns.iter().any(|p| matches_reference(p, name));
    let tags: Vec<String> = tags.into_iter().filter(fits).collect();
    let digests: Vec<String> = digests.into_iter().filter(fits).collect();
    (!tags.is_empty() || !digests.is_empty()).then_some((tags, digests))
}

/// Docker's `reference` filter: the pattern fits the familiar form, or that without tag.
fn matches_reference(pattern: &str, familiar: &str) -> bool {
    let name = familiar
        .parse::<Reference>()
        .map(|name| name.familiar_name());
    matches_pattern(pattern, familiar) || name.is_ok_and(|name| matches_pattern(pattern, &name))
}

/// How many images stand on each stack of layers.
fn shared_layers(state: &State) -> HashMap<Digest, usize> {
    let mut users = HashMap::new();
    for entry in state.images.values() {
        for chain in chains(entry.config.diff_ids()) {
            *users.entry(chain).or_default() += 1;
        }
    }
    users
}

fn shared_size(state: &State, id: &Digest, users: &HashMap<Digest, usize>) -> u64 {
    let Some(entry) = state.images.get(id) else {
        return 0;
    };
    let chains = chains(entry.config.diff_ids());
    let sizes = chains.zip(&entry.record.layer_sizes);
    sizes
        .filter(|(chain, _)| users.get(chain).is_some_and(|n| *n > 1))
        .map(|(_, size)| size)
        .sum()
}

/// The chain ID of each layer's stack, bottom first.
pub(crate) fn chains(diff_ids: &[Digest]) -> impl Iterator<Item = Digest> {
    diff_ids.iter().scan(None::<Digest>, |below, diff_id| {
        let chain = match below.take() {
            None => diff_id.clone(),
            Some(below) => chain_id(&[below, diff_id.clone()]).unwrap_or_else(|| diff_id.clone()),
        };
        *below = Some(chain.clone());
        Some(chain)
    })
}

/// An image as it is shown for a platform: unpacked or not.
struct Shown {
    image: Image,
    /// Bytes of each layer.
    sizes: Vec<u64>,
}

fn shown(state: &State, rooms: &Rooms, name: &str, platform: Option<&Platform>) -> Result<Shown> {
    let meant = match platform {
        None => Meant::Here(state.resolve(name)?),
        Some(platform) => state.meant_or_missing(name, platform)?,
    };
    let (image, sizes) = match meant {
        Meant::Here(image) => {
            let entry = state.images.get(&image.id);
            let sizes = entry.map(|entry| entry.record.layer_sizes.clone());
            (image, sizes.unwrap_or_default())
        }
        Meant::Kept(kept) => kept_image::look(rooms, &kept)?,
    };
    Ok(Shown { image, sizes })
}

pub(crate) fn inspect(
    state: &State,
    rooms: &Rooms,
    name: &str,
    platform: Option<&Platform>,
) -> Result<Inspect> {
    let own = state.resolve(name)?;
    let Shown { mut image, .. } = shown(state, rooms, name, platform)?;
    // The names are the index's, whichever of its images is shown.
    image.last_tag_time = own.last_tag_time;
    let (repo_tags, repo_digests) = names(state, &own.id);
    let mut driver_data = BTreeMap::new();
    let places = match image.id == own.id || state.images.contains_key(&image.id) {
        true => rooms.layers.places(image.layers())?,
        false => Vec::new(),
    };
    let mut directories = places.into_iter();
    let text = |path: std::path::PathBuf| path.display().to_string();
    // No mount exists for an image, so there is no MergedDir and no WorkDir to show.
    if let Some(top) = directories.next() {
        driver_data.insert("UpperDir".to_owned(), text(top));
        let lower: Vec<String> = directories.map(text).collect();
        if !lower.is_empty() {
            driver_data.insert("LowerDir".to_owned(), lower.join(":"));
        }
    }
    let mut descriptor = state.descriptor_of(&image.id);
    let mut index = None;
    if let Some(kept) = kept_of(state, name) {
        index = Some(index_summary(rooms, kept)?);
        descriptor = match platform {
            None => Some(kept.root.clone()),
            Some(_) => state.kept_manifest(name, &image.id),
        };
    }
    let driver = rooms.driver;
    // An image of an index came with what the name stands for.
    let entry = state.images.get(&image.id);
    let entry = entry.or_else(|| state.images.get(&own.id));
    let origins = entry.map(|entry| entry.record.origins.clone());
    Ok(Inspect {
        origins: origins.unwrap_or_default(),
        image,
        repo_tags,
        repo_digests,
        driver,
        driver_data,
        descriptor,
        index,
    })
}

/// What a name keeps; an ID means what the image's first name keeps.
fn kept_of<'a>(state: &'a State, name: &str) -> Option<&'a KeptIndex> {
    let image = state.resolve(name).ok()?;
    let own = name.parse::<Reference>().ok();
    let own = own.and_then(|it| state.names.get(&lookup_key(&it)));
    match own.filter(|record| record.image == image.id) {
        Some(record) => record.index.as_deref(),
        None => {
            let names = state.names.values();
            let mut names = names.filter(|record| record.image == image.id);
            names.find_map(|record| record.index.as_deref())
        }
    }
}

pub(crate) fn history(
    state: &State,
    rooms: &Rooms,
    name: &str,
    platform: Option<&Platform>,
) -> Result<Vec<HistoryStep>> {
    let Shown { image, sizes } = shown(state, rooms, name, platform)?;
    let mut sizes = sizes.into_iter();
    let mut steps = Vec::new();
    for step in &image.config.history {
        let size_bytes = if step.empty_layer == Some(true) {
            0
        } else {
            let too_many = "too many non-empty layers in History section";
            sizes
                .next()
                .ok_or_else(|| Error::Invalid(too_many.into()))?
        };
        steps.push(HistoryStep {
            id: None,
            created: step.created.unwrap_or_default(),
            created_by: step.created_by.clone().unwrap_or_default(),
            tags: Vec::new(),
            size_bytes,
            comment: step.comment.clone().unwrap_or_default(),
        });
    }
    steps.reverse();
    let mut next = Some(image.id);
    for step in &mut steps {
        let Some(id) = next.take() else { break };
        step.tags = names(state, &id).0;
        next = state
            .images
            .get(&id)
            .and_then(|entry| entry.record.parent.clone());
        step.id = Some(id);
    }
    Ok(steps)
}
