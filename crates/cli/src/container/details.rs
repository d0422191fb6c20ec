//! What a container has: `top`, `diff`.

use crate::{app::Call, error::CliError, output::tabs};
use corten_api::container::{FilesystemChange, Top};
use corten_client::Client;

/// `top`: the processes, with the arguments of ps.
pub async fn top(call: &Call<'_>) -> Result<u8, CliError> {
    let arguments = call.parsed.args[1..].join(" ");
    let top: Top = call
        .client()
        .await?
        .get(format!("/containers/{}/top", Client::segment(call.arg(0))))
        .query_if("ps_args", arguments)
        .send()
        .await?
        .json()
        .await?;
    let mut text = top.titles.join("\t");
    text.push('\n');
    for process in &top.processes {
        text.push_str(&process.join("\t"));
        text.push('\n');
    }
    call.app.out(&tabs::align(&text, 20, 3))?;
    Ok(0)
}

/// `diff`: changed paths.
pub async fn diff(call: &Call<'_>) -> Result<u8, CliError> {
    if call.arg(0).is_empty() {
        return Err(CliError::Text("Container name cannot be empty".into()));
    }
    let changes: Option<Vec<FilesystemChange>> = call
        .client()
        .await?
        .get(format!(
            "/containers/{}/changes",
            Client::segment(call.arg(0))
        ))
        .send()
        .await?
        .json()
        .await?;
    for change in changes.unwrap_or_default() {
        let kind = match change.kind {
            0 => "C",
            1 => "A",
            _ => "D",
        };
        call.app.line(&format!("{kind} {}", change.path))?;
    }
    Ok(0)
}
