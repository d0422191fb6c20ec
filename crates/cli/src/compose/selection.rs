//! Which services a command is about.

use crate::error::CliError;
use corten_compose::{ComposeError, Disk, Map, Node, Project, Value};

/// The services named, with all they depend on unless `alone`; none named are all.
/// Naming a service that is off turns its profiles on. A name may be a pattern of
/// `path.Match` (`web*`) over the services that are on.
pub fn select(
    project: &mut Project,
    named: &[String],
    alone: bool,
) -> Result<Vec<String>, CliError> {
    let mut next = expand(project, named)?;
    if named.is_empty() || alone {
        return Ok(next);
    }
    let mut selected: Vec<String> = Vec::new();
    while let Some(name) = next.pop() {
        if selected.contains(&name) {
            continue;
        }
        let dependencies = project.services()[&name].get("depends_on");
        let dependencies = dependencies.and_then(Node::map);
        for (other, dependency) in dependencies.into_iter().flatten() {
            let optional = dependency.get("required").map(|node| &node.value);
            if project.services().contains_key(other) {
                next.push(other.clone());
            } else if optional != Some(&Value::Bool(false)) {
                return Err(ComposeError::NoSuchService(other.clone()).into());
            }
        }
        selected.push(name);
    }
    Ok(selected)
}

/// The same, and what env files say of these services is read.
pub fn ready(
    project: &mut Project,
    named: &[String],
    alone: bool,
) -> Result<Vec<String>, CliError> {
    let selected = select(project, named, alone)?;
    project.resolve_environment(&selected, &Disk)?;
    Ok(selected)
}

/// These services and all that they depend on, as far as it is on: whose networks and
/// volumes Compose makes also where it leaves the dependencies alone.
pub fn with_dependencies(project: &Project, services: &[String]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut next = services.to_vec();
    while let Some(name) = next.pop() {
        let Some(service) = project.services().get(&name) else {
            continue;
        };
        if found.contains(&name) {
            continue;
        }
        let dependencies = service.get("depends_on").and_then(Node::map);
        next.extend(dependencies.into_iter().flat_map(Map::keys).cloned());
        found.push(name);
    }
    found
}

/// The services named, patterns being what they match; none named are all.
pub fn expand(project: &mut Project, named: &[String]) -> Result<Vec<String>, CliError> {
    project.enable(named);
    let services = project.services();
    if named.is_empty() {
        return Ok(services.keys().cloned().collect());
    }
    let mut all = Vec::new();
    for pattern in named {
        let before = all.len();
        let matching = services.keys();
        let matching = matching.filter(|name| corten_bake::matches(pattern, name));
        all.extend(matching.cloned());
        if all.len() == before {
            return Err(ComposeError::NoSuchService(pattern.clone()).into());
        }
    }
    // Named twice is named once; the first counts.
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|name| seen.insert(name.clone()));
    Ok(all)
}

/// Leaves nothing in the project but these services, and of what they depend on what is
/// left.
pub fn only(project: &mut Project, selected: &[String]) {
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"));
    let Some(services) = services.and_then(Node::map_mut) else {
        return;
    };
    services.retain(|name, _| selected.contains(name));
    for service in services.values_mut().filter_map(Node::map_mut) {
        let Some(dependencies) = service.get_mut("depends_on").and_then(Node::map_mut) else {
            continue;
        };
        dependencies.retain(|name, _| selected.contains(name));
        if dependencies.is_empty() {
            service.remove("depends_on");
        }
    }
}

/// The services, each after those that it depends on.
pub fn in_order(project: &Project) -> Vec<String> {
    fn visit(services: &Map, name: &str, order: &mut Vec<String>, seen: &mut Vec<String>) {
        if seen.iter().any(|it| it == name) {
            return;
        }
        let Some(service) = services.get(name) else {
            return;
        };
        seen.push(name.to_owned());
        let dependencies = service.get("depends_on").and_then(Node::map);
        for other in dependencies.into_iter().flat_map(Map::keys) {
            visit(services, other, order, seen);
        }
        order.push(name.to_owned());
    }
    let (mut order, mut seen) = (Vec::new(), Vec::new());
    for name in project.services().keys() {
        visit(project.services(), name, &mut order, &mut seen);
    }
    order
}
