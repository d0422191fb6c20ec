//! `buildx history trace`: a build's spans as a document that Jaeger's user interface opens.
//!
//! The stock plugin prints the document where nobody looks, and else serves the interface
//! itself, which this program does not have.

use super::{error, history};
use crate::{app::Call, error::CliError, output::Json};

/// `buildx history trace`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    for flag in ["addr", "compare"] {
        if call.parsed.given(flag) {
            return Err(error(&format!(
                "--{flag} is not supported by Corten: it shows no pages; open the printed document in Jaeger's user interface"
            )));
        }
    }
    let mut control = call.client().await?.control().await?;
    let record = history::named(&mut control, call.arg(0)).await?;
    let name = &record.reference;
    if record.completed_at.is_none() {
        return Err(error(&format!(
            "build {name:?} is not completed, only completed builds can be traced"
        )));
    }
    let Some(trace) = &record.trace else {
        return Err(error(&format!("build record {name:?} is missing a trace")));
    };
    let bytes = control.blob(&trace.digest).await?;
    let spans = serde_json::Deserializer::from_slice(&bytes).into_iter();
    let spans: Result<Vec<Json>, _> = spans.collect();
    let spans = spans.map_err(|why| error(&format!("error decoding JSON: {why}")))?;
    if spans.is_empty() {
        return Err(error("no trace data"));
    }
    let document = document(&spans).pretty_escaped("  ");
    // The plugin's encoder ends the document with a line of its own.
    call.app.line(&format!("{document}\n"))?;
    Ok(0)
}

fn object(members: Vec<(&str, Json)>) -> Json {
    let members = members.into_iter();
    Json::Object(members.map(|(key, it)| (key.to_owned(), it)).collect())
}

fn document(spans: &[Json]) -> Json {
    let mut processes: Vec<(String, Json)> = spans.iter().enumerate().map(process).collect();
    processes.sort_by(|(a, _), (b, _)| a.cmp(b));
    let trace = object(vec![
        ("traceID", spans[0].text(&["SpanContext", "TraceID"]).into()),
        (
            "spans",
            Json::List(spans.iter().enumerate().map(span).collect()),
        ),
        ("processes", Json::Object(processes)),
        ("warnings", Json::Null),
    ]);
    object(vec![("data", Json::List(vec![trace]))])
}

/// Who a span is of.
fn process((place, span): (usize, &Json)) -> (String, Json) {
    let resource = span.list(&["Resource"]);
    let is_name = |it: &&Json| it.text(&["Key"]) == "service.name";
    let name = resource.iter().find(is_name);
    let name = name.map_or("", |it| it.text(&["Value", "Value"]));
    let others = resource.iter().filter(|it| !is_name(it));
    let tags: Vec<Json> = others.filter_map(tag).collect();
    let tags = match tags.is_empty() {
        true => Json::Null,
        false => Json::List(tags),
    };
    let process = object(vec![("serviceName", name.into()), ("tags", tags)]);
    (format!("p{place}"), process)
}

fn span((place, span): (usize, &Json)) -> Json {
    let (started, ended) = (
        moment(span.text(&["StartTime"])),
        moment(span.text(&["EndTime"])),
    );
    let id = |from: &str, part: &str| Json::from(span.text(&[from, part]));
    let mut members = vec![
        ("traceID", id("SpanContext", "TraceID")),
        ("spanID", id("SpanContext", "SpanID")),
    ];
    if span.text(&["SpanContext", "TraceFlags"]) == "01" {
        members.push(("flags", Json::Int(1)));
    }
    members.extend([
        ("operationName", span.text(&["Name"]).into()),
        ("references", Json::List(references(span))),
        ("startTime", Json::Int(started / 1000)),
        ("duration", Json::Int((ended - started) / 1000)),
        ("tags", Json::List(tags(span))),
        ("logs", logs(span)),
        ("processID", format!("p{place}").as_str().into()),
        ("warnings", Json::Null),
    ]);
    object(members)
}

