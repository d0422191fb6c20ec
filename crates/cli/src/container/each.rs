//! Verbs that do one thing to every container named: stop, kill, restart, pause, unpause,
//! remove, wait; and rename.

use crate::{app::Call, error::CliError};
use corten_api::container::WaitResponse;
use corten_client::{Client, ClientError, Request};

/// Does `verb` to every name; names that succeed are printed, failures told at the end.
async fn each<'c>(
    call: &'c Call<'_>,
    verb: impl Fn(&'c Client, &str) -> Request<'c>,
) -> Result<u8, CliError> {
    let client = call.client().await?;
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        match finish(verb(client, &Client::segment(name))).await {
            Ok(()) => call.app.line(name)?,
            Err(error) => failures.push(error.to_string()),
        }
    }
    told(failures)
}

async fn finish(request: Request<'_>) -> Result<(), ClientError> {
    request.send().await?.bytes().await?;
    Ok(())
}

/// All failures in one message, a line each.
pub fn told(failures: Vec<String>) -> Result<u8, CliError> {
    if failures.is_empty() {
        Ok(0)
    } else {
        Err(CliError::Text(failures.join("\n")))
    }
}

/// `stop` and `restart`.
pub async fn stop(call: &Call<'_>, verb: &'static str) -> Result<u8, CliError> {
    let signal = call.parsed.text("signal").to_owned();
    let timeout = call
        .parsed
        .int("timeout")
        .map(|t| t.to_string())
        .unwrap_or_default();
    each(call, |client, name| {
        client
            .post(format!("/containers/{name}/{verb}"))
            .query_if("signal", &signal)
            .query_if("t", &timeout)
    })
    .await
}

/// `kill`.
pub async fn kill(call: &Call<'_>) -> Result<u8, CliError> {
    let signal = call.parsed.text("signal").to_owned();
    each(call, |client, name| {
        client
            .post(format!("/containers/{name}/kill"))
            .query_if("signal", &signal)
    })
    .await
}

/// `pause` and `unpause`.
pub async fn pause(call: &Call<'_>, verb: &'static str) -> Result<u8, CliError> {
    each(call, |client, name| {
        client.post(format!("/containers/{name}/{verb}"))
    })
    .await
}

/// `rm`. With `--force`, a container that is not there is only told.
pub async fn remove(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let force = call.parsed.is_on("force");
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        let bare = name.trim_matches('/');
        if bare.is_empty() {
            failures.push("Container name cannot be empty".to_owned());
            continue;
        }
        let request = client
            .delete(format!("/containers/{}", Client::segment(bare)))
            .flag("v", call.parsed.is_on("volumes"))
            .flag("link", call.parsed.is_on("link"))
            .flag("force", force);
        match finish(request).await {
            Ok(()) => call.app.line(name)?,
            Err(error) if force && error.is_not_found() => call.app.warn(&error.to_string()),
            Err(error) => failures.push(error.to_string()),
        }
    }
    told(failures)
}

/// `wait`: the exit code of each.
pub async fn wait(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        let waited = async {
            super::run::wait(client, name, "")
                .await?
                .json::<WaitResponse>()
                .await
        };
        match waited.await {
            Ok(answer) => call.app.line(&answer.status_code.to_string())?,
            Err(error) => failures.push(error.to_string()),
        }
    }
    told(failures)
}

/// `rename`.
pub async fn rename(call: &Call<'_>) -> Result<u8, CliError> {
    let (old, new) = (call.arg(0).trim(), call.arg(1).trim());
    if old.is_empty() || new.is_empty() {
        return Err(CliError::Text(
            "Error: Neither old nor new names may be empty".into(),
        ));
    }
    let client = call.client().await?;
    let request = client
        .post(format!("/containers/{}/rename", Client::segment(old)))
        .query("name", new);
    finish(request).await.map_err(|error| {
        CliError::Text(format!(
            "{error}\nError: failed to rename container named {old}"
        ))
    })?;
    Ok(0)
}
