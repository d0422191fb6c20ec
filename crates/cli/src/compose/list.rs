//! `compose ls`: the projects that the engine has containers of.

use super::Compose;
use crate::{
    error::CliError,
    filters::Filters,
    output::{Json, tabs},
};
use corten_compose::{json, labels, output::Out};
use std::collections::BTreeMap;

/// Lists projects.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let filters = format!("{{\"label\":[\"{}\"]}}", labels::PROJECT);
    let answer: Json = compose
        .call
        .client()
        .await?
        .get("/containers/json")
        .flag("all", parsed.is_on("all"))
        .query("filters", filters)
        .send()
        .await?
        .json()
        .await?;
    if let Some(filter) = parsed.all("filter").find(|it| !it.starts_with("name=")) {
        let key = filter.split('=').next().unwrap_or_default();
        return Err(CliError::Text(format!("invalid filter '{key}'")));
    }
    let mut projects: BTreeMap<String, (BTreeMap<String, u32>, String)> = BTreeMap::new();
    for container in answer.list(&[]) {
        let label = |key: &str| container.text(&["Labels", key]).to_owned();
        let (states, files) = projects.entry(label(labels::PROJECT)).or_default();
        *states
            .entry(container.text(&["State"]).to_owned())
            .or_default() += 1;
        *files = label(labels::CONFIG_FILES);
    }
    let wanted: Vec<String> = Filters::parse(parsed.all("filter")).values("name");
    let shown = |name: &String| wanted.is_empty() || wanted.iter().any(|part| name.contains(part));
    let projects = projects.into_iter().filter(|(name, _)| shown(name));
    if parsed.is_on("quiet") {
        let text: String = projects.map(|(name, _)| name + "\n").collect();
        compose.call.app.out(&text)?;
        return Ok(0);
    }
    let text = match parsed.text("format") {
        "json" => {
            let projects = projects.map(|(name, (states, files))| {
                let fields = [
                    ("Name", name),
                    ("Status", counted(&states)),
                    ("ConfigFiles", files),
                ];
                Out::Map(
                    fields
                        .map(|(key, text)| (key.into(), Out::Text(text)))
                        .into(),
                )
            });
            json::compact(&Out::List(projects.collect())) + "\n"
        }
        "" | "table" | "pretty" => {
            let mut table = "NAME\tSTATUS\tCONFIG FILES\n".to_owned();
            for (name, (states, files)) in projects {
                table.push_str(&format!("{name}\t{}\t{files}\n", counted(&states)));
            }
            tabs::align(&table, 20, 3)
        }
        other => {
            return Err(CliError::Text(format!(
                "format value {other:?} could not be parsed: parsing failed"
            )));
        }
    };
    compose.call.app.out(&text)?;
    Ok(0)
}

/// How many containers are in which state.
fn counted(states: &BTreeMap<String, u32>) -> String {
    let states = states.iter();
    let states: Vec<String> = states
        .map(|(state, count)| format!("{state}({count})"))
        .collect();
    states.join(", ")
}
