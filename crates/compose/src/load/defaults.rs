//! Values that attributes have when they are not given, and what is wrong with single
//! resources; for each set of files before it is merged into another.

use crate::error::ComposeError;
use crate::node::{Map, Node, Value};

pub(super) fn apply(tree: &mut Node) -> Result<(), ComposeError> {
    for (name, service) in entries(tree, "services") {
        service_defaults(name, service)?;
    }
    for (name, volume) in entries(tree, "volumes") {
        external_alone(&format!("volumes.{name}"), volume)?;
    }
    for (name, config) in entries(tree, "configs") {
        one_origin(
            &format!("configs.{name}"),
            config,
            &["file", "environment", "content"],
        )?;
    }
    for (name, secret) in entries(tree, "secrets") {
        one_origin(&format!("secrets.{name}"), secret, &["file", "environment"])?;
    }
    Ok(())
}

fn entries<'a>(tree: &'a mut Node, kind: &str) -> impl Iterator<Item = (&'a String, &'a mut Node)> {
    tree.map_mut()
        .and_then(|map| map.get_mut(kind))
        .and_then(Node::map_mut)
        .into_iter()
        .flatten()
}

fn items<'a>(node: &'a mut Node, path: &[&str]) -> impl Iterator<Item = &'a mut Node> {
    let found = path
        .iter()
        .try_fold(node, |node, key| node.map_mut()?.get_mut(*key));
    match found.map(|node| &mut node.value) {
        Some(Value::List(items)) => items.as_mut_slice(),
        _ => &mut [],
    }
    .iter_mut()
}

fn set(node: &mut Node, key: &str, value: Value) {
    let place = node.place.clone();
    if let Some(map) = node.map_mut() {
        map.entry(key.into())
            .or_insert_with(|| Node::at(&place, value));
    }
}

fn service_defaults(name: &str, service: &mut Node) -> Result<(), ComposeError> {
    if let Some(build) = service.map_mut().and_then(|map| map.get_mut("build")) {
        set(build, "context", Value::Text(".".into()));
    }
    for secret in items(service, &["secrets"]) {
        let source = secret.text_at(&["source"]).unwrap_or_default().to_owned();
        set(
            secret,
            "target",
            Value::Text(format!("/run/secrets/{source}")),
        );
    }
    for port in items(service, &["ports"]) {
        set(port, "protocol", Value::Text("tcp".into()));
        set(port, "mode", Value::Text("ingress".into()));
        if let Some(address) = port.get("host_ip")
            && let Some(text) = address.text()
            && !text.contains('$')
            && text.parse::<std::net::IpAddr>().is_err()
        {
            return Err(ComposeError::attribute(
                &address.place,
                format!("services.{name}.ports"),
                format!("invalid ip address: {text}"),
            ));
        }
        if port.get("target").is_none() {
            return Err(ComposeError::attribute(
                &port.place,
                format!("services.{name}.ports"),
                "target is missing",
            ));
        }
    }
    for path in [
        &["deploy", "resources", "reservations", "devices"][..],
        &["gpus"][..],
    ] {
        for request in items(service, path) {
            device_request(name, request)?;
        }
    }
    for watch in items(service, &["develop", "watch"]) {
        if watch.text_at(&["path"]).is_none_or(str::is_empty) {
            return Err(ComposeError::attribute(
                &watch.place,
                format!("services.{name}.develop.watch.path"),
                "value can't be blank",
            ));
        }
    }
    Ok(())
}

fn device_request(service: &str, request: &mut Node) -> Result<(), ComposeError> {
    let has = |key: &str| request.get(key).is_some();
    match (has("count"), has("device_ids")) {
        (true, true) => Err(ComposeError::attribute(
            &request.place,
            format!("services.{service}"),
            "\"count\" and \"device_ids\" attributes are exclusive",
        )),
        (false, false) => {
            set(request, "count", Value::Int(-1));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_external(node: &Node) -> bool {
    node.get("external")
        .is_some_and(|external| external.value == Value::Bool(true))
}

/// Nothing can be said about what somebody else makes.
fn external_alone(path: &str, node: &Node) -> Result<(), ComposeError> {
    let Some(map) = node.map().filter(|_| is_external(node)) else {
        return Ok(());
    };
    let other = |key: &&String| {
        !matches!(key.as_str(), "name" | "external") && !crate::schema::is_extension(key)
    };
    match map.keys().find(other) {
        Some(key) => Err(ComposeError::attribute(
            &node.place,
            path,
            format!("conflicting parameters \"external\" and {key:?} specified"),
        )),
        None => Ok(()),
    }
}

fn one_origin(path: &str, node: &Node, keys: &[&str]) -> Result<(), ComposeError> {
    let empty = Map::new();
    let map = node.map().unwrap_or(&empty);
    let given = keys.iter().filter(|key| map.contains_key(**key)).count();
    let keys = keys.join("|");
    match given {
        0 if map.contains_key("driver") || map.contains_key("external") => Ok(()),
        0 => Err(ComposeError::attribute(
            &node.place,
            path,
            format!("one of {keys} must be set"),
        )),
        1 => Ok(()),
        _ => Err(ComposeError::attribute(
            &node.place,
            path,
            format!("{keys} attributes are mutually exclusive"),
        )),
    }
}
