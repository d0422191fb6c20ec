//! `docker images`, `docker image inspect`, `docker history`: what is shown of images.

use crate::{
    Error, HistoryStep, Image, Inspect, ListRequest, Result, Summary, pattern::matches_pattern,
    rooms::Rooms, state::State,
};
use corten_base::Timestamp;
use corten_oci::{Digest, Reference, chain_id};
use std::collections::{BTreeMap, HashMap};

/// Familiar forms of an image's names: with tags, and with digests.
pub(crate) fn names(state: &State, id: &Digest) -> (Vec<String>, Vec<String>) {
    let (digests, tags): (Vec<&Reference>, Vec<&Reference>) =
        state.names_of(id).partition(|name| name.digest().is_some());
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

pub(crate) fn list(state: &State, request: &ListRequest) -> Result<Vec<Summary>> {
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
    for id in state.images.keys() {
        let Some(image) = state.image(id) else {
            continue;
        };
        let in_time = before.iter().all(|limit| created(&image) < *limit)
            && since.iter().all(|limit| created(&image) > *limit);
        if !in_time || !passes(request, &image) {
            continue;
        }
        let (tags, digests) = names(state, id);
        let is_named = !(tags.is_empty() && digests.is_empty());
        let is_wanted = match request.dangling {
            Some(true) => tags.is_empty(),
            Some(false) => is_named,
            None => true,
        };
        let is_intermediate = !is_named && !request.all && state.children(id).next().is_some();
        if !is_wanted || is_intermediate {
            continue;
        }
        let (repo_tags, repo_digests) = match &request.references[..] {
            [] => (tags, digests),
            patterns => {
                let fits = |name: &String| patterns.iter().any(|p| matches_reference(p, name));
                (
                    tags.into_iter().filter(fits).collect(),
                    digests.into_iter().filter(fits).collect(),
                )
            }
        };
        if !request.references.is_empty() && repo_tags.is_empty() && repo_digests.is_empty() {
            continue;
        }
        let shared_size_bytes = request.shared_size.then(|| shared_size(state, id, &shared));
        summaries.push(Summary {
            image,
            repo_tags,
            repo_digests,
            shared_size_bytes,
        });
    }
    summaries.sort_by_key(|summary| std::cmp::Reverse(created(&summary.image)));
    Ok(summaries)
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

pub(crate) fn inspect(state: &State, rooms: &Rooms, name: &str) -> Result<Inspect> {
    let image = state.resolve(name)?;
    let (repo_tags, repo_digests) = names(state, &image.id);
    let mut driver_data = BTreeMap::new();
    let mut directories = rooms.layers.places(image.layers())?.into_iter();
    let text = |path: std::path::PathBuf| path.display().to_string();
    // No mount exists for an image, so there is no MergedDir and no WorkDir to show.
    if let Some(top) = directories.next() {
        driver_data.insert("UpperDir".to_owned(), text(top));
        let lower: Vec<String> = directories.map(text).collect();
        if !lower.is_empty() {
            driver_data.insert("LowerDir".to_owned(), lower.join(":"));
        }
    }
    let descriptor = state.descriptor_of(&image.id);
    let driver = rooms.driver;
    Ok(Inspect {
        image,
        repo_tags,
        repo_digests,
        driver,
        driver_data,
        descriptor,
    })
}

pub(crate) fn history(state: &State, name: &str) -> Result<Vec<HistoryStep>> {
    let image = state.resolve(name)?;
    let mut sizes = state
        .images
        .get(&image.id)
        .map(|entry| entry.record.layer_sizes.clone())
        .unwrap_or_default()
        .into_iter();
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
