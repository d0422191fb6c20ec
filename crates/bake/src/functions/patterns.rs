//! Regular expressions.

use super::{Entry, said, text};
use crate::value::Value;
use regex_lite::{Captures, Regex};

pub(super) const TABLE: &[Entry] = &[
    ("regex", "pattern:string string:string", |it| {
        let pattern = pattern(&it[0])?;
        let found = pattern.captures(text(&it[1]));
        let found = found.ok_or("pattern did not match any part of the given string")?;
        Ok(groups(&pattern, &found))
    }),
    (
        "regex_replace",
        "str:string pattern:string replace:string",
        |it| {
            let pattern = pattern(&it[1])?;
            said(pattern.replace_all(text(&it[0]), text(&it[2])))
        },
    ),
    ("regexall", "pattern:string string:string", |it| {
        let pattern = pattern(&it[0])?;
        let all = pattern.captures_iter(text(&it[1]));
        let all = all.map(|it| groups(&pattern, &it)).collect();
        Ok(Value::List(all))
    }),
];

fn pattern(value: &Value) -> Result<Regex, String> {
    Regex::new(text(value)).map_err(|error| format!("invalid regexp pattern: {error}"))
}

/// The whole match where the pattern has no groups, else the groups, by name if they have.
fn groups(pattern: &Regex, found: &Captures<'_>) -> Value {
    let value = |group: Option<regex_lite::Match<'_>>| match group {
        Some(it) => Value::Text(it.as_str().to_owned()),
        None => Value::Null,
    };
    let names: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
    match &names[..] {
        [] => value(found.get(0)),
        names if names.iter().all(Option::is_some) => {
            let names = names.iter().flatten();
            Value::Map(
                names
                    .map(|it| ((*it).to_owned(), value(found.name(it))))
                    .collect(),
            )
        }
        names => Value::List((1..=names.len()).map(|it| value(found.get(it))).collect()),
    }
}
