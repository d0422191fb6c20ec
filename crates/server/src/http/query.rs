//! Query parameters with dockerd's rules for booleans and numbers.

use crate::error::ApiError;
use corten_api::Filters;
use std::borrow::Cow;

/// Decoded parameters, in order. The first value of a name counts.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(text: &str) -> Self {
        let owned = |(key, value): (Cow<str>, Cow<str>)| (key.into_owned(), value.into_owned());
        Self(form_urlencoded::parse(text.as_bytes()).map(owned).collect())
    }

    /// The value of `name`, empty when it is missing.
    pub fn text(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    pub fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Every value of `name`.
    pub fn all(&self, name: &str) -> Vec<String> {
        let named = self.0.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    }

    /// Everything but the empty text and `0`, `no`, `false`, `none` is true.
    pub fn flag(&self, name: &str) -> bool {
        let value = self.text(name).trim().to_ascii_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// As [`Query::flag`], with a default for a missing parameter.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        if self.find(name).is_some() {
            self.flag(name)
        } else {
            default
        }
    }

    /// `None` when it is missing or empty.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        match self.text(name) {
            "" => Ok(None),
            text => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(ApiError::not_a_number("Atoi", text)),
            },
        }
    }

    /// The parameter `filters`.
    pub fn filters(&self) -> Result<corten_model::Filters, ApiError> {
        let wire = Filters::parse(self.text("filters"))
            .map_err(|error| ApiError::invalid(error.to_string()))?;
        let mut filters = corten_model::Filters::new();
        for (key, values) in wire.0 {
            for value in values {
                filters.add(key.clone(), value);
            }
        }
        Ok(filters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_read_as_dockerd_reads_them() {
        let query = Query::parse("a=1&b=0&c=False&d=none&e=x&f=&g");
        let set: Vec<bool> = ["a", "b", "c", "d", "e", "f", "g", "h"]
            .map(|name| query.flag(name))
            .to_vec();
        assert_eq!(set, [true, false, false, false, true, false, false, false]);
        assert!(query.flag_or("h", true));
        assert!(!query.flag_or("b", true));
    }
}
