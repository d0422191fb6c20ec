//! What a result was made of: sources with their digests, what steps were given, and the
//! steps themselves. Plain values: nothing here keeps files or layers.

use crate::{
    context::Context,
    request::ContextSource,
    vertex::{MountOp, Op, Vertex},
};
use corten_dockerfile::Location;
use corten_oci::{Digest, Platform};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A source with what it turned out to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Material {
    /// A package URL, a repository, a file on the network.
    pub uri: String,
    /// `sha256`, or `sha1` for a commit.
    pub algorithm: &'static str,
    /// Hexadecimal.
    pub digest: String,
}

impl Material {
    pub(crate) fn sha256(uri: String, digest: &Digest) -> Self {
        Self {
            uri,
            algorithm: "sha256",
            digest: digest.hex().to_owned(),
        }
    }

    pub(crate) fn commit(remote: &str, commit: &str) -> Self {
        let algorithm = match commit.len() {
            64 => "sha256",
            _ => "sha1",
        };
        Self {
            uri: redacted(remote),
            algorithm,
            digest: commit.to_owned(),
        }
    }
}

/// What a result was made of.
#[derive(Debug, Clone, Default)]
pub struct Materials {
    /// Images, repositories and files, each once.
    pub sources: Vec<Material>,
    /// Directories of the client, by its names.
    pub locals: Vec<String>,
    /// Secrets that steps could read, and whether they could do without. Never values.
    pub secrets: BTreeMap<String, bool>,
    /// Agents likewise.
    pub agents: BTreeMap<String, bool>,
    /// A step could reach a network.
    pub network: bool,
    /// The main context, where it came from the network.
    pub context: Option<Material>,
    /// The Dockerfile's path.
    pub filename: String,
    /// Inputs before what stands on them.
    pub(crate) steps: Vec<Step>,
    /// The steps that the result's layers are of, by their places, each with how many layers
    /// there are up to it; the lowest first.
    pub(crate) chain: Vec<(usize, usize)>,
}

/// A step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub digest: Digest,
    /// Places of steps.
    pub inputs: Vec<usize>,
    /// In the words of BuildKit's graphs.
    pub op: Value,
    pub location: Option<Location>,
}

/// What is known of a build beside its graph.
pub(crate) struct Known<'a> {
    pub images: Vec<Material>,
    pub context: Option<&'a Material>,
    pub filename: &'a str,
    /// What files from the network turned out to be, by their steps.
    pub fetched: HashMap<Digest, Material>,
    pub platform: &'a Platform,
}

/// Collects them below `target`.
pub(crate) fn collect(target: &Arc<Vertex>, known: Known<'_>) -> Materials {
    let mut materials = Materials {
        sources: known.images.clone(),
        context: known.context.cloned(),
        filename: known.filename.to_owned(),
        ..Materials::default()
    };
    materials.sources.extend(known.context.cloned());
    let mut places = HashMap::new();
    // Inputs first: a vertex is looked at again when those below it are done.
    let mut open = vec![(target, false)];
    while let Some((vertex, below_done)) = open.pop() {
        if places.contains_key(&vertex.digest) {
            continue;
        }
        if !below_done {
            open.push((vertex, true));
            open.extend(vertex.inputs.iter().rev().map(|it| (it, false)));
            continue;
        }
        materials.look_at(vertex, &known);
        if matches!(vertex.op, Op::Scratch) {
            continue;
        }
        let inputs = vertex.inputs.iter();
        let inputs = inputs.filter_map(|it| places.get(&it.digest).copied());
        let step = Step {
            digest: vertex.digest.clone(),
            inputs: inputs.collect(),
            op: crate::steps::op(vertex, &places, &known),
            location: vertex.location,
        };
        places.insert(vertex.digest.clone(), materials.steps.len());
        materials.steps.push(step);
    }
    materials.chain = chain(target, &places);
    materials.sources.sort();
    materials.sources.dedup();
    materials.locals.sort();
    materials.locals.dedup();
    materials
}

/// What the result was made of from the image at its bottom on. Each step above it makes a
/// layer.
fn chain(target: &Arc<Vertex>, places: &HashMap<Digest, usize>) -> Vec<(usize, usize)> {
    let mut above = Vec::new();
    let mut vertex = Some(target);
    let mut layers = 0;
    while let Some(it) = vertex {
        if let Op::Image { layers: own, .. } = &it.op {
            layers = own.len();
        }
        above.extend(places.get(&it.digest).map(|place| (*place, &it.op)));
        vertex = it.inputs.first();
    }
    let counted = above.into_iter().rev().map(|(place, op)| {
        if !matches!(op, Op::Image { .. }) {
            layers += 1;
        }
        (place, layers)
    });
    counted.collect()
}

impl Materials {
    /// A directory of the client that was read, too.
    pub(crate) fn add_local(&mut self, name: &str) {
        if !self.locals.iter().any(|it| it == name) {
            self.locals.push(name.to_owned());
            self.locals.sort();
        }
    }

    fn look_at(&mut self, vertex: &Vertex, known: &Known<'_>) {
        self.sources
            .extend(known.fetched.get(&vertex.digest).cloned());
        match &vertex.op {
            Op::Context(context) => self.look_at_context(context),
            Op::Exec(exec) => {
                self.network |= exec.network != crate::executor::Network::None;
                for mount in &exec.mounts {
                    let (list, id, optional) = match mount {
                        MountOp::Secret { id, required, .. } => (&mut self.secrets, id, !required),
                        MountOp::Ssh { id, required, .. } => (&mut self.agents, id, !required),
                        _ => continue,
                    };
                    let known = list.entry(id.clone()).or_insert(optional);
                    *known &= optional;
                }
            }
            _ => {}
        }
    }

    fn look_at_context(&mut self, context: &Context) {
        self.sources.extend(context.material());
        match &context.source {
            ContextSource::Local(name) => self.locals.push(name.clone()),
            // The main context, when it came with the request.
            ContextSource::Archive(_) | ContextSource::Directory(_) if self.context.is_none() => {
                self.locals.push(context.name.clone());
            }
            _ => {}
        }
    }

    /// Whether everything that the result was made of is known by a digest.
    pub fn complete(&self) -> bool {
        self.locals.is_empty()
    }
}

/// A URL without its password, and without a user name that is one.
pub fn redacted(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(place) => rest.split_at(place),
        None => (rest, ""),
    };
    let Some((user, host)) = authority.rsplit_once('@') else {
        return url.to_owned();
    };
    let user = match (user.contains(':'), scheme) {
        (true, _) => "xxxxx:xxxxx",
        (false, "http" | "https") => "xxxxx",
        (false, _) => user,
    };
    format!("{scheme}://{user}@{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_material_does_not_tell_passwords() {
        for (url, shown) in [
            ("https://a:b@host/x.git", "https://xxxxx:xxxxx@host/x.git"),
            ("https://token@host", "https://xxxxx@host"),
            ("https://a:p@ss@host/x@y", "https://xxxxx:xxxxx@host/x@y"),
            ("ssh://git@host/x", "ssh://git@host/x"),
            ("git@host:x", "git@host:x"),
            ("https://host/@x", "https://host/@x"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        assert_eq!(
            Material::commit("https://h/x", &"a".repeat(40)).algorithm,
            "sha1"
        );
    }
}
