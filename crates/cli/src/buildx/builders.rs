//! The one builder: `buildx ls`, `inspect`, `version`.

use super::error;
use crate::{app::Call, error::CliError, output::tabs};
use corten_client::build::{Control, ListWorkersRequest, ListWorkersResponse};

/// What is known of the builder.
struct Builder {
    version: String,
    platforms: Vec<String>,
    labels: Vec<(String, String)>,
}

async fn builder(control: &mut Control) -> Result<Builder, CliError> {
    let request = ListWorkersRequest::default();
    let workers: ListWorkersResponse = control.ask("ListWorkers", &request).await?;
    let mut builder = Builder {
        version: String::new(),
        platforms: Vec::new(),
        labels: Vec::new(),
    };
    for worker in workers.record {
        builder.version = worker.buildkit_version.unwrap_or_default().version;
        builder.labels.extend(worker.labels);
        builder
            .platforms
            .extend(worker.platforms.into_iter().map(|it| {
                let variant = if it.variant.is_empty() {
                    String::new()
                } else {
                    format!("/{}", it.variant)
                };
                format!("{}/{}{variant}", it.os, it.architecture)
            }));
    }
    builder.labels.sort();
    Ok(builder)
}

/// `buildx ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let mut control = call.client().await?.control().await?;
    let found = builder(&mut control).await?;
    match call.parsed.text("format") {
        "" | "table" => {}
        "json" => {
            let document = serde_json::json!({
                "Current": true, "Driver": "docker", "Dynamic": false, "Name": "default",
                "Nodes": [{
                    "Endpoint": "default", "Name": "default", "Status": "running",
                    "Version": found.version, "Platforms": found.platforms,
                }],
            });
            call.app.line(&document.to_string())?;
            return Ok(0);
        }
        _ => {
            return Err(error(
                "templates for ls are not supported by Corten: use json",
            ));
        }
    }
    let platforms = found.platforms.join(", ");
    let rows = [
        "NAME/NODE\tDRIVER/ENDPOINT\tSTATUS\tBUILDKIT\tPLATFORMS".to_owned(),
        "default*\tdocker\t\t\t".to_owned(),
        format!(
            " \\_ default\t \\_ default\trunning\t{}\t{platforms}",
            found.version
        ),
    ];
    call.app.out(&tabs::table(&(rows.join("\n") + "\n")))?;
    Ok(0)
}

/// `buildx inspect`.
pub async fn inspect(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    if !matches!(call.arg(0), "" | "default") {
        return Err(error(&format!("no builder {:?} found", call.arg(0))));
    }
    let mut control = call.client().await?.control().await?;
    let found = builder(&mut control).await?;
    let mut text = "Name:   default\nDriver: docker\n\nNodes:\n".to_owned();
    for (name, value) in [
        ("Name", "default"),
        ("Endpoint", "default"),
        ("Status", "running"),
        ("BuildKit version", &found.version),
        ("Platforms", &found.platforms.join(", ")),
    ] {
        text.push_str(&format!("{:<18}{value}\n", format!("{name}:")));
    }
    if !found.labels.is_empty() {
        text.push_str("Labels:\n");
        for (name, value) in found.labels {
            text.push_str(&format!(" {name}: {value}\n"));
        }
    }
    call.app.out(&text)?;
    Ok(0)
}

/// `buildx version`.
pub fn version(call: &Call<'_>) -> Result<u8, CliError> {
    let own = env!("CARGO_PKG_VERSION");
    call.app.line(&format!(
        "corten buildx {own} (command line of docker/buildx 0.29.1)"
    ))?;
    Ok(0)
}
