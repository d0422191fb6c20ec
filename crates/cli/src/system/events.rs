//! `events`.

use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        template::{Format, Missing},
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
        Some(source) => Some(
            Format::parse(source, false).map_err(|error| CliError::Coded {
                message: format!("Error parsing format: {error}"),
                code: 64,
            })?,
        ),
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
                .execute(&with_go_names(event), Missing::Type("*events.Message"))
                .map_err(|error| CliError::Text(error.to_string()))?,
        };
        call.app.line(&text)?;
    }
    Ok(0)
}

/// The event with the names that Go's templates know beside those of the API.
fn with_go_names(event: Json) -> Json {
    let more = [
        ("Status", event.text(&["Action"]).into()),
        ("ID", event.text(&["Actor", "ID"]).into()),
        ("From", event.text(&["Actor", "Attributes", "image"]).into()),
        ("Scope", event.text(&["scope"]).into()),
        ("Time", Json::Int(event.int(&["time"]))),
        ("TimeNano", Json::Int(event.int(&["timeNano"]))),
    ];
    match event {
        Json::Object(mut members) => {
            members.extend(more.map(|(name, value)| (name.to_owned(), value)));
            Json::Object(members)
        }
        other => other,
    }
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
