//! `bake --list`: targets or variables, as a table or as JSON.

use super::error;
use crate::{error::CliError, flags::Parsed};
use corten_bake::{Definition, csv};
use corten_compose::{json, output::Out};

/// What is listed, and how.
pub(super) struct Wanted {
    variables: bool,
    json: bool,
}

/// What `--list` says, if it is given.
pub(super) fn wanted(parsed: &Parsed) -> Result<Option<Wanted>, CliError> {
    let text = match parsed.text("list") {
        "" if parsed.is_on("list-targets") => "targets",
        "" if parsed.is_on("list-variables") => "variables",
        "" => return Ok(None),
        text => text,
    };
    let fields = csv::fields(text).map_err(|why| error(&why))?;
    let (mut kind, mut format) = (String::new(), "table".to_owned());
    if fields.len() == 1 && !text.starts_with("type=") {
        kind = text.to_owned();
    } else {
        for field in fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(error(&format!("invalid value {field}")));
            };
            match key.trim().to_lowercase().as_str() {
                "type" => kind = value.to_owned(),
                "format" => format = value.to_owned(),
                key => return Err(error(&format!("unexpected key '{key}' in '{field}'"))),
            }
        }
    }
    if !["targets", "variables"].contains(&kind.as_str()) {
        return Err(error(&format!("invalid list type {kind:?}")));
    }
    if !["table", "json"].contains(&format.as_str()) {
        return Err(error(&format!("invalid list format {format:?}")));
    }
    Ok(Some(Wanted {
        variables: kind == "variables",
        json: format == "json",
    }))
}

/// The list.
pub(super) fn text(definition: &Definition, wanted: &Wanted) -> String {
    match (wanted.variables, wanted.json) {
        (true, false) => {
            let mut rows = vec![["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"].map(str::to_owned)];
            rows.extend(definition.variables.iter().map(|it| {
                let value = it.value.clone().unwrap_or_else(|| "<null>".into());
                [it.name.clone(), it.kind.clone(), value, it.about.clone()]
            }));
            table(rows.iter().map(|row| row.as_slice()))
        }
        (true, true) => {
            let all = definition.variables.iter().map(|it| {
                let mut entries = vec![("name".to_owned(), Out::Text(it.name.clone()))];
                let texts = [("description", Some(&it.about)), ("type", Some(&it.kind))];
                for (key, text) in texts {
                    if let Some(text) = text.filter(|it| !it.is_empty()) {
                        entries.push((key.into(), Out::Text(text.clone())));
                    }
                }
                let value = it
                    .value
                    .clone()
                    .map(|it| ("value".to_owned(), Out::Text(it)));
                entries.extend(value);
                Out::Map(entries)
            });
            json::pretty(&Out::List(all.collect())) + "\n"
        }
        (false, false) => {
            let mut rows = vec![["TARGET".to_owned(), "DESCRIPTION".to_owned()]];
            rows.extend(
                entries(definition)
                    .into_iter()
                    .map(|(name, about, _)| [name, about]),
            );
            table(rows.iter().map(|row| row.as_slice()))
        }
        (false, true) => {
            let all = entries(definition).into_iter().map(|(name, about, group)| {
                let mut entries = vec![("name".to_owned(), Out::Text(name))];
                if !about.is_empty() {
                    entries.push(("description".into(), Out::Text(about)));
                }
                if group {
                    entries.push(("group".into(), Out::Bool(true)));
                }
                Out::Map(entries)
            });
            json::pretty(&Out::List(all.collect())) + "\n"
        }
    }
}

/// Name, description, and whether it is a group, by name. Those that begin with `_` are
/// for other targets only.
fn entries(definition: &Definition) -> Vec<(String, String, bool)> {
    let targets = definition.targets.iter().map(|(name, it)| {
        (
            name.clone(),
            it.text("description").unwrap_or_default().to_owned(),
            false,
        )
    });
    let groups = definition.groups.iter().map(|it| {
        let mut members = it.targets.clone();
        members.sort();
        let members = members.join(", ");
        let about = match (it.about.as_str(), members.as_str()) {
            ("", members) => members.to_owned(),
            (about, "") => about.to_owned(),
            (about, members) => format!("{about} ({members})"),
        };
        (it.name.clone(), about, true)
    });
    let mut all: Vec<_> = targets.chain(groups).collect();
    all.retain(|(name, _, _)| !name.starts_with('_'));
    all.sort_by(|left, right| left.0.cmp(&right.0));
    all
}

/// As Go's text/tabwriter fills with tabs: stops are eight columns apart.
fn table<'a>(rows: impl Iterator<Item = &'a [String]>) -> String {
    const STOP: usize = 8;
    let rows: Vec<&[String]> = rows.collect();
    let columns = rows.first().map_or(0, |it| it.len());
    let length = |text: &String| text.chars().count();
    let stops: Vec<usize> = (0..columns)
        .map(|at| {
            rows.iter()
                .map(|row| length(&row[at]) / STOP + 1)
                .max()
                .unwrap_or(1)
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            out.push_str(cell);
            let tabs = stops[at].saturating_sub(length(cell) / STOP);
            out.push_str(&"\t".repeat(if at + 1 < columns { tabs } else { 0 }));
        }
        out.push('\n');
    }
    out
}
