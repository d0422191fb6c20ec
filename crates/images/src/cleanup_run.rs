//! The clean-up: the present images held against the policy, and the removal.

use crate::{
    CleanupPolicy, Doomed, ImageUser, Pruned, RemoveOptions, Result,
    cleanup::{self, Disk, Fact},
    remove::{Plan, collect, stacks},
    rooms::Inner,
    state::{Change, State},
};
use corten_base::Timestamp;
use corten_oci::{Digest, Reference};
use std::collections::HashSet;

/// The images that the policy lets go now. Blocking.
pub(crate) fn plan(inner: &Inner, policy: &CleanupPolicy, users: &[ImageUser]) -> Vec<Doomed> {
    let disk = policy.disk_percent.and_then(|_| disk(inner));
    let facts = facts(inner, &inner.state(), users);
    cleanup::plan(policy, &facts, disk, Timestamp::now())
}

/// Removes what [`plan`] found, unless it came into use since. Blocking.
pub(crate) fn run(inner: &Inner, doomed: &[Doomed], users: &[ImageUser]) -> Result<Pruned> {
    corten_base::step("cleanup.record");
    let (mut removed, stacks) = inner.change(|state| {
        let mut plan = Plan::new(state, users);
        let options = RemoveOptions {
            force: false,
            prune: true,
        };
        for one in doomed {
            let names: Vec<Reference> = state.names_of(&one.id).cloned().collect();
            for name in &names {
                if !plan.names_gone.contains(name) {
                    // What is in use stays.
                    let _ = plan.remove(&name.to_string(), options);
                }
            }
            if names.is_empty() && !plan.images_gone.contains(&one.id) {
                let _ = plan.remove(one.id.hex(), options);
            }
        }
        let stacks = stacks(&plan);
        Ok((plan.change(), (plan.removed, stacks)))
    })?;
    corten_base::step("cleanup.collect");
    let reclaimed_bytes = collect(inner, &mut removed, stacks)?;
    Ok(Pruned {
        removed,
        reclaimed_bytes,
    })
}

/// Makes durable when images were last used, as far as it is only in memory. Blocking.
pub(crate) fn remember_uses(inner: &Inner) -> Result<()> {
    let used = inner.take_used();
    if used.is_empty() {
        return Ok(());
    }
    inner.change(|state| {
        let mut change = Change::default();
        for id in used {
            let entry = state.images.get(&id).cloned();
            change.images.extend(entry.map(|entry| (id, Some(entry))));
        }
        Ok((change, ()))
    })
}

fn facts(inner: &Inner, state: &State, users: &[ImageUser]) -> Vec<Fact> {
    let content = &inner.rooms.content;
    let used: HashSet<&Digest> = users.iter().map(|user| &user.image).collect();
    let facts = state.images.iter().map(|(id, entry)| {
        let record = &entry.record;
        let sizes = record
            .layer_sizes
            .iter()
            .copied()
            .chain(std::iter::repeat(0));
        let layers = entry.config.diff_ids().iter().zip(sizes);
        let last = record.last_used.max(record.last_tag_time);
        Fact {
            id: id.clone(),
            names: state.names_of(id).cloned().collect(),
            labels: entry
                .config
                .labels()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            created: entry.config.created.unwrap_or(Timestamp::ZERO),
            // Of an earlier version's record nobody knows: since this daemon began.
            last_used: if last == Timestamp::ZERO {
                inner.opened
            } else {
                last
            },
            in_use: used.contains(id) || state.children(id).next().is_some(),
            layers: layers
                .map(|(diff_id, bytes)| {
                    let record = state.layers.get(diff_id);
                    (
                        diff_id.clone(),
                        bytes + record.map_or(0, |it| it.kept_bytes(content)),
                    )
                })
                .collect(),
        }
    });
    facts.collect()
}

/// As `df` counts: what only root may use is not used.
fn disk(inner: &Inner) -> Option<Disk> {
    let found = inner.rooms.layers.file_system().ok()?;
    let (total, free) = (found.total_bytes, found.available_bytes);
    Some(Disk {
        used: total.saturating_sub(free),
        total,
    })
}
