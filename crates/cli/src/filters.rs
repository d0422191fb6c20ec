//! `--filter key=value` for the API: `{"key":{"value":true}}`.

use std::collections::BTreeMap;

/// Filters of a command line.
#[derive(Debug, Default, Clone)]
pub struct Filters(BTreeMap<String, BTreeMap<String, bool>>);

impl Filters {
    /// Reads all values.
    pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut filters = Self::default();
        for value in values {
            if let Some((key, value)) = value.split_once('=') {
                filters.add(&key.trim().to_ascii_lowercase(), value.trim());
            }
        }
        filters
    }

    /// Adds one.
    pub fn add(&mut self, key: &str, value: &str) {
        self.0
            .entry(key.to_owned())
            .or_default()
            .insert(value.to_owned(), true);
    }

    /// Whether a key has a value.
    pub fn values(&self, key: &str) -> Vec<String> {
        let values = self.0.get(key).into_iter().flatten();
        values.map(|(value, _)| value.clone()).collect()
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// For the query; empty without filters.
    pub fn json(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}
