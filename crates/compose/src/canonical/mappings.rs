//! Mappings: of text, of hosts, of limits and of objects by name.

use super::{Done, Walk};
use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use crate::schema::Table;

impl Walk {
    /// Applies `step` to each entry of a mapping.
    fn entries(&mut self, node: Node, mut step: impl FnMut(&mut Self, Node) -> Done) -> Done {
        let Value::Map(entries) = node.value else {
            return Err(self.must_be(&node, "a mapping"));
        };
        let mut done = Map::new();
        for (key, entry) in entries {
            let tag = entry.tag;
            let mut entry = self.below(&key, |walk| step(walk, entry))?;
            entry.tag = tag;
            done.insert(key, entry);
        }
        Ok(Node {
            value: Value::Map(done),
            ..node
        })
    }

    pub(super) fn named(&mut self, node: Node, table: Table) -> Done {
        if node.is_null() {
            return Ok(node);
        }
        self.valid_names(&node)?;
        self.entries(node, |walk, entry| walk.object(entry, table))
    }

    /// Names are letters, digits, `.`, `_` and `-`.
    fn valid_names(&self, node: &Node) -> Result<(), ComposeError> {
        let Some(entries) = node.map() else {
            return Ok(());
        };
        for (name, entry) in entries {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if name.is_empty() || !name.chars().all(fits) {
                return Err(ComposeError::attribute(
                    &entry.place,
                    self.path.join("."),
                    format!("additional property '{name}' is not allowed"),
                )
                .advise("a name is made of letters, digits, '.', '_' and '-'"));
            }
        }
        Ok(())
    }

    pub(super) fn named_or_names(&mut self, node: Node, table: Table) -> Done {
        if let Value::List(items) = &node.value {
            let entries = self.names(items, |item| Node::at(&item.place, Value::Null))?;
            return Ok(Node {
                value: Value::Map(entries),
                ..node
            });
        }
        self.named(node, table)
    }

    fn names(&self, items: &[Node], value: impl Fn(&Node) -> Node) -> Result<Map, ComposeError> {
        items
            .iter()
            .map(|item| match item.text() {
                Some(name) => Ok((name.to_owned(), value(item))),
                None => Err(self.must_be(item, "a string")),
            })
            .collect()
    }

    pub(super) fn depends_on(&mut self, node: Node, table: Table) -> Done {
        let started = |item: &Node| {
            item.map_here([
                ("condition", item.text_here("service_started")),
                ("required", Node::at(&item.place, Value::Bool(true))),
            ])
        };
        if let Value::List(items) = &node.value {
            let entries = self.names(items, started)?;
            return Ok(Node {
                value: Value::Map(entries),
                ..node
            });
        }
        let mut node = self.named(node, table)?;
        for entry in node.map_mut().into_iter().flat_map(Map::values_mut) {
            let place = entry.place.clone();
            let path = self.path.join(".");
            let Some(map) = entry.map_mut() else {
                return Err(self.must_be(entry, "a mapping"));
            };
            map.entry("required".into())
                .or_insert_with(|| Node::at(&place, Value::Bool(true)));
            match map.get("condition").and_then(Node::text) {
                Some("service_started" | "service_healthy" | "service_completed_successfully") => {}
                Some(text) if self.lenient && text.contains('$') => {}
                Some(other) => {
                    return Err(ComposeError::attribute(
                        &place,
                        path,
                        format!("unknown condition {other:?}"),
                    )
                    .advise(
                        "write service_started, service_healthy or service_completed_successfully",
                    ));
                }
                None => {
                    return Err(
                        ComposeError::attribute(&place, path, "condition is required")
                            .advise("write 'condition: service_started'"),
                    );
                }
            }
        }
        Ok(node)
    }

    /// `KEY=VALUE` list or mapping to a mapping of text. A key alone becomes null where
    /// `from_environment`, else empty text.
    pub(super) fn mapping(&mut self, node: Node, from_environment: bool) -> Done {
        let alone = |item: &Node| {
            if from_environment {
                Node::at(&item.place, Value::Null)
            } else {
                item.text_here("")
            }
        };
        match &node.value {
            Value::Null => Ok(node),
            Value::List(items) => {
                let mut entries = Map::new();
                for item in items {
                    let Some(text) = item.value.scalar_text() else {
                        return Err(self.must_be(item, "a string KEY=VALUE"));
                    };
                    let (key, value) = match text.split_once('=') {
                        Some((key, value)) => (key, item.text_here(value)),
                        None => (text.as_str(), alone(item)),
                    };
                    if from_environment && key.ends_with(char::is_whitespace) {
                        return Err(self.wrong(
                            item,
                            format!("environment variable {key} is declared with a trailing space"),
                        ));
                    }
                    entries.insert(key.to_owned(), value);
                }
                Ok(Node {
                    value: Value::Map(entries),
                    ..node
                })
            }
            Value::Map(_) => self.entries(node, |walk, entry| match &entry.value {
                Value::Null => Ok(alone(&entry)),
                value => match value.scalar_text() {
                    Some(text) => Ok(entry.text_here(text)),
                    None => Err(walk.must_be(&entry, "a string, number or boolean")),
                },
            }),
            _ => Err(self.must_be(&node, "a list or mapping")),
        }
    }

