//! Checks a tree against the specification and brings every short form into its long one:
//! afterwards each value is of the one type that its shape has, and merging, printing and
//! planning need not ask again.

mod lists;
mod mappings;
mod numbers;
mod ports;
mod volume_spec;
mod words;

pub(crate) use numbers::parse_duration;
pub(crate) use volume_spec::clean;

use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use crate::schema::{self, Shape, Table};

/// The tree in canonical form. With `lenient`, text that cannot be converted stays as it
/// is: variables are then not filled in, and `${N}` is no number yet.
pub(crate) fn canonical(node: Node, table: Table, lenient: bool) -> Result<Node, ComposeError> {
    let mut walk = Walk {
        lenient,
        path: Vec::new(),
    };
    walk.object(node, table)
}

/// A walk down a tree, with the words of the path so far.
struct Walk {
    lenient: bool,
    path: Vec<String>,
}

type Done = Result<Node, ComposeError>;

impl Walk {
    fn wrong(&self, node: &Node, message: impl Into<String>) -> ComposeError {
        ComposeError::attribute(&node.place, self.path.join("."), message)
    }

    fn must_be(&self, node: &Node, wanted: &str) -> ComposeError {
        self.wrong(
            node,
            format!("must be {wanted}, not {}", node.value.kind_name()),
        )
    }

    /// Runs `step` with `key` as the last word of the path.
    fn below<T>(
        &mut self,
        key: &str,
        step: impl FnOnce(&mut Self) -> Result<T, ComposeError>,
    ) -> Result<T, ComposeError> {
        self.path.push(key.to_owned());
        let result = step(self)?;
        self.path.pop();
        Ok(result)
    }

    /// A conversion of text that may be a variable still.
    fn converted<E: ToString>(&self, node: Node, value: Result<Value, E>) -> Done {
        match value {
            Ok(value) => Ok(Node { value, ..node }),
            Err(_) if self.lenient && node.text().is_some_and(|text| text.contains('$')) => {
                Ok(node)
            }
            Err(error) => Err(self.wrong(&node, error.to_string())),
        }
    }

    fn object(&mut self, node: Node, table: Table) -> Done {
        if node.is_null() {
            return Ok(node);
        }
        let Value::Map(entries) = node.value else {
            return Err(self.must_be(&node, "a mapping"));
        };
        let mut done = Map::new();
        for (key, entry) in entries {
            if schema::is_extension(&key) {
                done.insert(key, entry);
                continue;
            }
            let Some(field) = schema::field(table, &key) else {
                return Err(self.unknown(&entry, &key, table));
            };
            let tag = entry.tag;
            let mut entry = self.below(&key, |walk| walk.shape(entry, field.shape))?;
            entry.tag = tag;
            done.insert(key, entry);
        }
        Ok(Node {
            value: Value::Map(done),
            ..node
        })
    }

    fn unknown(&self, node: &Node, key: &str, table: Table) -> ComposeError {
        let at = if self.path.is_empty() {
            "(root)".to_owned()
        } else {
            self.path.join(".")
        };
        let error = ComposeError::attribute(
            &node.place,
            at,
            format!("additional property '{key}' is not allowed"),
        );
        match nearest(key, table) {
            Some(name) => error.advise(format!("did you mean '{name}'?")),
            None if self.path.is_empty() => error.advise("a key of your own must begin with 'x-'"),
            None => error,
        }
    }

    fn shape(&mut self, node: Node, shape: Shape) -> Done {
        match shape {
            Shape::Text => self.text(node),
            Shape::Label => self.label(node),
            Shape::Switch => self.switch(node),
            Shape::Bool => self.boolean(node),
            Shape::Int => self.whole(node),
            Shape::Float => self.float(node),
            Shape::Bytes => self.bytes(node),
            Shape::Duration => self.duration(node),
            Shape::Mode => self.mode(node),
            Shape::Count => self.count(node),
            Shape::Command => self.command(node),
            Shape::Test => self.test(node),
            Shape::Texts => self.texts(node, false),
            Shape::OneOrTexts => self.texts(node, true),
            Shape::Labels => self.labels(node),
            Shape::Mapping => self.mapping(node, false),
            Shape::Environment => self.mapping(node, true),
            Shape::Options => self.options(node),
            Shape::ManyOptions => self.many_options(node),
            Shape::Hosts => self.hosts(node),
            Shape::Object(table) => self.object(node, table),
            Shape::MapOf(table) => self.named(node, table),
            Shape::MapOrNames(table) => self.named_or_names(node, table),
            Shape::DependsOn(table) => self.depends_on(node, table),
            Shape::ListOf(table) => self.items(node, |walk, item| walk.object(item, table)),
            Shape::Ports(table) => self.ports(node, table),
            Shape::Volumes(table) => self.items(node, |walk, item| walk.volume(item, table)),
            Shape::Grants(table) => self.items(node, |walk, item| walk.grant(item, table)),
            Shape::Devices(table) => self.items(node, |walk, item| walk.device(item, table)),
            Shape::EnvFiles(table) => self.env_files(node, table),
            Shape::Ulimits(table) => self.ulimits(node, table),
            Shape::Gpus(table) => self.gpus(node, table),
            Shape::Ssh => self.ssh(node),
            Shape::Build(table) => self.text_or_object(node, "context", table),
            Shape::Extends(table) => self.text_or_object(node, "service", table),
            Shape::External => self.external(node),
            Shape::Includes(table) => {
                self.items(node, |walk, item| walk.text_or_object(item, "path", table))
            }
        }
    }

