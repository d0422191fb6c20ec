//! `docker image prune`: images that nobody uses.

use crate::{
    ImageUser, ListRequest, Pruned, RemoveOptions, Result,
    list::passes,
    remove::{Plan, collect, stacks},
    rooms::Inner,
};
use corten_oci::Reference;

/// Removes images without names (or, with `dangling: false`, without containers). Blocking.
pub(crate) fn prune(inner: &Inner, request: &ListRequest, users: &[ImageUser]) -> Result<Pruned> {
    let only_dangling = request.dangling.unwrap_or(true);
    corten_base::step("prune.record");
    let (mut removed, stacks) = inner.change(|state| {
        let mut plan = Plan::new(state, users);
        let options = RemoveOptions {
            force: false,
            prune: true,
        };
        for id in state.images.keys() {
            let Some(image) = state.image(id) else {
                continue;
            };
            let names: Vec<Reference> = state.names_of(id).cloned().collect();
            let has_tag = names.iter().any(|name| name.tag().is_some());
            let is_part = state.children(id).next().is_some() || state.is_kept(id);
            let is_intermediate = names.is_empty() && is_part;
            if is_intermediate || !passes(request, &image) || (only_dangling && has_tag) {
                continue;
            }
            if names.is_empty() && !plan.images_gone.contains(id) {
                // Images in use stay: that is what prune means.
                let _ = plan.remove(id.hex(), options);
            }
            for name in names {
                if !plan.names_gone.contains(&name) {
                    let _ = plan.remove(&name.to_string(), options);
                }
            }
        }
        let stacks = stacks(&plan);
        Ok((plan.change(), (plan.removed, stacks)))
    })?;
    corten_base::step("prune.collect");
    let reclaimed_bytes = collect(inner, &mut removed, stacks)?;
    corten_base::step("prune.done");
    Ok(Pruned {
        removed,
        reclaimed_bytes,
    })
}
