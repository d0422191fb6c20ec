//! Relative paths of the host made absolute.

use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use crate::schema::{self, Path as Kind, Shape, Table};
use std::path::{Path, PathBuf};

/// What relative paths stand below, and where `~` is.
pub(crate) struct Base<'a> {
    pub(crate) directory: &'a Path,
    pub(crate) home: Option<&'a str>,
}

/// Makes every path in `node`, an object of `table`, absolute.
pub(crate) fn resolve(node: &mut Node, table: Table, base: &Base<'_>) -> Result<(), ComposeError> {
    let Some(entries) = node.map_mut() else {
        return Ok(());
    };
    for (key, entry) in entries {
        let Some(field) = schema::field(table, key) else {
            continue;
        };
        if field.path != Kind::No {
            base.texts(entry, field.path);
            continue;
        }
        let Some(below) = field.shape.table() else {
            continue;
        };
        match &mut entry.value {
            Value::List(items) => {
                for item in items {
                    if matches!(field.shape, Shape::Volumes(_)) {
                        base.mount(item)?;
                    }
                    resolve(item, below, base)?;
                }
            }
            Value::Map(named) if field.shape.is_named() => {
                for item in named.values_mut() {
                    base.volume_options(item);
                    resolve(item, below, base)?;
                }
            }
            _ => resolve(entry, below, base)?,
        }
    }
    Ok(())
}

impl Base<'_> {
    fn texts(&self, node: &mut Node, kind: Kind) {
        match &mut node.value {
            Value::Text(text) => *text = self.one(text, kind),
            Value::List(items) => items.iter_mut().for_each(|item| self.texts(item, kind)),
            Value::Map(entries) => entries
                .values_mut()
                .for_each(|entry| self.texts(entry, kind)),
            _ => {}
        }
    }

    fn one(&self, text: &str, kind: Kind) -> String {
        match kind {
            Kind::Context if is_remote(text) => text.to_owned(),
            Kind::Followed => {
                let path = self.absolute(text);
                std::fs::canonicalize(&path)
                    .map(|real| real.to_string_lossy().into_owned())
                    .unwrap_or(path)
            }
            _ => self.absolute(text),
        }
    }

    /// `text` below the base, without `.` and `..`; what is absolute stays as it is.
    pub(crate) fn absolute(&self, text: &str) -> String {
        if text.is_empty() || text.starts_with('/') {
            return text.to_owned();
        }
        let path = match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => PathBuf::from(format!("{home}/{rest}")),
            _ => PathBuf::from(text),
        };
        clean(&self.directory.join(path))
    }

    /// A bind mount's source.
    fn mount(&self, node: &mut Node) -> Result<(), ComposeError> {
        if node.text_at(&["type"]) != Some("bind") {
            return Ok(());
        }
        let place = node.place.clone();
        let source = node.map_mut().and_then(|map| map.get_mut("source"));
        match source {
            Some(source) if !source.is_null() => {
                self.texts(source, Kind::Host);
                Ok(())
            }
            _ => Err(ComposeError::attribute(
                &place,
                "volumes",
                "invalid mount config for type \"bind\": field Source must not be empty",
            )),
        }
    }

    /// A local volume that is a bind mount has its directory in `device`.
    fn volume_options(&self, node: &mut Node) {
        let is_local = node.text_at(&["driver"]) == Some("local");
        let is_bind = node.text_at(&["driver_opts", "o"]) == Some("bind");
        if !(is_local && is_bind) {
            return;
        }
        let options = node.map_mut().and_then(|map| map.get_mut("driver_opts"));
        if let Some(device) = options
            .and_then(Node::map_mut)
            .and_then(|map: &mut Map| map.get_mut("device"))
        {
            self.texts(device, Kind::Host);
        }
    }
}

/// Whether a build context is not a directory of this host.
fn is_remote(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("service:")
        || text.starts_with("github.com/")
        || text.starts_with("git@")
}

/// A path without `.` and `..`, by its text alone.
pub(crate) fn clean(path: &Path) -> String {
    crate::canonical::clean(&path.to_string_lossy())
}
