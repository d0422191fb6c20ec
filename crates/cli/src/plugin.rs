//! `plugin ls`: the engine's plugins.

use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
};

const LOOK: Look = Look {
    go_type: "*formatter.pluginContext",
    headings: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Description", "DESCRIPTION"),
        ("Enabled", "ENABLED"),
        ("PluginReference", "PLUGIN REFERENCE"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Description}}\t{{.Enabled}}",
};

/// Descriptions are cut to so many characters.
const DESCRIPTION: usize = 45;

/// Lists plugins.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let format = if parsed.is_on("quiet") && !parsed.given("format") {
        "{{.ID}}".to_owned()
    } else {
        call.app.format(parsed, "pluginsFormat")
    };
    let whole = parsed.is_on("no-trunc");
    let plugins: Json = call
        .client()
        .await?
        .get("/plugins")
        .query_if("filters", Filters::parse(parsed.all("filter")).json())
        .send()
        .await?
        .json()
        .await?;
    let rows = plugins.list(&[]).iter().map(|it| row(it, whole)).collect();
    call.app.out(&render(&LOOK, &format, rows)?)?;
    Ok(0)
}

fn row(plugin: &Json, whole: bool) -> Row {
    let id = plugin.text(&["Id"]);
    let about = plugin.text(&["Config", "Description"]).replace('\n', "");
    let about = match about.char_indices().nth(DESCRIPTION - 1) {
        Some((end, _)) if !whole && about.chars().count() > DESCRIPTION => {
            format!("{}…", &about[..end])
        }
        _ => about,
    };
    Row::new()
        .field("ID", if whole { id } else { human::short_id(id) })
        .field("Name", plugin.text(&["Name"]))
        .field("Description", about)
        .field("Enabled", Json::Bool(plugin.bool(&["Enabled"])))
        .field("PluginReference", plugin.text(&["PluginReference"]))
}
