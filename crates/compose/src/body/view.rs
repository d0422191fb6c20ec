//! Looks at a canonical object and gives JSON.

use crate::canonical::parse_duration;
use crate::node::{Node, Value};
use serde_json::{Value as J, json};

/// An object whose attributes are looked at.
pub(crate) struct View<'a>(pub(crate) &'a Node);

impl<'a> View<'a> {
    pub(crate) fn below(&self, key: &str) -> Option<View<'a>> {
        self.0
            .get(key)
            .filter(|node| node.map().is_some())
            .map(View)
    }

    pub(crate) fn items(&self, key: &str) -> &'a [Node] {
        self.0.get(key).and_then(Node::list).unwrap_or_default()
    }

    pub(crate) fn objects(&self, key: &str) -> impl Iterator<Item = View<'a>> {
        self.items(key).iter().map(View)
    }

    pub(crate) fn entries(&self, key: &str) -> Vec<(&'a String, &'a Node)> {
        let map = self.0.get(key).and_then(Node::map);
        map.into_iter().flatten().collect()
    }

    pub(crate) fn str(&self, key: &str) -> &'a str {
        self.0.text_at(&[key]).unwrap_or_default()
    }

    pub(crate) fn text(&self, key: &str) -> J {
        self.str(key).into()
    }

    pub(crate) fn texts(&self, key: &str) -> J {
        json!(
            self.items(key)
                .iter()
                .filter_map(Node::text)
                .collect::<Vec<_>>()
        )
    }

    /// Words that were given, even if there are none.
    pub(crate) fn words(&self, key: &str) -> Option<J> {
        self.0.get(key)?.list().map(|_| self.texts(key))
    }

    pub(crate) fn given_truth(&self, key: &str) -> Option<bool> {
        match self.0.get(key)?.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn truth(&self, key: &str) -> J {
        self.given_truth(key).unwrap_or(false).into()
    }

    pub(crate) fn int(&self, key: &str) -> Option<i64> {
        match self.0.get(key)?.value {
            Value::Int(value) => Some(value),
            Value::Float(value) => Some(value as i64),
            _ => None,
        }
    }

    pub(crate) fn float(&self, key: &str) -> Option<f64> {
        match self.0.get(key)?.value {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn number(&self, key: &str) -> J {
        self.int(key).map_or(J::Null, J::from)
    }

    pub(crate) fn nanos(&self, key: &str) -> Option<i64> {
        parse_duration(self.0.text_at(&[key])?).ok()
    }

    pub(crate) fn mapping(&self, key: &str) -> J {
        let entries = self.entries(key);
        J::Object(
            entries
                .into_iter()
                .map(|(key, value)| (key.clone(), value.text().unwrap_or_default().into()))
                .collect(),
        )
    }

    /// `host:address` lines.
    pub(crate) fn hosts(&self, key: &str) -> J {
        let entries = self.entries(key);
        let lines = entries.into_iter().flat_map(|(host, addresses)| {
            let addresses = addresses.list().unwrap_or_default();
            addresses
                .iter()
                .map(move |address| format!("{host}:{}", address.text().unwrap_or_default()))
        });
        json!(lines.collect::<Vec<_>>())
    }
}
