//! Which files define what is baked, and how their reading is shown.

use super::error;
use crate::{error::CliError, flags::Parsed};
use corten_bake::{DEFAULT_FILES, Source};
use corten_client::build::{StatusResponse, Timestamp, Vertex, VertexStatus};
use std::io::Read;
use tokio::sync::mpsc::Sender;

/// Bytes of a definition.
const BYTES_MAX: u64 = 16 << 20;

/// Names on the line, else those of `BUILDX_BAKE_FILE`, else the usual ones.
fn names(parsed: &Parsed) -> Result<(Vec<String>, bool), CliError> {
    let given: Vec<String> = parsed
        .all("file")
        .map(|it| it.strip_prefix("cwd://").unwrap_or(it).to_owned())
        .collect();
    if !given.is_empty() {
        return Ok((given, false));
    }
    let Some(listed) = crate::app::environment("BUILDX_BAKE_FILE") else {
        return Ok((given, false));
    };
    let separator = crate::app::environment("BUILDX_BAKE_PATH_SEPARATOR");
    let separator = separator.unwrap_or_else(|| ":".into());
    let names = listed
        .split(&separator)
        .map(str::trim)
        .filter(|it| !it.is_empty());
    Ok((names.map(str::to_owned).collect(), true))
}

/// Reads the files, and tells so.
pub(super) async fn read(
    parsed: &Parsed,
    told: &Sender<StatusResponse>,
) -> Result<Vec<Source>, CliError> {
    let (names, listed) = names(parsed)?;
    let began = now();
    let mut sources = Vec::new();
    for name in &names {
        sources.push(source(name)?);
    }
    if names.is_empty() {
        sources = usual()?;
    }
    if sources.is_empty() {
        return Err(error("couldn't find a bake definition"));
    }
    tell(&sources, listed, began, told).await;
    Ok(sources)
}

/// The files that are read where none is named.
pub(super) fn usual() -> Result<Vec<Source>, CliError> {
    let there = DEFAULT_FILES
        .into_iter()
        .filter(|it| std::path::Path::new(it).exists());
    there.map(source).collect()
}

fn source(name: &str) -> Result<Source, CliError> {
    let open =
        |why: std::io::Error| error(&format!("open {name}: {}", crate::error::errno_text(&why)));
    let mut text = String::new();
    let read = match name {
        "-" => std::io::stdin()
            .lock()
            .take(BYTES_MAX)
            .read_to_string(&mut text),
        path => {
            let file = std::fs::File::open(path).map_err(open)?;
            file.take(BYTES_MAX).read_to_string(&mut text)
        }
    };
    read.map_err(open)?;
    Ok(Source {
        name: name.to_owned(),
        text,
    })
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp {
        seconds: since.as_secs().cast_signed(),
        nanos: since.subsec_nanos().cast_signed(),
    }
}

async fn tell(sources: &[Source], listed: bool, began: Timestamp, told: &Sender<StatusResponse>) {
    let digest = "bake:definitions".to_owned();
    let from = if listed {
        " from BUILDX_BAKE_FILE env"
    } else {
        ""
    };
    let step = Vertex {
        digest: digest.clone(),
        name: format!("[internal] load local bake definitions{from}"),
        started: Some(began.clone()),
        completed: Some(now()),
        ..Vertex::default()
    };
    let statuses = sources.iter().map(|source| {
        let size = source.text.len() as i64;
        let name = if source.name == "-" {
            "from stdin"
        } else {
            &source.name
        };
        VertexStatus {
            id: format!("reading {name}"),
            vertex: digest.clone(),
            current: size,
            total: size,
            started: Some(began.clone()),
            completed: Some(began.clone()),
            ..VertexStatus::default()
        }
    });
    let message = StatusResponse {
        statuses: statuses.collect(),
        vertexes: vec![step],
        ..StatusResponse::default()
    };
    // Nobody looks on: nothing to tell.
    let _ = told.send(message).await;
}