    pub(super) fn options(&mut self, node: Node) -> Done {
        if node.is_null() {
            return Ok(node);
        }
        self.entries(node, |walk, entry| match &entry.value {
            Value::Null => Ok(entry.text_here("")),
            value => match value.scalar_text() {
                Some(text) => Ok(entry.text_here(text)),
                None => Err(walk.must_be(&entry, "a string or number")),
            },
        })
    }

    pub(super) fn many_options(&mut self, node: Node) -> Done {
        if node.is_null() {
            return Ok(node);
        }
        self.entries(node, |walk, entry| match &entry.value {
            Value::List(_) => walk.items(entry, |walk, item| match item.value.scalar_text() {
                Some(text) => Ok(item.text_here(text)),
                None => Err(walk.must_be(&item, "a string or number")),
            }),
            value => match value.scalar_text() {
                Some(text) => {
                    let item = entry.text_here(text);
                    Ok(Node {
                        value: Value::List(vec![item]),
                        ..entry
                    })
                }
                None => Err(walk.must_be(&entry, "a string, number or list")),
            },
        })
    }

    /// Hosts to lists of addresses.
    pub(super) fn hosts(&mut self, node: Node) -> Done {
        let mut hosts: Vec<(String, Vec<String>, Node)> = Vec::new();
        match &node.value {
            Value::Null => return Ok(node),
            Value::List(items) => {
                for item in items {
                    let Some(text) = item.text() else {
                        return Err(self.must_be(item, "a string"));
                    };
                    let split = text.split_once('=').or_else(|| text.split_once(':'));
                    let Some((host, addresses)) = split else {
                        let error = format!("invalid additional host, missing IP: {text}");
                        return Err(self
                            .wrong(item, error)
                            .advise("write it like somehost=162.242.195.82"));
                    };
                    let addresses = addresses.split(',').map(str::to_owned).collect();
                    hosts.push((host.to_owned(), addresses, item.clone()));
                }
            }
            Value::Map(entries) => {
                for (host, entry) in entries {
                    let addresses = match &entry.value {
                        Value::Null => vec![String::new()],
                        Value::List(items) => items
                            .iter()
                            .filter_map(|item| item.value.scalar_text())
                            .collect(),
                        value => match value.scalar_text() {
                            Some(text) => vec![text],
                            None => return Err(self.must_be(entry, "a string or list")),
                        },
                    };
                    hosts.push((host.clone(), addresses, entry.clone()));
                }
            }
            _ => return Err(self.must_be(&node, "a list or mapping")),
        }
        let mut done = Map::new();
        for (host, addresses, item) in hosts {
            if host.is_empty() || host.contains([':', '=']) {
                return Err(self.wrong(&item, format!("bad host name '{host}'")));
            }
            let entry = done
                .entry(host)
                .or_insert_with(|| Node::at(&item.place, Value::List(Vec::new())));
            if let Value::List(known) = &mut entry.value {
                for address in addresses {
                    let bare = address
                        .strip_prefix('[')
                        .and_then(|rest| rest.strip_suffix(']'))
                        .unwrap_or(&address);
                    known.push(item.text_here(bare));
                }
            }
        }
        Ok(Node {
            value: Value::Map(done),
            ..node
        })
    }

    pub(super) fn ulimits(&mut self, node: Node, table: Table) -> Done {
        if node.is_null() {
            return Ok(node);
        }
        self.entries(node, |walk, entry| match &entry.value {
            Value::Map(entries) => {
                if let Some(missing) = ["soft", "hard"]
                    .into_iter()
                    .find(|key| !entries.contains_key(*key))
                {
                    return Err(walk
                        .wrong(&entry, format!("'{missing}' is missing"))
                        .advise("write one number, or both soft and hard"));
                }
                walk.object(entry, table)
            }
            _ => walk.whole(entry),
        })
    }

    pub(super) fn ssh(&mut self, node: Node) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::List(items) => {
                let mut entries = Map::new();
                for item in items {
                    let Some(text) = item.text() else {
                        return Err(self.must_be(item, "a string"));
                    };
                    let (id, value) = match text.split_once('=') {
                        Some((id, path)) => (id, item.text_here(path)),
                        None if text == "default" => (text, Node::at(&item.place, Value::Null)),
                        None => {
                            return Err(self
                                .wrong(item, format!("invalid ssh key {text:?}"))
                                .advise("write 'default' or ID=PATH"));
                        }
                    };
                    entries.insert(id.to_owned(), value);
                }
                Ok(Node {
                    value: Value::Map(entries),
                    ..node
                })
            }
            _ => self.entries(node, |walk, entry| match &entry.value {
                Value::Null | Value::Text(_) => Ok(entry),
                _ => Err(walk.must_be(&entry, "a string")),
            }),
        }
    }
}
