//! `events`.

use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        template::{Format, FormatError, value},
    },
    times,
};

/// Prints events as they come, until `--until` or for ever.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let format = parsed.text("format");
    let template = match format {
        "" => None,
        source => Some(source),
    };
    let template = match template {
        None | Some("json" | "{{json .}}") => None,
        Some(source) => Some(parse(source).map_err(|error| CliError::Coded {
            message: format!("Error parsing format: {error}"),
            code: 64,
        })?),
    };
    let mut lines = call
        .client()
        .await?
        .get("/events")
        .query_if("since", times::flag(call, "since")?)
        .query_if("until", times::flag(call, "until")?)
        .query_if("filters", Filters::parse(parsed.all("filter")).json())
        .send()
        .await?
        .lines();
    while let Some(event) = lines.next::<Json>().await? {
        let text = match &template {
            None if format.is_empty() => plain(&event),
            None => event.compact(false),
            Some(template) => template
                .execute(&value::typed("*events.Message", Some(&event)))
                .map_err(|error| CliError::Text(error.to_string()))?,
        };
        call.app.line(&text)?;
    }
    Ok(0)
}

/// A template that works for an event without content; else it is refused before the
/// first one comes.
fn parse(source: &str) -> Result<Format, FormatError> {
    let template = Format::parse(source)?;
    template.execute(&value::typed(
        "*events.Message",
        Some(&Json::Object(Vec::new())),
    ))?;
    Ok(template)
}

/// `2026-11-21T14:24:06.993210942Z volume create srvvol (driver=local)`.
fn plain(event: &Json) -> String {
    let nanoseconds = event.int(&["timeNano"]);
    let mut text = if nanoseconds != 0 {
        format!("{} ", human::nano_local(nanoseconds))
    } else if event.int(&["time"]) != 0 {
        format!(
            "{} ",
            human::nano_local(event.int(&["time"]) * 1_000_000_000)
        )
    } else {
        String::new()
    };
    text.push_str(&format!(
        "{} {} {}",
        event.text(&["Type"]),
        event.text(&["Action"]),
        event.text(&["Actor", "ID"])
    ));
    let mut attributes: Vec<String> = event
        .members(&["Actor", "Attributes"])
        .iter()
        .map(|(key, value)| format!("{key}={}", value.text(&[])))
        .collect();
    attributes.sort();
    if !attributes.is_empty() {
        text.push_str(&format!(" ({})", attributes.join(", ")));
    }
    text
}
