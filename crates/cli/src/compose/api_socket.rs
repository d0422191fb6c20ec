//! `use_api_socket`: a service may speak to the engine, with the logins of who brings it up.
//!
//! It becomes what it stands for before anything is planned: a bind mount of the engine's
//! socket, a configuration file of the client, and the variable that names its directory.

use super::Compose;
use crate::{config::credentials, error::CliError};
use base64::{Engine, engine::general_purpose::STANDARD};
use corten_api::auth::AuthConfig;
use corten_compose::{Map, Node, Project, Value};
use serde_json::json;
use std::collections::BTreeMap;

/// Where clients look for the engine.
const SOCKET: &str = "/var/run/docker.sock";
/// Where the client's configuration is put.
const DIRECTORY: &str = "/run/secrets/docker";
/// The configuration's name among the project's configs, which no file can give.
const CONFIG: &str = "#apisocket";

/// Gives the socket to the services that ask for it.
pub fn give(compose: &Compose<'_>, project: &mut Project) -> Result<(), CliError> {
    if !project.services().values().any(asks) {
        return Ok(());
    }
    let app = compose.call.app;
    let content = configuration(&credentials::known(app.config())?);
    let host = app.default_host();
    let Some(tree) = project.tree.map_mut() else {
        return Ok(());
    };
    let place = tree["services"].place.clone();
    let text = |text: &str| Node::at(&place, Value::Text(text.to_owned()));
    let map = |entries: &[(&str, &str)]| {
        let entries = entries.iter();
        let entries = entries.map(|(key, value)| ((*key).to_owned(), text(value)));
        Node::at(&place, Value::Map(entries.collect()))
    };
    let empty = || Node::at(&place, Value::Map(Map::new()));
    let configs = tree.entry("configs".into()).or_insert_with(empty);
    if let Some(configs) = configs.map_mut() {
        configs.insert(CONFIG.into(), map(&[("content", &content)]));
    }
    let services = tree.get_mut("services").and_then(Node::map_mut);
    for service in services.into_iter().flat_map(|it| it.values_mut()) {
        if !asks(service) {
            continue;
        }
        let Some(service) = service.map_mut() else {
            continue;
        };
        let environment = service.entry("environment".into()).or_insert_with(empty);
        if let Some(environment) = environment.map_mut() {
            let own = environment.entry("DOCKER_CONFIG".into());
            own.or_insert_with(|| text(DIRECTORY));
        }
        let source = host.strip_prefix("unix://").unwrap_or(SOCKET);
        let target = format!("{DIRECTORY}/config.json");
        for (key, item) in [
            (
                "volumes",
                map(&[("type", "bind"), ("source", source), ("target", SOCKET)]),
            ),
            ("configs", map(&[("source", CONFIG), ("target", &target)])),
        ] {
            let list = service.entry(key.into());
            let list = list.or_insert_with(|| Node::at(&place, Value::List(Vec::new())));
            if let Value::List(items) = &mut list.value
                && !items.contains(&item)
            {
                items.push(item);
            }
        }
    }
    Ok(())
}

/// A client's configuration file with these logins.
fn configuration(logins: &BTreeMap<String, AuthConfig>) -> String {
    let entry = |login: &AuthConfig| {
        let both = format!("{}:{}", login.username, login.password);
        let mut entry = json!({ "auth": STANDARD.encode(both) });
        if !login.identitytoken.is_empty() {
            entry["identitytoken"] = login.identitytoken.as_str().into();
        }
        entry
    };
    let logins = logins.iter();
    let auths: BTreeMap<&String, serde_json::Value> = logins
        .map(|(server, login)| (server, entry(login)))
        .collect();
    format!("{:#}\n", json!({ "auths": auths }))
}

fn asks(service: &Node) -> bool {
    service
        .get("use_api_socket")
        .is_some_and(|it| it.value == Value::Bool(true))
}
