//! What came of the builds: the file of metadata, and the answers of calls that build
//! nothing.

use super::error;
use crate::{app::Call, build as own, error::CliError, flags::Parsed};
use corten_bake::Plan;
use corten_client::build::Solved;
use corten_compose::output::Out;
use std::collections::BTreeMap;

/// `--metadata-file`.
pub(super) fn metadata(parsed: &Parsed, solved: &BTreeMap<String, Solved>) -> Result<(), CliError> {
    let path = parsed.text("metadata-file");
    if path.is_empty() {
        return Ok(());
    }
    let all = solved
        .iter()
        .map(|(name, it)| (name.clone(), own::metadata::document(it)))
        .chain(own::metadata::warnings(solved.values()));
    let document = serde_json::Value::Object(all.collect());
    std::fs::write(path, format!("{document:#}"))
        .map_err(|why| error(&format!("open {path}: {}", crate::error::errno_text(&why))))
}

/// What `--call` was answered, a section for each target.
pub(super) fn answers(
    call: &Call<'_>,
    plan: &Plan,
    solved: &BTreeMap<String, Solved>,
) -> Result<u8, CliError> {
    let asked = own::asked(&call.parsed)?;
    let is_json = asked.as_ref().is_some_and(|it| it.json);
    let mut code = 0;
    let mut documents = Vec::new();
    let mut first = true;
    for (name, solved) in solved {
        let target = &plan.targets[name];
        let Some(kind) = target.text("call").filter(|it| !["", "build"].contains(it)) else {
            continue;
        };
        let kind = if kind == "lint" { "check" } else { kind };
        let mut asked = asked.clone().unwrap_or_default();
        asked.name = kind.to_owned();
        let (text, status) = own::answer(&asked, solved);
        code = code.max(status);
        if is_json {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            documents.push((name.clone(), kind.to_owned(), value));
            continue;
        }
        let about = target.text("description").unwrap_or_default();
        let about = if about.is_empty() {
            String::new()
        } else {
            format!("{about}\n")
        };
        let separator = if std::mem::take(&mut first) { "" } else { "\n" };
        call.app
            .out(&format!("{separator}{name}\n{about}\n{text}"))?;
    }
    if is_json {
        call.app.out(&document(plan, documents))?;
    }
    Ok(code)
}

/// The plan, and in each target what was answered.
fn document(plan: &Plan, answers: Vec<(String, String, serde_json::Value)>) -> String {
    let targets = answers.into_iter().map(|(name, kind, value)| {
        let build = ("build".to_owned(), plan.targets[&name].out());
        (name, Out::Map(vec![build, (kind, out(&value))]))
    });
    let mut all = Vec::new();
    if let Some(groups) = plan.groups_out() {
        all.push(("group".to_owned(), groups));
    }
    all.push(("target".to_owned(), Out::Map(targets.collect())));
    corten_compose::json::pretty(&Out::Map(all)) + "\n"
}

fn out(value: &serde_json::Value) -> Out {
    use serde_json::Value;
    match value {
        Value::Null => Out::Null,
        Value::Bool(value) => Out::Bool(*value),
        Value::Number(number) => Out::Number(number.to_string()),
        Value::String(text) => Out::Text(text.clone()),
        Value::Array(items) => Out::List(items.iter().map(out).collect()),
        Value::Object(entries) => Out::Map(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), out(value)))
                .collect(),
        ),
    }
}
