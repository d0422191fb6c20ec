//! `start`: several in the background, or one attached.

use super::{
    run, signals,
    streams::{self, Ended, Wiring},
};
use crate::{app::Call, error::CliError, messages, terminal};
use corten_api::container::Inspect;
use corten_client::Client;

/// Starts every container named.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    for flag in ["checkpoint", "checkpoint-dir"] {
        if call.parsed.given(flag) {
            let flag = format!("\"--{flag}\"");
            return Err(CliError::Text(messages::experimental(&flag)));
        }
    }
    let client = call.client().await?;
    if call.parsed.is_on("attach") || call.parsed.is_on("interactive") {
        if call.parsed.args.len() > 1 {
            return Err(CliError::Text(
                "you cannot start and attach multiple containers at once".into(),
            ));
        }
        return attached(call, client).await;
    }
    let mut failed = Vec::new();
    for name in &call.parsed.args {
        match run::start(client, name).await {
            Ok(()) => call.app.line(name)?,
            Err(error) => {
                call.app.warn(&error.to_string());
                failed.push(name.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(0);
    }
    Err(CliError::Text(format!(
        "Error: failed to start containers: {}",
        failed.join(", ")
    )))
}

async fn attached(call: &Call<'_>, client: &Client) -> Result<u8, CliError> {
    let name = call.arg(0);
    let container: Inspect = client
        .get(format!("/containers/{}/json", Client::segment(name)))
        .send()
        .await?
        .json()
        .await?;
    let (id, config) = (container.id, container.config);
    let input = call.parsed.is_on("interactive") && config.open_stdin;
    run::check_terminal(input, config.tty)?;
    let _proxied = if config.tty {
        None
    } else {
        Some(signals::forward(client, &id)?)
    };
    let keys = match call.parsed.text("detach-keys") {
        "" => call
            .app
            .config()
            .text("detachKeys")
            .unwrap_or("")
            .to_owned(),
        keys => keys.to_owned(),
    };
    let stream = run::attach(client, &id, [input, true, true], &keys).await?;
    let condition = if container.host_config.auto_remove {
        "removed"
    } else {
        "next-exit"
    };
    let waiting = run::wait(client, &id, condition).await?;
    if let Err(error) = run::start(client, &id).await {
        drop(stream);
        if container.host_config.auto_remove {
            // As with `run --rm`: removed before the error is told.
            let _ = run::status(waiting).await;
        }
        call.app.warn(&error.to_string());
        return Err(CliError::Text(format!(
            "Error: failed to start containers: {name}"
        )));
    }
    let _resized = if config.tty && terminal::terminals().output {
        Some(signals::follow_size(
            client,
            format!("/containers/{id}/resize"),
        )?)
    } else {
        None
    };
    let wiring = Wiring {
        tty: config.tty,
        input,
        output: true,
        detach_keys: streams::detach_keys(&keys).unwrap_or_else(|_| vec![16, 17]),
    };
    match streams::connect(stream, wiring).await? {
        Ended::Detached => Ok(0),
        Ended::Streams => run::status(waiting).await,
    }
}