    fn text(&self, node: Node) -> Done {
        match node.value {
            Value::Text(_) | Value::Null => Ok(node),
            _ => {
                let error = self.must_be(&node, "a string");
                Err(match node.value.scalar_text() {
                    Some(text) => error.advise(format!("write \"{text}\"")),
                    None => error,
                })
            }
        }
    }

    fn label(&self, node: Node) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::Bool(_) => Err(self.must_be(&node, "a string or number")),
            value => match value.scalar_text() {
                Some(text) => Ok(node.text_here(text)),
                None => Err(self.must_be(&node, "a string or number")),
            },
        }
    }

    fn switch(&self, node: Node) -> Done {
        match &node.value {
            Value::Text(_) | Value::Null => Ok(node),
            Value::Bool(value) => Ok(node.text_here(value.to_string())),
            _ => Err(self.must_be(&node, "a string or boolean")),
        }
    }

    fn boolean(&self, node: Node) -> Done {
        match &node.value {
            Value::Bool(_) | Value::Null => Ok(node),
            Value::Text(text) => {
                let value = match text.to_ascii_lowercase().as_str() {
                    "true" | "y" | "yes" | "on" => Ok(Value::Bool(true)),
                    "false" | "n" | "no" | "off" => Ok(Value::Bool(false)),
                    _ => Err(format!("invalid boolean: {text}; write true or false")),
                };
                self.converted(node, value)
            }
            _ => Err(self.must_be(&node, "a boolean or string")),
        }
    }

    fn text_or_object(&mut self, node: Node, key: &str, table: Table) -> Done {
        match &node.value {
            Value::Text(text) => Ok(node.map_here([(key, node.text_here(text.clone()))])),
            Value::Map(_) | Value::Null => self.object(node, table),
            _ => Err(self.must_be(&node, "a string or mapping")),
        }
    }

    /// `external: {name: x}` of old files is `external: true` and a name; the name itself
    /// is moved by `load`, which sees the whole object.
    fn external(&self, node: Node) -> Done {
        match &node.value {
            Value::Map(entries) => {
                for (key, entry) in entries {
                    if key != "name" && !schema::is_extension(key) {
                        return Err(self
                            .wrong(entry, format!("additional property '{key}' is not allowed")));
                    }
                }
                Ok(node)
            }
            _ => self.boolean(node),
        }
    }
}

/// The attribute that was probably meant.
fn nearest(key: &str, table: Table) -> Option<&'static str> {
    table
        .iter()
        .map(|field| (distance(key, field.name), field.name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(key.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be added, taken away, changed or swapped with their neighbour
/// (optimal string alignment).
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for (at, row) in rows.iter_mut().enumerate() {
        row[0] = at;
    }
    for (at, cell) in rows[0].iter_mut().enumerate() {
        *cell = at;
    }
    for l in 1..=left.len() {
        for r in 1..=right.len() {
            let changed = usize::from(left[l - 1] != right[r - 1]);
            let mut best = (rows[l - 1][r] + 1)
                .min(rows[l][r - 1] + 1)
                .min(rows[l - 1][r - 1] + changed);
            let swapped =
                l > 1 && r > 1 && left[l - 1] == right[r - 2] && left[l - 2] == right[r - 1];
            if swapped {
                best = best.min(rows[l - 2][r - 2] + 1);
            }
            rows[l][r] = best;
        }
    }
    rows[left.len()][right.len()]
}
