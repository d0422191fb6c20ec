//! `!reset` and `!override`: what a file takes away from those before it.

use crate::merge;
use crate::node::{Node, Tag, Value};

/// The paths that a file takes away.
#[derive(Debug, Default)]
pub(super) struct Resets {
    paths: Vec<Vec<String>>,
}

impl Resets {
    /// Collects the paths that carry a tag; what is reset leaves the document, too.
    pub(super) fn take_from(document: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.walk(document, &mut Vec::new());
        resets
    }

    fn walk(&mut self, node: &mut Node, path: &mut Vec<String>) {
        match &mut node.value {
            Value::Map(entries) => entries.retain(|key, entry| {
                path.push(key.clone());
                let tag = entry.tag.take();
                if tag.is_some() {
                    self.paths.push(path.clone());
                } else {
                    self.walk(entry, path);
                }
                path.pop();
                tag != Some(Tag::Reset)
            }),
            Value::List(items) => items.iter_mut().for_each(|item| {
                path.push(String::new());
                self.walk(item, path);
                path.pop();
            }),
            _ => {}
        }
    }

    /// Takes the paths out of what earlier files say.
    pub(super) fn apply(&self, earlier: &mut Node) {
        for path in &self.paths {
            merge::remove(earlier, path);
        }
    }

    /// The same for the service `name` alone.
    pub(super) fn apply_to_service(&self, name: &str, service: &mut Node) {
        for path in &self.paths {
            if let [services, of, rest @ ..] = path.as_slice()
                && services == "services"
                && of == name
            {
                merge::remove(service, rest);
            }
        }
    }
}
