//! `buildx du` and `buildx prune`: what the build cache holds, and giving it back.

use super::{ago, error, printed};
use crate::{
    app::Call,
    error::CliError,
    output::{
        Json,
        list::{Look, Row, render},
    },
    prune,
};
use corten_base::text::{human_size, parse_go_duration};
use corten_client::build::{DiskUsageRequest, DiskUsageResponse, PruneRequest, UsageRecord};

const LOOK: Look = Look {
    go_type: "*commands.diskusageContext",
    headings: &[
        ("ID", "ID"),
        ("Parents", "PARENTS"),
        ("CreatedAt", "CREATED AT"),
        ("Mutable", "MUTABLE"),
        ("Reclaimable", "RECLAIMABLE"),
        ("Shared", "SHARED"),
        ("Size", "SIZE"),
        ("Description", "DESCRIPTION"),
        ("UsageCount", "USAGE COUNT"),
        ("LastUsedAt", "LAST ACCESSED"),
        ("Type", "TYPE"),
    ],
    table: "{{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}",
};

/// The filter as BuildKit reads it, and how long something must not have been used, in
/// nanoseconds.
fn filter(call: &Call<'_>) -> Result<(Vec<String>, i64), CliError> {
    let (mut terms, mut until) = (Vec::new(), None);
    for given in call.parsed.all("filter") {
        let (key, value) = match given.split_once('=') {
            Some((key, value)) => (key.trim().to_lowercase(), Some(value.trim())),
            None => (given.trim().to_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("until" | "unused-for", value) => {
                if until.is_some() {
                    return Err(error("filters expect only one value"));
                }
                let text = value.unwrap_or_default();
                let wrong = || {
                    error(&format!(
                        "{key:?} filter expects a duration (e.g., '24h'): time: invalid duration {text:?}"
                    ))
                };
                until = Some(parse_go_duration(text).ok_or_else(wrong)?);
            }
            (key, None) => terms.push(key.to_owned()),
            ("id", Some(value)) => terms.push(format!("id~={value}")),
            (key, Some(value)) if key.ends_with(['!', '~']) => terms.push(format!("{key}={value}")),
            (key, Some(value)) => terms.push(format!("{key}=={value}")),
        }
    }
    Ok((vec![terms.join(",")], until.unwrap_or(0)))
}

/// `buildx du`.
pub async fn du(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let format = call.parsed.text("format");
    let verbose = call.parsed.is_on("verbose");
    if verbose && !format.is_empty() {
        return Err(error("--format and --verbose cannot be used together"));
    }
    let (filter, _) = filter(call)?;
    let is_filtered = call.parsed.given("filter");
    let mut control = call.client().await?.control().await?;
    let request = DiskUsageRequest { filter };
    let usage: DiskUsageResponse = control.ask("DiskUsage", &request).await?;
    if verbose || format == "pretty" {
        let blocks: Vec<String> = usage.record.iter().map(block).collect();
        call.app.out(&blocks.concat())?;
    } else {
        let is_table = matches!(format, "" | "table") || format.starts_with("table ");
        let rows = usage.record.iter().map(|it| row(it, is_table)).collect();
        call.app.out(&render(&LOOK, format, rows)?)?;
    }
    if !is_filtered && matches!(format, "" | "table" | "pretty") {
        call.app.out(&summary(&usage.record))?;
    }
    Ok(0)
}

fn size(bytes: i64) -> String {
    human_size(u64::try_from(bytes).unwrap_or(0))
}

fn used(record: &UsageRecord) -> String {
    record.last_used_at.as_ref().map(ago).unwrap_or_default()
}

fn row(record: &UsageRecord, table: bool) -> Row {
    let star = |on: bool| if table && on { "*" } else { "" };
    let parents = match record.parents.is_empty() {
        true => Json::Null,
        false => Json::List(record.parents.iter().cloned().map(Json::Text).collect()),
    };
    Row::new()
        .field("ID", format!("{}{}", record.id, star(record.mutable)))
        .field("Parents", parents)
        .field(
            "CreatedAt",
            record.created_at.as_ref().map(printed).unwrap_or_default(),
        )
        .field("Mutable", Json::Bool(record.mutable))
        .field("Reclaimable", Json::Bool(!record.in_use))
        .field("Shared", Json::Bool(record.shared))
        .field(
            "Size",
            format!("{}{}", size(record.size), star(record.shared)),
        )
        .field("Description", record.description.clone())
        .field("UsageCount", Json::Int(record.usage_count))
        .field("LastUsedAt", used(record))
        .field("Type", record.record_type.clone())
}

/// Everything about a record.
fn block(record: &UsageRecord) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("{:<14}{value}\n", format!("{name}:")));
    };
    line("ID", record.id.clone());
    if !record.parents.is_empty() {
        let parents: Vec<String> = record.parents.iter().map(|it| format!(" - {it}")).collect();
        line("Parents", String::new());
        text = format!("{}\n{}\n", text.trim_end(), parents.join("\n"));
    }
    let mut line = |name: &str, value: String| {
        text.push_str(&format!("{:<14}{value}\n", format!("{name}:")));
    };
    line(
        "Created at",
        record.created_at.as_ref().map(printed).unwrap_or_default(),
    );
    line("Mutable", record.mutable.to_string());
    line("Reclaimable", (!record.in_use).to_string());
    line("Shared", record.shared.to_string());
    line("Size", size(record.size));
    if !record.description.is_empty() {
        line("Description", record.description.clone());
    }
    line("Usage count", record.usage_count.to_string());
    if record.last_used_at.is_some() {
        line("Last used", used(record));
    }
    if !record.record_type.is_empty() {
        line("Type", record.record_type.clone());
    }
    text + "\n"
}

