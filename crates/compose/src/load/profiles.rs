//! Services that exist only while one of their profiles is on.

use crate::node::Node;
use crate::project::Project;

/// Moves the services of other profiles aside, and those of the active ones back.
pub(super) fn apply(project: &mut Project) {
    let active = project.profiles.clone();
    let is_on = |service: &Node| {
        let mut own = service
            .get("profiles")
            .and_then(Node::list)
            .unwrap_or_default()
            .iter()
            .filter_map(Node::text)
            .peekable();
        own.peek().is_none()
            || active.iter().any(|profile| profile == "*")
            || own.any(|profile| active.iter().any(|active| active == profile))
    };
    let off = std::mem::take(&mut project.disabled);
    let Some(services) = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"))
    else {
        return;
    };
    if let Some(entries) = services.map_mut() {
        entries.extend(off);
        let (on, off) = std::mem::take(entries)
            .into_iter()
            .partition(|(_, service)| is_on(service));
        *entries = on;
        project.disabled = off;
    }
}
