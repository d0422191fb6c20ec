//! Lists: rows of named fields, printed as a table, by a template or as JSON.

use super::json::Json;
use super::tabs;
use super::template::{Format, FormatError, Value, value};
use std::{collections::BTreeMap, rc::Rc};
use thiserror::Error;

/// A list that could not be printed; texts as Docker's client has them.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ListError {
    #[error("failed to parse template: {0}")]
    Parse(FormatError),
    #[error("failed to execute template: {0}")]
    Execute(FormatError),
}

/// How a kind of list looks.
pub struct Look {
    /// Name of Go's type behind a row, for error texts.
    pub go_type: &'static str,
    /// Headings by field.
    pub headings: &'static [(&'static str, &'static str)],
    /// Template of the table without options.
    pub table: &'static str,
}

/// One row: field names and values in any order.
#[derive(Default)]
pub struct Row {
    members: Vec<(String, Json)>,
    /// Fields whose values have a type of Go's of their own, and that.
    types: Vec<(&'static str, &'static str)>,
    /// For `.Label "x"`.
    labels: Option<BTreeMap<String, String>>,
}

impl Row {
    /// An empty row.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn field(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.members.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a field of a type of the table of Go's types.
    pub fn typed(mut self, name: &'static str, ty: &'static str, value: impl Into<Json>) -> Self {
        self.types.push((name, ty));
        self.field(name, value)
    }

    /// Sets a field that is there already.
    pub fn replaced(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.members.retain(|(key, _)| key != name);
        self.field(name, value)
    }

    /// Without a field that this list does not have.
    pub fn without(mut self, name: &str) -> Self {
        self.members.retain(|(key, _)| key != name);
        self
    }

    /// Labels for `.Label "x"` and the field `Labels`.
    pub fn labels(mut self, labels: &[(String, Json)]) -> Self {
        let mut sorted: Vec<String> = labels
            .iter()
            .map(|(k, v)| format!("{k}={}", v.text(&[])))
            .collect();
        sorted.sort();
        self.members
            .push(("Labels".into(), sorted.join(",").into()));
        let label = |(key, value): &(String, Json)| (key.clone(), value.text(&[]).to_owned());
        self.labels = Some(labels.iter().map(label).collect());
        self
    }

    /// As a template sees it.
    fn value(mut self, type_name: &'static str) -> value::Row {
        self.members.sort_by(|a, b| a.0.cmp(&b.0));
        let fields = self.members.iter().map(|(name, it)| {
            let ty = self.types.iter().find(|(of, _)| of == name);
            let value = match ty {
                Some((_, ty)) => value::typed(ty, Some(it)),
                None => value::any(it),
            };
            (name.clone(), value)
        });
        value::Row {
            type_name,
            fields: fields.collect(),
            labels: self.labels,
            is_heading: false,
            json: Json::Object(self.members),
        }
    }
}

/// The headings as a template sees them: a map.
fn heading(look: &Look) -> Value {
    let headings = look.headings.iter();
    Value::Row(Rc::new(value::Row {
        type_name: "formatter.SubHeaderContext",
        fields: headings
            .map(|(name, it)| ((*name).to_owned(), value::text(it)))
            .collect(),
        labels: None,
        is_heading: true,
        json: Json::Null,
    }))
}

/// Prints the rows under `format`: empty or `table` for the table of `look`, `json`,
/// `table TEMPLATE` or `TEMPLATE`.
pub fn render(look: &Look, format: &str, rows: Vec<Row>) -> Result<String, ListError> {
    let rows: Vec<value::Row> = rows.into_iter().map(|it| it.value(look.go_type)).collect();
    if format == "json" {
        let lines = rows.iter().map(|row| row.json.compact(true) + "\n");
        return Ok(lines.collect());
    }
    let (is_table, source) = match format {
        "" | "table" => (true, look.table.to_owned()),
        _ => match format.strip_prefix("table") {
            Some(rest) => (true, unescape(rest.trim())),
            None => (false, unescape(format.trim())),
        },
    };
    let mut out = String::new();
    if is_table {
        let template = Format::parse(&source).map_err(ListError::Parse)?.heading();
        // What fails here fails for the rows, too, and is told there.
        if let Ok(line) = template.execute(&heading(look)) {
            out.push_str(&line);
        }
        out.push('\n');
    }
    let template = Format::parse(&source).map_err(ListError::Parse)?;
    for row in rows {
        let line = template
            .execute(&Value::Row(Rc::new(row)))
            .map_err(ListError::Execute)?;
        if is_table {
            // A label's control characters must not reach the terminal.
            let shown = |c: char| c == '\t' || c == '\n' || !c.is_control();
            out.extend(line.chars().map(|c| if shown(c) { c } else { '\u{fffd}' }));
        } else {
            out.push_str(&line);
        }
        out.push('\n');
    }
    Ok(if is_table { tabs::table(&out) } else { out })
}

/// Fills a format in for a row of nothing, so that one that never works is refused before
/// anything is asked.
pub fn check(look: &Look, format: &str, row: Row) -> Result<(), ListError> {
    let template = Format::parse(format).map_err(ListError::Parse)?;
    template
        .execute(&Value::Row(Rc::new(row.value(look.go_type))))
        .map(drop)
        .map_err(ListError::Execute)
}

/// The shell leaves `\t` and `\n` as two characters.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        go_type: "*formatter.ContainerContext",
        headings: &[("ID", "CONTAINER ID"), ("Names", "NAMES")],
        table: "{{.ID}}\t{{.Names}}",
    };

    fn rows() -> Vec<Row> {
        vec![
            Row::new()
                .field("Names", "web")
                .field("ID", "54624ba14f7a")
                .field("P", "a->b"),
        ]
    }

    #[test]
    fn a_list_is_a_table_a_template_or_json() {
        for (format, text) in [
            ("", "CONTAINER ID   NAMES\n54624ba14f7a   web\n"),
            (
                "table {{.Names}}\\t{{.ID}}",
                "NAMES     CONTAINER ID\nweb       54624ba14f7a\n",
            ),
            ("{{.Names}}: {{.ID}}", "web: 54624ba14f7a\n"),
            (
                "json",
                "{\"ID\":\"54624ba14f7a\",\"Names\":\"web\",\"P\":\"a-\\u003eb\"}\n",
            ),
            (
                "{{json .}}",
                "{\"ID\":\"54624ba14f7a\",\"Names\":\"web\",\"P\":\"a-\\u003eb\"}\n",
            ),
        ] {
            assert_eq!(render(&LOOK, format, rows()).unwrap(), text, "{format}");
        }
        assert_eq!(
            render(&LOOK, "{{.Foo}}", rows()).unwrap_err().to_string(),
            "failed to execute template: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.ContainerContext"
        );
        assert_eq!(
            render(&LOOK, "{{", Vec::new()).unwrap_err().to_string(),
            "failed to parse template: template: :1: unclosed action"
        );
    }
}
