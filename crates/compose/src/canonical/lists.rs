//! Lists: of text, of ports and of small objects with a short form.

use super::{Done, Walk, ports, volume_spec};
use crate::error::ComposeError;
use crate::node::{Node, Value};
use crate::schema::Table;

impl Walk {
    /// Each item of a list through `step`, its index in the path.
    pub(super) fn items(
        &mut self,
        node: Node,
        mut step: impl FnMut(&mut Self, Node) -> Done,
    ) -> Done {
        let tag = node.tag;
        let items = match node.value {
            Value::Null => return Ok(node),
            Value::List(items) => items,
            _ => return Err(self.must_be(&node, "a list")),
        };
        let mut done = Vec::with_capacity(items.len());
        for (at, item) in items.into_iter().enumerate() {
            done.push(self.below(&at.to_string(), |walk| step(walk, item))?);
        }
        Ok(Node {
            value: Value::List(done),
            place: node.place,
            tag,
        })
    }

    pub(super) fn texts(&self, node: Node, or_one: bool) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::Text(text) if or_one => {
                let item = node.text_here(text.clone());
                let value = if text.is_empty() { vec![] } else { vec![item] };
                Ok(Node {
                    value: Value::List(value),
                    ..node
                })
            }
            Value::List(items) => {
                if let Some((at, item)) = items
                    .iter()
                    .enumerate()
                    .find(|(_, item)| item.text().is_none())
                {
                    return Err(self.item_must_be(item, at, "a string"));
                }
                Ok(node)
            }
            _ if or_one => Err(self.must_be(&node, "a string or list")),
            _ => {
                let error = self.must_be(&node, "a list");
                Err(match node.text() {
                    Some(text) => error.advise(format!("write [{text:?}]")),
                    None => error,
                })
            }
        }
    }

    fn item_must_be(&self, item: &Node, at: usize, wanted: &str) -> ComposeError {
        let message = format!("must be {wanted}, not {}", item.value.kind_name());
        let key = format!("{}.{at}", self.path.join("."));
        let error = ComposeError::attribute(&item.place, key, message);
        match item.value.scalar_text() {
            Some(text) => error.advise(format!("write \"{text}\"")),
            None => error,
        }
    }

    pub(super) fn labels(&mut self, node: Node) -> Done {
        self.items(node, |walk, item| walk.label(item))
    }

    /// Each short form may stand for several ports: a range is one entry a port.
    pub(super) fn ports(&mut self, node: Node, table: Table) -> Done {
        let place = node.place.clone();
        let tag = node.tag;
        let items = match node.value {
            Value::Null => return Ok(node),
            Value::List(items) => items,
            _ => return Err(self.must_be(&node, "a list")),
        };
        let mut done = Vec::new();
        for (at, item) in items.into_iter().enumerate() {
            self.below(&at.to_string(), |walk| match &item.value {
                Value::Map(_) => {
                    done.push(walk.object(item, table)?);
                    Ok(())
                }
                Value::Int(_) | Value::Text(_) => walk.short_port(item, &mut done),
                _ => Err(walk.must_be(&item, "a string, a number or a mapping")),
            })?;
        }
        Ok(Node {
            value: Value::List(done),
            place,
            tag,
        })
    }

    fn short_port(&self, item: Node, into: &mut Vec<Node>) -> Result<(), ComposeError> {
        let text = item.value.scalar_text().unwrap_or_default();
        match ports::parse(&text) {
            Ok(ports) => {
                into.extend(ports.into_iter().map(|port| {
                    let mut node = item.map_here([
                        ("mode", item.text_here("ingress")),
                        ("target", Node::at(&item.place, Value::Int(port.target))),
                        ("protocol", item.text_here(port.protocol)),
                    ]);
                    if let Some(map) = node.map_mut() {
                        let mut optional = |key: &str, text: String| {
                            if !text.is_empty() {
                                map.insert(key.into(), item.text_here(text));
                            }
                        };
                        optional("published", port.published);
                        optional("host_ip", port.host_ip);
                    }
                    node
                }));
                Ok(())
            }
            Err(_) if self.lenient && text.contains('$') => {
                into.push(item);
                Ok(())
            }
            Err(message) => Err(self.wrong(&item, message)),
        }
    }

    pub(super) fn volume(&mut self, node: Node, table: Table) -> Done {
        match &node.value {
            Value::Map(_) => self.object(node, table),
            Value::Text(text) => match volume_spec::parse(text) {
                Ok(volume) => Ok(volume.into_node(&node)),
                Err(_) if self.lenient => Ok(node),
                Err(message) => Err(self.wrong(&node, message)),
            },
            _ => Err(self.must_be(&node, "a string or mapping")),
        }
    }

    pub(super) fn grant(&mut self, node: Node, table: Table) -> Done {
        self.text_or_object(node, "source", table)
    }

    pub(super) fn device(&mut self, node: Node, table: Table) -> Done {
        let Value::Text(text) = &node.value else {
            return self.object(node, table);
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, rights) = match parts[..] {
            [source] => (source, source, "rwm"),
            [source, target] => (source, target, "rwm"),
            [source, target, rights] => (source, target, rights),
            _ if self.lenient => return Ok(node),
            _ => {
                let message = format!("confusing device mapping, please use long syntax: {text}");
                return Err(self.wrong(&node, message));
            }
        };
        let target = if target.is_empty() { source } else { target };
        Ok(node.map_here([
            ("source", node.text_here(source)),
            ("target", node.text_here(target)),
            ("permissions", node.text_here(rights)),
        ]))
    }

    pub(super) fn env_files(&mut self, node: Node, table: Table) -> Done {
        let node = match &node.value {
            Value::Text(text) => {
                let item = node.text_here(text.clone());
                Node {
                    value: Value::List(vec![item]),
                    ..node
                }
            }
            _ => node,
        };
        self.items(node, |walk, item| {
            let mut item = walk.text_or_object(item, "path", table)?;
            let place = item.place.clone();
            if let Some(map) = item.map_mut() {
                map.entry("required".into())
                    .or_insert_with(|| Node::at(&place, Value::Bool(true)));
            }
            Ok(item)
        })
    }

    pub(super) fn gpus(&mut self, node: Node, table: Table) -> Done {
        match node.text() {
            Some("all") => {
                let all = node.map_here([("count", Node::at(&node.place, Value::Int(-1)))]);
                Ok(Node {
                    value: Value::List(vec![all]),
                    ..node
                })
            }
            Some(_) => Err(self.wrong(&node, "must be 'all' or a list")),
            None => self.items(node, |walk, item| walk.object(item, table)),
        }
    }
}
