//! `docker rmi`: names, images and layers that go.
//!
//! What goes is planned on the present state without changing it; the plan becomes one
//! change of the records, and only then are layers and blobs collected.

use crate::{
    Error, ImageUser, RemoveOptions, Removed, Result,
    list::chains,
    messages,
    resolve::{is_id_prefix, lookup_key},
    rooms::Inner,
    state::{Change, State},
};
use corten_oci::{Digest, Reference};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Which conflicts stop a removal.
#[derive(Clone, Copy)]
struct Conflicts {
    names: bool,
    stopped: bool,
}

/// What goes, found out step by step.
pub(crate) struct Plan<'a> {
    pub state: &'a State,
    pub users: &'a [ImageUser],
    pub names_gone: BTreeSet<Reference>,
    pub images_gone: BTreeSet<Digest>,
    pub removed: Vec<Removed>,
}

impl<'a> Plan<'a> {
    pub fn new(state: &'a State, users: &'a [ImageUser]) -> Self {
        Self {
            state,
            users,
            names_gone: BTreeSet::new(),
            images_gone: BTreeSet::new(),
            removed: Vec::new(),
        }
    }

    fn names_of(&self, id: &Digest) -> Vec<Reference> {
        let names = self
            .state
            .names
            .iter()
            .filter(|(_, record)| record.image == *id);
        names
            .map(|(name, _)| name)
            .filter(|n| !self.names_gone.contains(*n))
            .cloned()
            .collect()
    }

