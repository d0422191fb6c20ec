//! What a project says without saying it: the default network, names of resources, the
//! services that a service needs because it shares something of theirs.

use super::Session;
use crate::canonical::clean;
use crate::node::{Map, Node, Value};

pub(super) fn normalize(tree: &mut Node, project: &str, session: &Session<'_>) {
    let place = tree.place.clone();
    let Some(map) = tree.map_mut() else {
        return;
    };
    map.insert(
        "name".into(),
        Node::at(&place, Value::Text(project.to_owned())),
    );
    let mut needs_default = false;
    if let Some(services) = map.get_mut("services").and_then(Node::map_mut) {
        for service in services.values_mut() {
            if service.is_null() {
                service.value = Value::empty_map();
            }
            needs_default |= default_network(service);
            scale_is_replicas(service);
            complete(service, session);
        }
    }
    if needs_default {
        let networks = map
            .entry("networks".into())
            .or_insert_with(|| Node::at(&place, Value::Map(Map::new())));
        if networks.is_null() {
            networks.value = Value::empty_map();
        }
        if let Some(networks) = networks.map_mut() {
            networks
                .entry("default".into())
                .or_insert_with(|| Node::at(&place, Value::Null));
        }
    }
    for kind in ["networks", "volumes", "configs", "secrets"] {
        let entries = map.get_mut(kind).and_then(Node::map_mut);
        for (key, resource) in entries.into_iter().flatten() {
            name_resource(resource, key, project);
        }
    }
}

/// `scale` is told by `deploy` as well, where there is one. That the two say the same is
/// checked later.
fn scale_is_replicas(service: &mut Node) {
    let Some(scale) = service.get("scale").cloned() else {
        return;
    };
    let deploy = service.map_mut().and_then(|map| map.get_mut("deploy"));
    if let Some(deploy) = deploy.and_then(Node::map_mut) {
        deploy.entry("replicas".into()).or_insert(scale);
    }
}

/// A service of no network is on the default one; whether this one is.
fn default_network(service: &mut Node) -> bool {
    let place = service.place.clone();
    let Some(map) = service.map_mut() else {
        return false;
    };
    if map.contains_key("provider") || map.contains_key("network_mode") {
        return false;
    }
    let networks = map
        .entry("networks".into())
        .or_insert_with(|| Node::at(&place, Value::Null));
    match networks.map_mut() {
        Some(entries) if !entries.is_empty() => entries.contains_key("default"),
        _ => {
            let default = ("default".to_owned(), Node::at(&place, Value::Null));
            networks.value = Value::Map(Map::from([default]));
            true
        }
    }
}

fn complete(service: &mut Node, session: &Session<'_>) {
    let place = service.place.clone();
    let text = |text: &str| Node::at(&place, Value::Text(text.to_owned()));
    let needed = needed_services(service);
    let Some(map) = service.map_mut() else {
        return;
    };
    if let Some(policy) = map.get_mut("pull_policy")
        && policy.text() == Some("if_not_present")
    {
        *policy = policy.text_here("missing");
    }
    if let Some(build) = map.get_mut("build").and_then(Node::map_mut) {
        if !build.contains_key("dockerfile_inline") {
            build
                .entry("dockerfile".into())
                .or_insert_with(|| text("Dockerfile"));
        }
        if let Some(args) = build.get_mut("args").and_then(Node::map_mut) {
            from_environment(args, session);
            args.retain(|_, value| !value.is_null());
        }
    }
    if let Some(environment) = map.get_mut("environment").and_then(Node::map_mut) {
        from_environment(environment, session);
    }
    if let Some(Value::List(volumes)) = map.get_mut("volumes").map(|node| &mut node.value) {
        for volume in volumes {
            if let Some(target) = volume.map_mut().and_then(|map| map.get_mut("target"))
                && let Some(path) = target.text()
            {
                *target = target.text_here(clean(path));
            }
        }
    }
    if needed.is_empty() {
        return;
    }
    let depends_on = map
        .entry("depends_on".into())
        .or_insert_with(|| Node::at(&place, Value::Map(Map::new())));
    if let Some(entries) = depends_on.map_mut() {
        for (name, restart) in needed {
            let mut dependency = Map::from([
                ("condition".to_owned(), text("service_started")),
                ("required".to_owned(), Node::at(&place, Value::Bool(true))),
            ]);
            if restart {
                dependency.insert("restart".into(), Node::at(&place, Value::Bool(true)));
            }
            entries
                .entry(name)
                .or_insert_with(|| Node::at(&place, Value::Map(dependency)));
        }
    }
}

/// The services whose links, namespaces or volumes a service uses, and whether it must be
/// started anew with them.
fn needed_services(service: &Node) -> Vec<(String, bool)> {
    let mut needed = Vec::new();
    let texts = |key: &str| {
        let items = service.get(key).and_then(Node::list).unwrap_or_default();
        items.iter().filter_map(Node::text)
    };
    for link in texts("links") {
        let name = link.split(':').next().unwrap_or(link);
        needed.push((name.to_owned(), true));
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let mode = service.text_at(&[key]).unwrap_or_default();
        if let Some(name) = mode.strip_prefix("service:") {
            needed.push((name.to_owned(), true));
        }
    }
    for volume in texts("volumes_from") {
        if !volume.starts_with("container:") {
            let name = volume.split(':').next().unwrap_or(volume);
            needed.push((name.to_owned(), false));
        }
    }
    needed
}

/// A variable without a value takes that of the environment, where there is one.
fn from_environment(entries: &mut Map, session: &Session<'_>) {
    for (name, value) in entries {
        if value.is_null()
            && let Some(found) = session.env.get(name)
        {
            *value = value.text_here(found.clone());
        }
    }
}

fn name_resource(resource: &mut Node, key: &str, project: &str) {
    if resource.is_null() {
        resource.value = Value::empty_map();
    }
    let place = resource.place.clone();
    let external = resource
        .get("external")
        .is_some_and(|external| external.value == Value::Bool(true));
    let Some(map) = resource.map_mut() else {
        return;
    };
    if map.get("name").is_some_and(|name| !name.is_null()) {
        return;
    }
    let name = if external {
        key.to_owned()
    } else {
        format!("{project}_{key}")
    };
    map.insert("name".into(), Node::at(&place, Value::Text(name)));
}
