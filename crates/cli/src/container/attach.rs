//! `attach`: the user's streams on a running container's.

use super::{
    run, signals,
    streams::{self, Ended, Wiring},
};
use crate::{app::Call, error::CliError, terminal};
use corten_api::container::Inspect;
use corten_client::Client;

/// Attaches and ends with the container's exit code.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let name = call.arg(0);
    let container: Inspect = client
        .get(format!("/containers/{}/json", Client::segment(name)))
        .send()
        .await?
        .json()
        .await?;
    if !container.state.running {
        return Err(CliError::Text(
            "You cannot attach to a stopped container, start it first".into(),
        ));
    }
    if container.state.paused {
        return Err(CliError::Text(
            "cannot attach to a paused container, unpause it first".into(),
        ));
    }
    if container.state.restarting {
        return Err(CliError::Text(
            "cannot attach to a restarting container, wait until it is running".into(),
        ));
    }
    let input = !call.parsed.is_on("no-stdin") && container.config.open_stdin;
    run::check_terminal(input, container.config.tty)?;
    let options = Options {
        input,
        tty: container.config.tty,
        proxy: call.parsed.flag_or("sig-proxy", true) && !container.config.tty,
        detach_keys: call.parsed.text("detach-keys").to_owned(),
    };
    let waiting = run::wait(client, &container.id, "").await?;
    match connect(call, client, &container.id, options).await? {
        Ended::Detached => Err(CliError::Text("read escape sequence".into())),
        Ended::Streams => run::status(waiting).await,
    }
}

/// What to attach.
pub struct Options {
    pub input: bool,
    pub tty: bool,
    pub proxy: bool,
    pub detach_keys: String,
}

async fn connect(
    call: &Call<'_>,
    client: &Client,
    id: &str,
    options: Options,
) -> Result<Ended, CliError> {
    let keys = match options.detach_keys.as_str() {
        "" => call
            .app
            .config()
            .text("detachKeys")
            .unwrap_or("")
            .to_owned(),
        keys => keys.to_owned(),
    };
    let _proxied = if options.proxy {
        Some(signals::forward(client, id)?)
    } else {
        None
    };
    let stream = run::attach(client, id, [options.input, true, true], &keys).await?;
    let _resized = if options.tty && terminal::terminals().output {
        // A size that changes makes the program draw its screen anew.
        signals::nudge_size(client, &format!("/containers/{id}/resize")).await;
        Some(signals::follow_size(
            client,
            format!("/containers/{id}/resize"),
        )?)
    } else {
        None
    };
    let wiring = Wiring {
        tty: options.tty,
        input: options.input,
        output: true,
        detach_keys: streams::detach_keys(&keys).unwrap_or_else(|_| vec![16, 17]),
    };
    streams::connect(stream, wiring).await
}
