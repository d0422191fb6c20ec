//! `state`, `list`, `ps` and `events`.

use super::find;
use crate::arguments::Arguments;
use crate::error::CommandError;
use crate::record::{Record, RecordDirectory};
use corten_cgroup::{Cgroup, Stats};
use corten_oci::runtime::{SPEC_VERSION, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// As runc prints it, rootfs and creation time beside the specified fields.
fn described(directory: &RecordDirectory, record: &Record) -> Value {
    let status = record.status(directory);
    let root = record.spec.root.clone().unwrap_or_default();
    let owner = std::fs::metadata(&directory.path).map_or(0, |metadata| metadata.uid());
    let mut fields = json!({
        "ociVersion": SPEC_VERSION,
        "id": record.id,
        "pid": if status == Status::Stopped { 0 } else { record.pid },
        "status": status.as_str(),
        "bundle": record.bundle,
        "rootfs": record.bundle.join(&root.path),
        "created": record.created,
        "owner": if owner == 0 { "root".to_owned() } else { owner.to_string() },
    });
    if !record.spec.annotations.is_empty() {
        fields["annotations"] = json!(record.spec.annotations);
    }
    fields
}

fn print(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{text}").map_err(CommandError::call("writing"))
}

pub(super) fn state(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[])?;
    let (directory, record) = find(root, arguments.only("state")?)?;
    print(&format!("{:#}", described(&directory, &record)))?;
    Ok(0)
}

pub(super) fn list(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let shapes = [("format", Some('f'), true), ("quiet", Some('q'), false)];
    let arguments = Arguments::parse(words, &shapes)?;
    let mut all = Vec::new();
    let entries = match std::fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        result => Some(result.map_err(CommandError::file(root))?),
    };
    for entry in entries.into_iter().flatten().flatten() {
        // A container that is being made or removed is not listed.
        if let Ok((directory, record)) = find(root, &entry.file_name().to_string_lossy()) {
            all.push(described(&directory, &record));
        }
    }
    all.sort_by_key(|fields| fields["id"].as_str().map(str::to_owned));
    let text = |fields: &Value, name: &str| match &fields[name] {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    if arguments.has("quiet") {
        for fields in &all {
            print(&text(fields, "id"))?;
        }
        return Ok(0);
    }
    match arguments.value("format").unwrap_or("table") {
        "json" => print(&if all.is_empty() {
            "null".to_owned()
        } else {
            json!(all).to_string()
        })?,
        "table" => {
            let names = ["id", "pid", "status", "bundle", "created", "owner"];
            let mut rows = vec![names.map(str::to_uppercase).to_vec()];
            rows.extend(
                all.iter()
                    .map(|fields| names.map(|name| text(fields, name)).to_vec()),
            );
            print_table(&rows)?;
        }
        _ => return Err(CommandError::Usage("invalid format option".to_owned())),
    }
    Ok(0)
}

fn print_table(rows: &[Vec<String>]) -> Result<(), CommandError> {
    const LEAST_WIDTH: usize = 12;
    const GAP: usize = 1;
    let width = |column: usize| {
        let longest = rows
            .iter()
            .map(|row| row[column].chars().count() + GAP)
            .max();
        longest.unwrap_or(0).max(LEAST_WIDTH)
    };
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            if column + 1 == row.len() {
                line += cell;
            } else {
                line += &format!("{cell:<width$}", width = width(column));
            }
        }
        print(&line)?;
    }
    Ok(())
}

pub(super) fn ps(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[("format", Some('f'), true)])?;
    let usage = || CommandError::Usage("\"ps\" requires a minimum of 1 argument".to_owned());
    let (id, options) = arguments.rest.split_first().ok_or_else(usage)?;
    let (_, record) = find(root, id)?;
    let pids = Cgroup::open(&record.cgroup)?.pids()?;
    match arguments.value("format").unwrap_or("table") {
        "json" => print(&json!(pids).to_string())?,
        "table" => processes(&pids, options)?,
        _ => return Err(CommandError::Usage("invalid format option".to_owned())),
    }
    Ok(0)
}

/// The lines of ps(1) that belong to `pids`.
fn processes(pids: &[u32], options: &[String]) -> Result<(), CommandError> {
    let usual = ["-ef".to_owned()];
    let options = if options.is_empty() { &usual } else { options };
    let output = std::process::Command::new("ps")
        .args(options)
        .output()
        .map_err(CommandError::call("running ps"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let column = title
        .split_whitespace()
        .position(|name| name == "PID")
        .ok_or_else(|| CommandError::Usage("couldn't find PID field in ps output".to_owned()))?;
    print(title)?;
    for line in lines {
        let pid = line
            .split_whitespace()
            .nth(column)
            .and_then(|word| word.parse().ok());
        if pid.is_some_and(|pid: u32| pids.contains(&pid)) {
            print(line)?;
        }
    }
    Ok(())
}

pub(super) fn events(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let shapes = [("interval", None, true), ("stats", None, false)];
    let arguments = Arguments::parse(words, &shapes)?;
    let (directory, record) = find(root, arguments.only("events")?)?;
    let stopped = || CommandError::State("container is not running".to_owned());
    if record.status(&directory) == Status::Stopped {
        return Err(stopped());
    }
    let pidfd = record.process().ok_or_else(stopped)?;
    let group = Cgroup::open(&record.cgroup)?;
    let event = |kind: &str, data: Value| {
        let mut fields = json!({ "type": kind, "id": record.id });
        if !data.is_null() {
            fields["data"] = data;
        }
        print(&fields.to_string())
    };
    event("stats", statistics(&group.stats()?))?;
    if arguments.has("stats") {
        return Ok(0);
    }
    let interval = seconds(arguments.value("interval").unwrap_or("5s"))?;
    let mut watch = group.oom_watch()?;
    loop {
        let pause = Timespec {
            tv_sec: interval,
            tv_nsec: 0,
        };
        let mut wanted = vec![PollFd::new(&pidfd, PollFlags::IN)];
        if let Some(watch) = &watch {
            wanted.push(PollFd::new(watch, PollFlags::IN));
        }
        let ready = poll(&mut wanted, Some(&pause)).map_err(CommandError::call("waiting"))?;
        if !wanted[0].revents().is_empty() {
            return Ok(0);
        }
        if ready == 0 {
            event("stats", statistics(&group.stats()?))?;
        } else if let Some(watch) = &mut watch
            && watch.take()?
        {
            event("oom", Value::Null)?;
        }
    }
}

fn seconds(text: &str) -> Result<i64, CommandError> {
    let bad = || CommandError::Usage("duration interval must be greater than 0".to_owned());
    let number: i64 = text.trim_end_matches('s').parse().map_err(|_| bad())?;
    if number > 0 { Ok(number) } else { Err(bad()) }
}

/// The fields of runc's `stats` event that callers read.
fn statistics(stats: &Stats) -> Value {
    json!({
        "cpu": { "usage": {
            "total": stats.cpu.usage_ns,
            "kernel": stats.cpu.usage_ns.saturating_sub(stats.cpu.user_ns),
            "user": stats.cpu.user_ns,
        } },
        "memory": {
            "usage": { "usage": stats.memory.usage_bytes, "max": stats.memory.max_usage_bytes },
        },
        "pids": { "current": stats.pids.current, "limit": stats.pids.limit },
    })
}