    fn labels_of(&self, id: &Digest) -> BTreeMap<String, String> {
        let entry = self.state.images.get(id);
        let labels = entry.into_iter().flat_map(|it| it.config.labels());
        labels.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn untag(&mut self, name: &Reference, id: &Digest) {
        self.names_gone.insert(name.clone());
        self.removed.push(Removed::Untagged {
            name: name.familiar(),
            image: id.clone(),
            labels: self.labels_of(id),
        });
    }

    /// Docker 28's steps of `DELETE /images/{name}`, and what names that go have kept.
    pub fn remove(&mut self, text: &str, options: RemoveOptions) -> Result<()> {
        self.remove_named(text, options)?;
        self.let_go();
        Ok(())
    }

    fn remove_named(&mut self, text: &str, options: RemoveOptions) -> Result<()> {
        let id = self.state.resolve(text)?.id;
        let names = self.names_of(&id);
        let mut quiet_about_names = false;
        if is_id_prefix(&id, text) {
            if is_single_repository(&names) {
                let soft = !options.force;
                self.check(
                    &id,
                    Conflicts {
                        names: false,
                        stopped: soft,
                    },
                )?;
                names.iter().for_each(|name| self.untag(name, &id));
            }
        } else {
            let name = lookup_key(&text.parse()?);
            let index = self.index_of(&name);
            let is_meant =
                |image: &Digest| *image == id || index.is_some_and(|index| index.holds(image));
            if !options.force
                && is_single_repository(&names)
                && let Some(user) = self.users.iter().find(|user| is_meant(&user.image))
            {
                let container = short(&user.container_id);
                return Err(Error::Conflict(messages::name_in_use(text, container, &id)));
            }
            self.untag(&name, &id);
            if name.digest().is_none() {
                self.untag_digests(&name, &id);
            }
            if !self.names_of(&id).is_empty() {
                return Ok(());
            }
            quiet_about_names = true;
        }
        self.remove_image(&id, options.force, options.prune, quiet_about_names)
    }

    /// With the last tag of a repository go its names by digest.
    fn untag_digests(&mut self, name: &Reference, id: &Digest) {
        let left = self.names_of(id);
        let here = |other: &&Reference| other.name() == name.name();
        if !left
            .iter()
            .filter(here)
            .any(|other| other.digest().is_none())
        {
            left.iter()
                .filter(here)
                .for_each(|digest| self.untag(digest, id));
        }
    }

    fn remove_image(&mut self, id: &Digest, force: bool, prune: bool, quiet: bool) -> Result<()> {
        if let Err((conflict, used)) = self.conflict(
            id,
            Conflicts {
                names: !force,
                stopped: !force,
            },
        ) {
            let dangling = self.names_of(id).is_empty() && self.children(id) == 0;
            return if quiet && (!dangling || used) {
                Ok(())
            } else {
                Err(conflict)
            };
        }
        let parent = self
            .state
            .images
            .get(id)
            .and_then(|entry| entry.record.parent.clone());
        for name in self.names_of(id) {
            self.untag(&name, id);
        }
        self.images_gone.insert(id.clone());
        self.removed.push(Removed::Image(id.clone()));
        match parent.filter(|parent| prune && self.state.images.contains_key(parent)) {
            Some(parent) => self.remove_image(&parent, false, true, true),
            None => Ok(()),
        }
    }

    /// Images left that say they were made from this one.
    pub fn children(&self, id: &Digest) -> usize {
        self.state
            .children(id)
            .filter(|child| !self.images_gone.contains(*child))
            .count()
    }

    fn check(&self, id: &Digest, which: Conflicts) -> Result<()> {
        self.conflict(id, which).map_err(|(error, _)| error)
    }

    /// The first reason not to remove an image, and whether it is a container.
    fn conflict(&self, id: &Digest, which: Conflicts) -> Result<(), (Error, bool)> {
        let conflict = |hard, reason: &str, used| {
            Err((
                Error::Conflict(messages::cannot_delete(id, hard, reason)),
                used,
            ))
        };
        if self.children(id) > 0 {
            return conflict(true, messages::HAS_CHILDREN, false);
        }
        let user = |running| {
            self.users
                .iter()
                .find(|user| user.image == *id && user.running == running)
        };
        if let Some(user) = user(true) {
            return conflict(
                true,
                &messages::used_by_running(short(&user.container_id)),
                true,
            );
        }
        if which.names && !self.names_of(id).is_empty() {
            return conflict(false, messages::MULTIPLE_REPOSITORIES, false);
        }
        if let Some(user) = user(false).filter(|_| which.stopped) {
            return conflict(
                false,
                &messages::used_by_stopped(short(&user.container_id)),
                true,
            );
        }
        Ok(())
    }

    /// The change of the records, layers that nobody needs any more included.
    pub fn change(&self) -> Change {
        let left = self
            .state
            .images
            .iter()
            .filter(|(id, _)| !self.images_gone.contains(*id));
        let needed: HashSet<&Digest> = left.flat_map(|(_, e)| e.config.diff_ids()).collect();
        let gone = self
            .state
            .layers
            .keys()
            .filter(|diff_id| !needed.contains(diff_id));
        Change {
            images: self
                .images_gone
                .iter()
                .map(|id| (id.clone(), None))
                .collect(),
            names: self
                .names_gone
                .iter()
                .map(|name| (name.clone(), None))
                .collect(),
            layers: gone.map(|diff_id| (diff_id.clone(), None)).collect(),
        }
    }
}

pub(crate) fn short(container_id: &str) -> &str {
    container_id.get(..12).unwrap_or(container_id)
}

/// At most one tag, and every name by digest in the same repository.
fn is_single_repository(names: &[Reference]) -> bool {
    if names.len() <= 1 {
        return true;
    }
    let (digests, tags): (Vec<_>, Vec<_>) = names.iter().partition(|name| name.digest().is_some());
    let repositories: BTreeSet<String> = digests.iter().map(|name| name.name()).collect();
    tags.len() <= 1
        && repositories.len() == 1
        && tags.iter().all(|tag| repositories.contains(&tag.name()))
}

/// Removes one name or image. Blocking.
pub(crate) fn remove(
    inner: &Inner,
    text: &str,
    options: RemoveOptions,
    users: &[ImageUser],
) -> Result<Vec<Removed>> {
    corten_base::step("rmi.record");
    let (mut removed, stacks) = inner.change(|state| {
        let mut plan = Plan::new(state, users);
        plan.remove(text, options)?;
        let stacks = stacks(&plan);
        Ok((plan.change(), (plan.removed, stacks)))
    })?;
    corten_base::step("rmi.collect");
    collect(inner, &mut removed, stacks)?;
    corten_base::step("rmi.done");
    Ok(removed)
}

/// The layers of the images that go. An index that goes has blobs only: an empty stack
/// stands for them.
pub(crate) fn stacks(plan: &Plan<'_>) -> Vec<Vec<Digest>> {
    let gone = plan
        .images_gone
        .iter()
        .filter_map(|id| plan.state.images.get(id));
    let stacks = gone.map(|entry| entry.config.diff_ids().to_vec());
    let indexes = plan.names_gone.iter().filter_map(|it| plan.index_of(it));
    stacks.chain(indexes.map(|_| Vec::new())).collect()
}

/// Removes what nothing needs any more and tells which layers went, the topmost first.
pub(crate) fn collect(
    inner: &Inner,
    removed: &mut Vec<Removed>,
    stacks: Vec<Vec<Digest>>,
) -> Result<u64> {
    if stacks.is_empty() {
        return Ok(0);
    }
    let freed = inner.collect()?;
    let needed: HashSet<Digest> = inner
        .state()
        .images
        .values()
        .flat_map(|e| chains(e.config.diff_ids()))
        .collect();
    let mut told = HashSet::new();
    for stack in stacks {
        let chains: Vec<Digest> = chains(&stack).collect();
        for (index, chain) in chains.into_iter().enumerate().rev() {
            let gone =
                !needed.contains(&chain) && inner.rooms.layers.find(&stack[..=index])?.is_none();
            if gone && told.insert(chain.clone()) {
                removed.push(Removed::Layer(chain));
            }
        }
    }
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::state_of;

    const FORCE: RemoveOptions = RemoveOptions {
        force: true,
        prune: true,
    };
    const GENTLE: RemoveOptions = RemoveOptions {
        force: false,
        prune: true,
    };

    fn user(digits: &str, running: bool) -> ImageUser {
        let image = Digest::from_sha256_hex(&format!("{digits:0<64}")).unwrap();
        ImageUser {
            container_id: "c".repeat(64),
            image,
            running,
        }
    }

    fn attempt(
        state: &State,
        users: &[ImageUser],
        text: &str,
        options: RemoveOptions,
    ) -> Result<String> {
        let mut plan = Plan::new(state, users);
        plan.remove(text, options)?;
        let line = |removed: &Removed| match removed {
            Removed::Untagged { name, .. } => format!("Untagged: {name}"),
            Removed::Image(id) => format!("Deleted: {}", &id.hex()[..2]),
            Removed::Layer(_) | Removed::Manifest(_) => "part".to_owned(),
        };
        Ok(plan.removed.iter().map(line).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_name_goes_alone_while_others_are_left() {
        let digest = format!("app@sha256:{}", "9".repeat(64));
        let state = state_of(&[("a1", &["app:1", "app:2", &digest]), ("b2", &["one:1"])]);
        assert_eq!(
            attempt(&state, &[], "app:1", GENTLE).unwrap(),
            "Untagged: app:1"
        );
        assert_eq!(
            attempt(&state, &[], "one:1", GENTLE).unwrap(),
            "Untagged: one:1, Deleted: b2"
        );
        assert_eq!(
            attempt(&state, &[], "b2", GENTLE).unwrap(),
            "Untagged: one:1, Deleted: b2"
        );
        let conflict = attempt(&state, &[], "a1", GENTLE).unwrap_err().to_string();
        let sentence = "conflict: unable to delete a10000000000 (must be forced) - image is \
                        referenced in multiple repositories";
        assert_eq!(conflict, sentence);
        let all = attempt(&state, &[], "a1", FORCE).unwrap();
        assert!(all.starts_with("Untagged: app@sha256:") || all.starts_with("Untagged: app:1"));
        assert!(all.ends_with("Deleted: a1"), "{all}");
    }

    #[test]
    fn the_last_tag_takes_the_names_by_digest_along() {
        let digest = format!("app@sha256:{}", "9".repeat(64));
        let state = state_of(&[("a1", &["app:1", &digest])]);
        let done = attempt(&state, &[], "app:1", GENTLE).unwrap();
        assert_eq!(
            done,
            format!("Untagged: app:1, Untagged: {digest}, Deleted: a1")
        );
    }

    #[test]
    fn images_in_use_are_kept_with_dockers_sentences() {
        let state = state_of(&[("a1", &["app:1"])]);
        let stopped = [user("a1", false)];
        let running = [user("a1", true)];
        let sentence = |result: Result<String>| result.unwrap_err().to_string();
        assert_eq!(
            sentence(attempt(&state, &stopped, "app:1", GENTLE)),
            "conflict: unable to remove repository reference \"app:1\" (must force) - container \
             cccccccccccc is using its referenced image a10000000000"
        );
        assert_eq!(
            sentence(attempt(&state, &stopped, "a1", GENTLE)),
            "conflict: unable to delete a10000000000 (must be forced) - image is being used by \
             stopped container cccccccccccc"
        );
        assert_eq!(
            sentence(attempt(&state, &running, "a1", FORCE)),
            "conflict: unable to delete a10000000000 (cannot be forced) - image is being used by \
             running container cccccccccccc"
        );
        assert_eq!(
            attempt(&state, &stopped, "a1", FORCE).unwrap(),
            "Untagged: app:1, Deleted: a1"
        );
        // Untagged but kept: a container still runs from it.
        assert_eq!(
            attempt(&state, &running, "app:1", FORCE).unwrap(),
            "Untagged: app:1"
        );
    }

    #[test]
    fn parents_go_with_their_last_child_and_children_protect_them() {
        let mut state = state_of(&[("a1", &[]), ("b2", &["child:1"])]);
        let parent = state.images.keys().next().unwrap().clone();
        state.images.values_mut().next_back().unwrap().record.parent = Some(parent);
        assert_eq!(
            attempt(&state, &[], "a1", FORCE).unwrap_err().to_string(),
            "conflict: unable to delete a10000000000 (cannot be forced) - image has dependent child images"
        );
        let both = attempt(&state, &[], "child:1", GENTLE).unwrap();
        assert_eq!(both, "Untagged: child:1, Deleted: b2, Deleted: a1");
        let options = RemoveOptions {
            force: false,
            prune: false,
        };
        let one = attempt(&state, &[], "child:1", options).unwrap();
        assert_eq!(one, "Untagged: child:1, Deleted: b2");
    }
}
