//! Which services a command is about.

use crate::error::CliError;
use corten_compose::{ComposeError, Map, Node, Project};

/// The services named, with all they depend on unless `alone`; none named are all.
/// A service that was named is on, whatever its profiles.
pub fn select(
    project: &mut Project,
    named: &[String],
    alone: bool,
) -> Result<Vec<String>, CliError> {
    for name in named {
        if let Some(service) = project.disabled.remove(name) {
            let services = project
                .tree
                .map_mut()
                .and_then(|map| map.get_mut("services"));
            if let Some(services) = services.and_then(Node::map_mut) {
                services.insert(name.clone(), service);
            }
        }
        if !project.services().contains_key(name) {
            return Err(ComposeError::NoSuchService(name.clone()).into());
        }
    }
    if named.is_empty() {
        return Ok(project.services().keys().cloned().collect());
    }
    let mut selected: Vec<String> = Vec::new();
    let mut next: Vec<String> = named.to_vec();
    while let Some(name) = next.pop() {
        if selected.contains(&name) || !project.services().contains_key(&name) {
            continue;
        }
        if !alone {
            let dependencies = project.services()[&name].get("depends_on");
            let dependencies = dependencies.and_then(Node::map);
            next.extend(dependencies.into_iter().flat_map(Map::keys).cloned());
        }
        selected.push(name);
    }
    Ok(selected)
}
