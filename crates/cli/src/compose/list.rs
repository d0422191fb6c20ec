//! `compose ls`: the projects that the engine has containers of.

use super::Compose;
use crate::{
    error::CliError,
    filters::Filters,
    output::{
        Json,
        list::{Look, Row, render},
    },
};
use corten_compose::labels;
use std::collections::BTreeMap;

const LOOK: Look = Look {
    go_type: "api.Stack",
    headings: &[
        ("Name", "NAME"),
        ("Status", "STATUS"),
        ("ConfigFiles", "CONFIG FILES"),
    ],
    table: "{{.Name}}\t{{.Status}}\t{{.ConfigFiles}}",
};

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
    let mut projects: BTreeMap<String, (BTreeMap<String, u32>, String)> = BTreeMap::new();
    for container in answer.list(&[]) {
        let label = |key: &str| container.text(&["Labels", key]).to_owned();
        if label(labels::ONE_OFF) == "True" {
            continue;
        }
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
    let rows: Vec<Row> = projects
        .map(|(name, (states, files))| {
            let states: Vec<String> = states
                .iter()
                .map(|(state, count)| format!("{state}({count})"))
                .collect();
            Row::new()
                .field("Name", name)
                .field("Status", states.join(", "))
                .field("ConfigFiles", files)
        })
        .collect();
    let text = match parsed.text("format") {
        "json" => {
            let lines = render(&LOOK, "json", rows)?;
            format!("[{}]\n", lines.trim_end().replace('\n', ","))
        }
        "" | "table" => render(&LOOK, "", rows)?,
        other => {
            return Err(CliError::Text(format!("unsupported format type: {other}")));
        }
    };
    compose.call.app.out(&text)?;
    Ok(0)
}