fn summary(records: &[UsageRecord]) -> String {
    let sum = |wanted: &dyn Fn(&UsageRecord) -> bool| {
        records
            .iter()
            .filter(|it| wanted(it))
            .map(|it| it.size.max(0))
            .sum::<i64>()
    };
    let (total, shared) = (sum(&|_| true), sum(&|it| it.shared));
    let mut lines = Vec::new();
    if shared > 0 {
        lines.push(format!("Shared:\t\t{}", size(shared)));
        lines.push(format!("Private:\t{}", size(total - shared)));
    }
    lines.push(format!("Reclaimable:\t{}", size(sum(&|it| !it.in_use))));
    lines.push(format!("Total:\t\t{}", size(total)));
    lines.join("\n") + "\n"
}

/// `buildx prune`.
pub async fn prune(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    let all = call.parsed.is_on("all");
    let (filter, keep_duration) = filter(call)?;
    let warning = match all {
        true => "WARNING! This will remove all build cache.",
        false => "WARNING! This will remove all dangling build cache.",
    };
    if !prune::confirmed(call, warning)? {
        return Ok(0);
    }
    let bytes = |flag: &str| call.parsed.bytes(flag).unwrap_or(0);
    let request = PruneRequest {
        filter,
        all,
        keep_duration,
        reserved_space: bytes("reserved-space"),
        max_used_space: bytes("max-used-space"),
        min_free_space: bytes("min-free-space"),
    };
    let verbose = call.parsed.is_on("verbose");
    let mut control = call.client().await?.control().await?;
    let mut pruned: Vec<UsageRecord> = Vec::new();
    control
        .list("Prune", &request, |record| pruned.push(record))
        .await?;
    if verbose {
        let blocks: Vec<String> = pruned.iter().map(block).collect();
        call.app.out(&blocks.concat())?;
    } else if !pruned.is_empty() {
        call.app
            .line("ID\t\t\t\t\t\tRECLAIMABLE\tSIZE\t\tLAST ACCESSED")?;
        for record in &pruned {
            let star = |on: bool| if on { "*" } else { "" };
            let id = format!("{}{}", record.id, star(record.mutable));
            let size = format!("{}{}", size(record.size), star(record.shared));
            let (free, used) = (!record.in_use, used(record));
            call.app
                .line(&format!("{id:<40}\t{free:<5}\t{size:<10}\t{used}"))?;
        }
    }
    let total = pruned.iter().map(|it| it.size).sum();
    call.app.line(&format!("Total:\t{}", size(total)))?;
    Ok(0)
}
