//! What happens to a thing, as a line of JSON for programs: what is not known is left out.

use corten_compose::apply::Event;
use serde::Serialize;

#[derive(Serialize)]
pub struct Message<'a> {
    #[serde(rename = "dry-run", skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// About no thing, and told at the end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tail: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    parent_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    current: i64,
    #[serde(skip_serializing_if = "is_zero")]
    total: i64,
    #[serde(skip_serializing_if = "is_zero")]
    percent: i64,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl<'a> Message<'a> {
    /// An event.
    pub fn of(event: &'a Event, dry_run: bool) -> Self {
        Self {
            dry_run,
            tail: false,
            id: &event.id,
            parent_id: &event.parent,
            text: &event.text,
            status: &event.status,
            current: event.amount.current,
            total: event.amount.total,
            percent: event.amount.percent,
        }
    }

    /// A text about no thing.
    pub fn tail(text: &'a str, dry_run: bool) -> Self {
        Self {
            dry_run,
            tail: true,
            id: "",
            parent_id: "",
            text,
            status: "",
            current: 0,
            total: 0,
            percent: 0,
        }
    }

    /// The line. Go writes these characters of texts as escapes; outside of texts JSON has
    /// none of them.
    pub fn line(&self) -> String {
        let line = serde_json::to_string(self).expect("texts and numbers are JSON");
        line.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_compose::apply::{Amount, Phase};

    #[test]
    fn only_what_is_known_is_written() {
        let mut event = Event::of("6b03", Phase::Working).text("Extracting");
        event.parent = "web".into();
        event.status = "[=>]".into();
        event.amount = Amount {
            current: 1,
            total: 2,
            percent: 50,
        };
        assert_eq!(
            Message::of(&event, true).line(),
            r#"{"dry-run":true,"id":"6b03","parent_id":"web","text":"Extracting","status":"[=\u003e]","current":1,"total":2,"percent":50}"#
        );
        assert_eq!(
            Message::tail("a & b", false).line(),
            r#"{"tail":true,"text":"a \u0026 b"}"#
        );
    }
}
