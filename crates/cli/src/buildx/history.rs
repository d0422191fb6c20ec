//! `buildx history`: builds of the past.

use super::{
    ago, error,
    refs::{self, Place},
    since,
};
use crate::{
    app::{App, Call},
    build::progress::{self, Mode},
    error::CliError,
    output::{
        Json,
        list::{Look, Row, render},
    },
};
use corten_client::build::{
    BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest, Control, StatusRequest,
    StatusResponse, Timestamp, UpdateBuildHistoryRequest, UpdateBuildHistoryResponse,
    progress as channel,
};

const LOOK: Look = Look {
    go_type: "*history.lsContext",
    headings: &[
        ("Ref", "BUILD ID"),
        ("Name", "NAME"),
        ("Status", "STATUS"),
        ("CreatedAt", "CREATED AT"),
        ("Duration", "DURATION"),
        ("Link", ""),
    ],
    table: "{{.Ref}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}\t{{.Link}}",
};

/// Letters of a name in a table.
const NAME: usize = 36;

async fn records(control: &mut Control) -> Result<Vec<BuildHistoryRecord>, CliError> {
    records_of(control, Vec::new()).await
}

/// Filters of a line as the engine reads them: builds have to pass all, and to be one of
/// those that are named.
fn filters<'a>(given: impl Iterator<Item = &'a str>) -> Result<Vec<String>, CliError> {
    let mut references = Vec::new();
    let mut conditions = Vec::new();
    for text in given {
        let at = text.find(['=', '!', '<', '>']);
        let (key, rest) = text.split_at(at.unwrap_or(text.len()));
        let end = rest.find(|it| !matches!(it, '=' | '!' | '<' | '>'));
        let (operator, value) = rest.split_at(end.unwrap_or(rest.len()));
        if operator.is_empty() {
            return Err(error(&format!("invalid filter {text:?}")));
        }
        let (known, expected) = match key {
            "ref" | "repository" | "status" => (&["=", "!="][..], "= or !="),
            "startedAt" | "completedAt" | "duration" => {
                (&["<=", "<", ">=", ">"][..], "<=, <, >= or >")
            }
            _ => return Err(error(&format!("unsupported filter {text:?}"))),
        };
        if !known.contains(&operator) {
            let sentence = format!("invalid separator for {text:?}, expected {expected}");
            return Err(error(&sentence));
        }
        match (key, operator) {
            ("ref", "=") => references.push(format!("ref=={value}")),
            (_, "=") => conditions.push(format!("{key}=={value}")),
            _ => conditions.push(format!("{key}{operator}{value}")),
        }
    }
    if references.is_empty() {
        let all = conditions.join(",");
        return Ok(Some(all).filter(|it| !it.is_empty()).into_iter().collect());
    }
    let with = |reference: String| [&[reference], &conditions[..]].concat().join(",");
    Ok(references.into_iter().map(with).collect())
}

async fn records_of(
    control: &mut Control,
    filter: Vec<String>,
) -> Result<Vec<BuildHistoryRecord>, CliError> {
    let request = BuildHistoryRequest {
        early_exit: true,
        filter,
        ..BuildHistoryRequest::default()
    };
    let mut records = Vec::new();
    let each = |event: BuildHistoryEvent| records.extend(event.record);
    control.list("ListenBuildHistory", &request, each).await?;
    let newest = |it: &BuildHistoryRecord| {
        let at = it.created_at.clone().unwrap_or_default();
        std::cmp::Reverse((at.seconds, at.nanos))
    };
    records.sort_by_key(|it| (it.completed_at.is_some(), newest(it)));
    Ok(records)
}

fn status(record: &BuildHistoryRecord) -> &'static str {
    match (&record.completed_at, &record.error) {
        (None, _) => "Running",
        (_, Some(_)) => "Error",
        _ => "Completed",
    }
}

pub(super) fn duration(record: &BuildHistoryRecord) -> String {
    let Some(from) = &record.created_at else {
        return String::new();
    };
    let (seconds, more) = match &record.completed_at {
        Some(to) => (
            (to.seconds - from.seconds) as f64 + f64::from(to.nanos - from.nanos) / 1e9,
            "",
        ),
        None => (since(from).as_secs_f64(), "+"),
    };
    let text = match seconds {
        it if it < 60.0 => format!("{it:.1}s"),
        it => {
            let whole = it as u64;
            let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
            match hours {
                0 => format!("{minutes}m {rest:2}s"),
                hours => format!("{hours}h {minutes}m {rest}s"),
            }
        }
    };
    text + more
}

/// What a build is called.
pub(super) fn name(app: &App, record: &BuildHistoryRecord) -> String {
    let place = Place::read(app, &record.reference);
    refs::name(record, place.as_ref())
}

fn rfc3339(at: &Timestamp) -> String {
    let time = jiff::Timestamp::new(at.seconds, at.nanos).unwrap_or_default();
    time.to_string()
}

