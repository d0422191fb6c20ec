//! The query parameter `filters`: a JSON object of lists.

use serde_json::Value;
use std::collections::BTreeMap;
use thiserror::Error;

/// Filters as sent: key to values. Keys are combined by AND, values of one key by OR.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(pub BTreeMap<String, Vec<String>>);

/// A text that is no JSON object of lists (or of `{value: true}`).
#[derive(Debug, Error, PartialEq, Eq)]
#[error("invalid filter")]
pub struct FiltersError;

impl Filters {
    /// Reads the parameter; an empty text is no filter. Also reads the form of API 1.21
    /// and older, `{"label":{"a=b":true}}`.
    pub fn parse(text: &str) -> Result<Self, FiltersError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let keys = match serde_json::from_str(text) {
            Ok(Value::Object(keys)) => keys,
            Ok(Value::Null) => return Ok(Self::default()),
            _ => return Err(FiltersError),
        };
        let mut filters = BTreeMap::new();
        for (key, values) in keys {
            let values = match values {
                Value::Array(values) => {
                    values.into_iter().map(text_of).collect::<Result<_, _>>()?
                }
                Value::Object(values) => values
                    .into_iter()
                    .map(|(value, on)| on.is_boolean().then_some(value).ok_or(FiltersError))
                    .collect::<Result<_, _>>()?,
                _ => return Err(FiltersError),
            };
            filters.insert(key, values);
        }
        Ok(Self(filters))
    }

    /// The parameter's text in the form of API 1.22 and newer,
    /// `{"label":{"a=b":true}}` as Docker's client writes it.
    pub fn to_text(&self) -> String {
        let map: BTreeMap<&str, BTreeMap<&str, bool>> = self
            .0
            .iter()
            .map(|(key, values)| {
                (
                    key.as_str(),
                    values.iter().map(|value| (value.as_str(), true)).collect(),
                )
            })
            .collect();
        serde_json::to_string(&map).expect("maps of text are JSON")
    }

    /// Adds one value.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().push(value.into());
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of `key`.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

fn text_of(value: Value) -> Result<String, FiltersError> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(FiltersError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_filters_are_read() {
        for text in [
            r#"{"label":["a=b","c"]}"#,
            r#"{"label":{"a=b":true,"c":true}}"#,
        ] {
            assert_eq!(Filters::parse(text).unwrap().get("label"), ["a=b", "c"]);
        }
        for text in ["x", "[]", r#"{"label":"a"}"#, r#"{"label":[1]}"#] {
            assert_eq!(Filters::parse(text), Err(FiltersError), "{text}");
        }
        assert_eq!(Filters::parse("null"), Ok(Filters::default()));
        let mut filters = Filters::default();
        filters.add("status", "exited");
        assert_eq!(filters.to_text(), r#"{"status":{"exited":true}}"#);
        assert_eq!(Filters::parse(&filters.to_text()), Ok(filters));
    }
}
