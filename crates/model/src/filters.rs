//! Filters of lists, prunes and events: `key → values`, AND over keys, OR over values.

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A filter that cannot be.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FilterError {
    /// The list has no such filter.
    #[error("invalid filter '{0}'")]
    UnknownKey(String),
    /// The value cannot be used.
    #[error("invalid filter '{key}={values}'", values = render(.values))]
    InvalidValue {
        /// Filter.
        key: String,
        /// All its values.
        values: Vec<String>,
    },
}

/// Docker prints the offending values as a Go slice.
fn render(values: &[String]) -> String {
    format!("[{}]", values.join(" "))
}

/// Filters as users write them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Filters {
    /// No filter: everything matches.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one value.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// No filter at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `key` is given.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values of `key`; empty when it is not given.
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Whether `value` is among the values of `key`, or the key is not given.
    pub fn exact(&self, key: &str, value: &str) -> bool {
        self.0
            .get(key)
            .is_none_or(|values| values.is_empty() || values.contains(value))
    }

    /// As [`Filters::exact`], and a value may be a prefix.
    pub fn fuzzy(&self, key: &str, value: &str) -> bool {
        self.exact(key, value) || self.get(key).any(|prefix| value.starts_with(prefix))
    }

    /// Every value of `key` (`name` or `name=value`) is satisfied by `labels`.
    pub fn labels(&self, key: &str, labels: &BTreeMap<String, String>) -> bool {
        self.get(key).all(|wanted| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
            None => labels.contains_key(wanted),
        })
    }

    /// The values of `key` as regular expressions, read once for a whole list.
    pub fn patterns(&self, key: &str) -> Patterns {
        let read = |values: &BTreeSet<String>| {
            let patterns = values.iter().map(|text| Pattern {
                expression: Regex::new(text).ok(),
                text: text.clone(),
            });
            patterns.collect()
        };
        Patterns(self.0.get(key).map(read))
    }

    /// A boolean filter: `1`, `true`, `0`, `false`; `default` when not given.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, FilterError> {
        let Some(values) = self.0.get(key) else {
            return Ok(default);
        };
        let any = |words: [&str; 2]| words.iter().any(|word| values.contains(*word));
        match (any(["1", "true"]), any(["0", "false"])) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(FilterError::InvalidValue {
                key: key.to_owned(),
                values: values.iter().cloned().collect(),
            }),
        }
    }

    /// Refuses keys that are not among `accepted`.
    pub fn validate(&self, accepted: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|key| !accepted.contains(&key.as_str())) {
            Some(key) => Err(FilterError::UnknownKey(key.clone())),
            None => Ok(()),
        }
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// What a list's `name` may be: regular expressions, of which one has to be found in the
/// text, or be the text (moby: `filters.Args.Match`).
#[derive(Debug)]
pub struct Patterns(Option<Vec<Pattern>>);

#[derive(Debug)]
struct Pattern {
    /// `None`: it is no regular expression, and fits only what is equal.
    expression: Option<Regex>,
    text: String,
}

impl Patterns {
    /// Whether one of them fits; everything does where none was given.
    pub fn fit(&self, text: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|patterns| patterns.iter().any(|it| it.fits(text)))
    }
}

impl Pattern {
    fn fits(&self, text: &str) -> bool {
        self.text == text || self.expression.as_ref().is_some_and(|it| it.is_match(text))
    }
}

impl corten_base::KindOf for FilterError {
    fn kind(&self) -> corten_base::Kind {
        corten_base::Kind::InvalidParameter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_filter_is_named() {
        let mut filters = Filters::new();
        filters.add("bogus", "1");
        let error = filters
            .validate(&["name", "id"])
            .expect_err("bogus is unknown");
        assert_eq!(error.to_string(), "invalid filter 'bogus'");
    }

    #[test]
    fn a_flag_with_nonsense_shows_its_values() {
        let mut filters = Filters::new();
        filters.add("dangling", "maybe");
        let error = filters
            .flag("dangling", false)
            .expect_err("maybe is no boolean");
        assert_eq!(error.to_string(), "invalid filter 'dangling=[maybe]'");
    }

    #[test]
    fn labels_match_by_name_or_by_value() {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        let mut filters = Filters::new();
        filters.add("label", "a");
        filters.add("label", "a=b");
        assert!(filters.labels("label", &labels));
        filters.add("label", "a=c");
        assert!(!filters.labels("label", &labels));
    }

    /// Each asked of dockerd 28.5 (`docker ps`, `volume ls` and `network ls --filter`).
    #[test]
    fn patterns_are_regular_expressions() {
        let fit = |pattern: &str, text: &str| {
            let mut filters = Filters::new();
            filters.add("name", pattern);
            filters.patterns("name").fit(text)
        };
        for pattern in ["web.", "^(web1|db)$", "(?i)WEB1", r"\d$", "eb1", ""] {
            assert!(fit(pattern, "web1"), "{pattern}");
        }
        for pattern in ["w*1", "^eb1", "web[", "WEB1", "^$"] {
            assert!(!fit(pattern, "a-web2"), "{pattern}");
        }
        assert!(fit("web[", "web["));
        assert!(Filters::new().patterns("name").fit("anything"));
    }
}