/// `buildx history ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    if call.parsed.is_on("local") {
        return Err(error(
            "--local is not supported by Corten: builds do not keep their repository",
        ));
    }
    let mut control = call.client().await?.control().await?;
    let filters = filters(call.parsed.all("filter"))?;
    let records = records_of(&mut control, filters).await?;
    let format = call.parsed.text("format");
    if format == "json" {
        for record in &records {
            call.app.line(&json(call.app, record).to_string())?;
        }
        return Ok(0);
    }
    let whole = call.parsed.is_on("no-trunc") || !matches!(format, "" | "table");
    let rows = records.iter().map(|it| row(call.app, it, whole)).collect();
    call.app.out(&render(&LOOK, format, rows)?)?;
    Ok(0)
}

fn json(app: &App, record: &BuildHistoryRecord) -> serde_json::Value {
    let mut document = serde_json::json!({
        "ref": format!("default/default/{}", record.reference),
        "name": name(app, record),
        "status": status(record),
        "created_at": record.created_at.as_ref().map(rfc3339),
        "total_steps": record.num_total_steps,
        "completed_steps": record.num_completed_steps,
        "cached_steps": record.num_cached_steps,
    });
    if let Some(at) = &record.completed_at {
        document["completed_at"] = rfc3339(at).into();
    }
    document
}

fn row(app: &App, record: &BuildHistoryRecord, whole: bool) -> Row {
    let mut name = name(app, record);
    let length = name.chars().count();
    if !whole && length > NAME {
        let kept: String = name.chars().skip(length - NAME + 2).collect();
        name = format!("..{kept}");
    }
    Row::new()
        .field("Ref", record.reference.clone())
        .field("Name", name)
        .field("Status", status(record).to_owned())
        .field(
            "CreatedAt",
            record.created_at.as_ref().map(ago).unwrap_or_default(),
        )
        .field("Duration", duration(record))
        .field("Link", Json::Text(String::new()))
}

/// The builds that are over, the newest first.
pub(super) async fn finished(control: &mut Control) -> Result<Vec<BuildHistoryRecord>, CliError> {
    let mut all = records(control).await?;
    all.retain(|it| it.completed_at.is_some());
    Ok(all)
}

/// The build that a line names: by its ID, by `^N` from the newest one, or the newest.
pub(super) async fn named(
    control: &mut Control,
    given: &str,
) -> Result<BuildHistoryRecord, CliError> {
    let given = given.rsplit('/').next().unwrap_or_default();
    let missing = || match given {
        "" => error("no records found"),
        given => error(&format!("no record found for ref {given:?}")),
    };
    let all = records(control).await?;
    let mut finished = all.iter().filter(|it| it.completed_at.is_some());
    let found = match given.strip_prefix('^') {
        Some(back) => {
            let back = if back.is_empty() {
                Ok(1)
            } else {
                back.parse::<usize>()
            };
            let back = back.map_err(|_| error(&format!("invalid offset: {given:?}")))?;
            finished.nth(back)
        }
        None if given.is_empty() => finished.next(),
        None => all.iter().find(|it| it.reference == given),
    };
    found.cloned().ok_or_else(missing)
}

/// `buildx history logs`.
pub async fn logs(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let mode = match call.parsed.text("progress") {
        "" | "plain" => Mode::Plain,
        _ => Mode::read(call)?,
    };
    let mut control = call.client().await?.control().await?;
    let record = named(&mut control, call.arg(0)).await?;
    let mut messages: Vec<StatusResponse> = Vec::new();
    let request = StatusRequest {
        reference: record.reference,
    };
    control
        .list("Status", &request, |message| messages.push(message))
        .await?;
    let (told, shown) = channel();
    let telling = async move {
        for message in messages {
            if told.send(message).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(telling, progress::show(mode, shown));
    Ok(0)
}

/// `buildx history rm`.
pub async fn remove(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let all = call.parsed.is_on("all");
    match (all, call.parsed.args.is_empty()) {
        (false, true) => return Err(error("at least one record reference or --all is required")),
        (true, false) => return Err(error("cannot specify both --all and record references")),
        _ => {}
    }
    let mut control = call.client().await?.control().await?;
    let references = match all {
        false => call.parsed.args.clone(),
        true => {
            let finished = finished(&mut control).await?.into_iter();
            finished.map(|it| it.reference).collect()
        }
    };
    for reference in references {
        let reference = reference.rsplit('/').next().unwrap_or_default().to_owned();
        let request = UpdateBuildHistoryRequest {
            reference,
            delete: true,
            ..UpdateBuildHistoryRequest::default()
        };
        refs::forget(call.app, &request.reference);
        let _: UpdateBuildHistoryResponse = control.ask("UpdateBuildHistory", &request).await?;
    }
    Ok(0)
}
