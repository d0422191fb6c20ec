//! Env files and label files read into the services that name them.

use super::Session;
use crate::dotenv::{self, Env};
use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use crate::project::Project;
use std::path::Path;

/// For the services whose names are `wanted`.
pub(super) fn resolve(
    project: &mut Project,
    session: &Session<'_>,
    wanted: &dyn Fn(&String) -> bool,
) -> Result<(), ComposeError> {
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"))
        .and_then(Node::map_mut);
    let services = services.into_iter().flatten();
    for (_, service) in services.filter(|(name, _)| wanted(name)) {
        if session.steps.environment {
            environment(service, session)?;
        }
        labels(service, session)?;
    }
    Ok(())
}

/// Values in `environment` come before those of files, later files before earlier ones.
fn environment(service: &mut Node, session: &Session<'_>) -> Result<(), ComposeError> {
    let mut own = entries(service, "environment");
    for (name, value) in &mut own {
        if value.is_null()
            && let Some(found) = session.env.get(name)
        {
            *value = value.text_here(found.clone());
        }
    }
    let own_value = |name: &str| {
        own.get(name)
            .and_then(|node| node.text().map(str::to_owned))
    };
    let mut all = Map::new();
    let files = service
        .get("env_file")
        .and_then(Node::list)
        .unwrap_or_default();
    for file in files {
        let path = file.text_at(&["path"]).unwrap_or_default();
        let required = file
            .get("required")
            .is_none_or(|node| node.value == Value::Bool(true));
        let text = match session.files.read(Path::new(path)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => continue,
            Err(why) => return Err(unreadable("env file", path, file, why)),
        };
        let earlier = |name: &str| {
            all.get(name)
                .and_then(|node: &Node| node.text().map(str::to_owned))
        };
        let outside = |name: &str| {
            session
                .env
                .get(name)
                .cloned()
                .or_else(|| own_value(name))
                .or_else(|| earlier(name))
        };
        let env = match file.text_at(&["format"]) {
            None | Some("") => dotenv::parse(&text, &outside),
            Some("raw") => dotenv::parse_raw(&text, &outside),
            Some(other) => {
                return Err(ComposeError::attribute(
                    &file.place,
                    "env_file.format",
                    format!("unsupported env_file format {other:?}"),
                )
                .advise("write 'raw' or leave it out"));
            }
        };
        all.extend(nodes(env, path, file)?);
    }
    all.extend(own);
    put(service, "environment", all);
    if session.steps.drop_env_files
        && let Some(map) = service.map_mut()
    {
        map.remove("env_file");
    }
    Ok(())
}

fn labels(service: &mut Node, session: &Session<'_>) -> Result<(), ComposeError> {
    let own = entries(service, "labels");
    let mut all = Map::new();
    let files = service
        .get("label_file")
        .and_then(Node::list)
        .unwrap_or_default();
    for file in files {
        let path = file.text().unwrap_or_default();
        let text = session
            .files
            .read(Path::new(path))
            .map_err(|why| unreadable("label file", path, file, why))?;
        let earlier = |name: &str| {
            all.get(name)
                .and_then(|node: &Node| node.text().map(str::to_owned))
        };
        let env = dotenv::parse(&text, &earlier);
        all.extend(nodes(env, path, file)?);
    }
    all.extend(own);
    put(service, "labels", all);
    if session.steps.drop_env_files
        && let Some(map) = service.map_mut()
    {
        map.remove("label_file");
    }
    Ok(())
}

fn unreadable(kind: &'static str, path: &str, at: &Node, why: std::io::Error) -> ComposeError {
    ComposeError::ServiceFile {
        kind,
        path: path.to_owned(),
        needed_at: at.place.clone(),
        why,
    }
}

fn nodes(
    env: Result<Env, dotenv::DotenvError>,
    path: &str,
    at: &Node,
) -> Result<Map, ComposeError> {
    let env = env.map_err(|error| ComposeError::EnvFile {
        path: path.to_owned(),
        line: error.line,
        message: error.message,
    })?;
    Ok(env
        .into_iter()
        .map(|(name, value)| (name, at.text_here(value)))
        .collect())
}

fn entries(service: &Node, key: &str) -> Map {
    service
        .get(key)
        .and_then(Node::map)
        .cloned()
        .unwrap_or_default()
}

fn put(service: &mut Node, key: &str, entries: Map) {
    let place = service.place.clone();
    if let Some(map) = service.map_mut()
        && !entries.is_empty()
    {
        map.insert(key.into(), Node::at(&place, Value::Map(entries)));
    }
}
