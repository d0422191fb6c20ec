//! `extends`: a service over another of the same file or of another.

use super::reset::Resets;
use super::{Session, Text};
use crate::error::ComposeError;
use crate::merge;
use crate::node::{Map, Node, Value};
use crate::paths;
use crate::schema::{PROJECT, SERVICE};
use crate::yaml;
use std::path::{Path, PathBuf};

/// Replaces every service that extends another by what the two make.
pub(super) fn apply(
    session: &Session<'_>,
    document: &mut Node,
    text: &Text,
    directory: &Path,
    resets: &Resets,
) -> Result<(), ComposeError> {
    let Some(services) = document.get("services").and_then(Node::map).cloned() else {
        return Ok(());
    };
    let walk = Walk { session, directory };
    let mut done = Map::new();
    for name in services.keys() {
        let service = walk.service(name, &services, &text.name, Some(resets), &mut Vec::new())?;
        done.insert(name.clone(), service);
    }
    if let Some(entry) = document.map_mut().and_then(|map| map.get_mut("services")) {
        entry.value = Value::Map(done);
    }
    Ok(())
}

struct Walk<'a> {
    session: &'a Session<'a>,
    directory: &'a Path,
}

impl Walk<'_> {
    /// The service `name` of `services`, with what it extends below it. `seen` are the
    /// services on the way, each with its file.
    fn service(
        &self,
        name: &str,
        services: &Map,
        file: &str,
        resets: Option<&Resets>,
        seen: &mut Vec<(String, String)>,
    ) -> Result<Node, ComposeError> {
        let Some(service) = services.get(name) else {
            return Err(ComposeError::Inconsistent {
                place: None,
                message: format!("service {name:?} not found in {file}"),
            });
        };
        let Some(extends) = service.get("extends") else {
            return Ok(service.clone());
        };
        let here = (name.to_owned(), file.to_owned());
        if seen.contains(&here) {
            return Err(cycle(seen, &here));
        }
        seen.push(here);
        let Some(base_name) = extends.text_at(&["service"]) else {
            return Err(ComposeError::attribute(
                &extends.place,
                format!("services.{name}.extends"),
                "service is required",
            ));
        };
        let not_found = |of: &str| {
            ComposeError::attribute(
                &extends.place,
                format!("services.{name}.extends"),
                format!(
                    "cannot extend service {name:?} in {file}: service {base_name:?} not found{of}"
                ),
            )
        };
        let mut base = match extends.text_at(&["file"]) {
            None => {
                if !services.contains_key(base_name) {
                    return Err(not_found(""));
                }
                self.service(base_name, services, file, None, seen)?
            }
            Some(other) => {
                let (path, services) = self.services_of(other, extends)?;
                if !services.contains_key(base_name) {
                    return Err(not_found(&format!(" in {other}")));
                }
                self.service(base_name, &services, &path, None, seen)?
            }
        };
        if let Some(resets) = resets {
            resets.apply_to_service(name, &mut base);
        }
        let mut over = service.clone();
        if let Some(map) = over.map_mut() {
            map.remove("extends");
        }
        seen.pop();
        Ok(merge::objects(base, over, SERVICE))
    }

    /// The services of another file, their paths resolved from that file's directory.
    fn services_of(&self, file: &str, extends: &Node) -> Result<(String, Map), ComposeError> {
        let path = self.located(file, extends)?;
        let text = self.session.read(&path, Some(extends))?;
        let mut merged = merge::empty(&text.name);
        for document in yaml::read(&text.name, &text.text)? {
            let (document, resets) = self.session.prepared(document)?;
            resets.apply(&mut merged);
            merged = merge::objects(merged, document, PROJECT);
        }
        let directory = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        paths::resolve(&mut merged, PROJECT, &self.session.base(&directory))?;
        match merged.get("services").and_then(Node::map) {
            Some(services) => Ok((text.name, services.clone())),
            None => Err(ComposeError::attribute(
                &extends.place,
                "extends",
                format!("no services section in {}", text.name),
            )),
        }
    }

    fn located(&self, file: &str, extends: &Node) -> Result<PathBuf, ComposeError> {
        match self.session.files.fetched(file) {
            Some(Ok(path)) => Ok(path),
            Some(Err(why)) => Err(ComposeError::Read {
                path: file.to_owned(),
                needed_at: Some(extends.place.clone()),
                why,
            }),
            None => Ok(PathBuf::from(
                self.session.base(self.directory).absolute(file),
            )),
        }
    }
}

fn cycle(seen: &[(String, String)], last: &(String, String)) -> ComposeError {
    let mut lines = vec!["Circular reference:".to_owned()];
    for (number, (service, file)) in seen.iter().chain([last]).enumerate() {
        let verb = if number == 0 { "" } else { "extends " };
        lines.push(format!("  {verb}{service} in {file}"));
    }
    ComposeError::Cycle(lines.join("\n"))
}