fn references(span: &Json) -> Vec<Json> {
    let reference = |kind: &str, context: Option<&Json>| {
        let part = |key: &str| Json::from(context.map_or("", |it| it.text(&[key])));
        object(vec![
            ("refType", kind.into()),
            ("traceID", part("TraceID")),
            ("spanID", part("SpanID")),
        ])
    };
    let links = span.list(&["Links"]).iter();
    let links = links.map(|it| reference("FOLLOWS_FROM", it.get("SpanContext")));
    links
        .chain([reference("CHILD_OF", span.get("Parent"))])
        .collect()
}

/// OpenTelemetry's kinds of spans by number; the first two are not told.
const KINDS: [&str; 6] = ["", "", "server", "client", "producer", "consumer"];

fn tags(span: &Json) -> Vec<Json> {
    let mut tags: Vec<Json> = span.list(&["Attributes"]).iter().filter_map(tag).collect();
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            tags.push(tagged(key, "string", value.into()));
        }
    };
    let library = |key| span.text(&["InstrumentationLibrary", key]);
    text("otel.library.name", library("Name"));
    if !library("Name").is_empty() {
        text("otel.library.version", library("Version"));
    }
    let kind = usize::try_from(span.int(&["SpanKind"])).unwrap_or(0);
    text("span.kind", KINDS.get(kind).copied().unwrap_or(""));
    // Go writes the code as a word; it wrote numbers before.
    let code = match (
        span.text(&["Status", "Code"]),
        span.int(&["Status", "Code"]),
    ) {
        ("Error", _) | ("", 1) => "ERROR",
        ("Ok", _) | ("", 2) => "OK",
        _ => return tags,
    };
    if code == "ERROR" {
        tags.push(tagged("error", "bool", Json::Bool(true)));
    }
    tags.push(tagged("otel.status_code", "string", code.into()));
    match span.text(&["Status", "Description"]) {
        "" => {}
        why => tags.push(tagged("otel.status_description", "string", why.into())),
    }
    tags
}

fn logs(span: &Json) -> Json {
    let events = span.list(&["Events"]);
    if events.is_empty() {
        return Json::Null;
    }
    let log = |event: &Json| {
        let mut fields = Vec::new();
        if !event.text(&["Name"]).is_empty() {
            fields.push(tagged("event", "string", event.text(&["Name"]).into()));
        }
        fields.extend(event.list(&["Attributes"]).iter().filter_map(tag));
        let dropped = event.int(&["DroppedAttributeCount"]);
        if dropped != 0 {
            let key = "otel.event.dropped_attributes_count";
            fields.push(tagged(key, "int64", Json::Int(dropped)));
        }
        object(vec![
            ("timestamp", Json::Int(moment(event.text(&["Time"])) / 1000)),
            ("fields", Json::List(fields)),
        ])
    };
    Json::List(events.iter().map(log).collect())
}

fn tagged(key: &str, kind: &str, value: Json) -> Json {
    object(vec![
        ("key", key.into()),
        ("type", kind.into()),
        ("value", value),
    ])
}

/// An attribute; lists become their JSON.
fn tag(attribute: &Json) -> Option<Json> {
    let value = attribute.at(&["Value", "Value"])?;
    let (kind, value) = match attribute.text(&["Value", "Type"]) {
        "STRING" => ("string", value.clone()),
        "BOOL" => ("bool", value.clone()),
        "INT64" => ("int64", value.clone()),
        "FLOAT64" => ("float64", value.clone()),
        kind if kind.ends_with("SLICE") => ("string", value.compact(true).as_str().into()),
        _ => return None,
    };
    Some(tagged(attribute.text(&["Key"]), kind, value))
}

/// Nanoseconds since 1970.
fn moment(text: &str) -> i64 {
    let time = text.parse::<jiff::Timestamp>().unwrap_or_default();
    i64::try_from(time.as_nanosecond()).unwrap_or_default()
}
