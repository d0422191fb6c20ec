//! `run`: create, attach, wait, start, in this order, so that nothing is missed.

use super::{
    create, signals,
    streams::{self, Ended, Wiring},
};
use crate::{app::Call, error::CliError, messages, terminal};
use corten_api::container::{CreateRequest, WaitResponse};
use corten_client::{Client, ClientError, Hijacked, Response};

/// Runs the command; failures before the container's own are told with Docker's prefix.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let detached = call.parsed.is_on("detach");
    if detached && call.parsed.given("attach") {
        return Err(CliError::Text(
            "conflicting options: cannot specify both --attach and --detach".into(),
        ));
    }
    let mut request = create::prepared(call).map_err(|error| before_start(call, error))?;
    create::check_platform(call).map_err(|error| before_start(call, error))?;
    if detached {
        let config = &mut request.config;
        config.attach_stdin = false;
        config.attach_stdout = false;
        config.attach_stderr = false;
        config.stdin_once = false;
    } else {
        check_terminal(request.config.attach_stdin, request.config.tty)?;
    }
    if let Some(size) = terminal::size().filter(|_| terminal::terminals().output) {
        request.host_config.console_size = [size.rows.into(), size.columns.into()];
    }
    let id = create::create(call, &request)
        .await
        .map_err(|error| before_start(call, error))?;
    let client = call.client().await?;
    if detached {
        start(client, &id)
            .await
            .map_err(|error| start_failure(call, &error))?;
        call.app.line(&id)?;
        return Ok(0);
    }
    attached(call, client, &id, &request).await
}

/// `-t` without a terminal on stdin cannot work.
pub fn check_terminal(input: bool, tty: bool) -> Result<(), CliError> {
    if input && tty && !terminal::terminals().input {
        return Err(CliError::Text("the input device is not a TTY".into()));
    }
    Ok(())
}

async fn attached(
    call: &Call<'_>,
    client: &Client,
    id: &str,
    request: &CreateRequest,
) -> Result<u8, CliError> {
    let config = &request.config;
    let proxied = if call.parsed.flag_or("sig-proxy", true) && !config.tty {
        Some(signals::forward(client, id)?)
    } else {
        None
    };
    let keys = call.parsed.get("detach-keys").map(str::to_owned);
    let keys = keys.or_else(|| call.app.config().text("detachKeys").map(str::to_owned));
    let keys = keys.unwrap_or_default();
    let stream = attach(client, id, config_streams(request), &keys).await?;
    let condition = if request.host_config.auto_remove {
        "removed"
    } else {
        "next-exit"
    };
    let waiting = wait(client, id, condition).await?;
    if let Err(error) = start(client, id).await {
        drop(stream);
        if request.host_config.auto_remove {
            // The container that could not start is removed before the error is told.
            let _ = status(waiting).await;
        }
        return Err(start_failure(call, &error));
    }
    let resized = if config.tty && terminal::terminals().output {
        Some(signals::follow_size(
            client,
            format!("/containers/{id}/resize"),
        )?)
    } else {
        None
    };
    let wiring = Wiring {
        tty: config.tty,
        input: config.attach_stdin,
        output: config.attach_stdout || config.attach_stderr,
        detach_keys: streams::detach_keys(&keys).unwrap_or_else(|_| vec![16, 17]),
    };
    let ended = streams::connect(stream, wiring).await?;
    drop(resized);
    if ended == Ended::Detached {
        return Ok(0);
    }
    let code = status(waiting).await?;
    drop(proxied);
    Ok(code)
}

/// stdin, stdout, stderr as attached.
fn config_streams(request: &CreateRequest) -> [bool; 3] {
    let config = &request.config;
    [
        config.attach_stdin,
        config.attach_stdout,
        config.attach_stderr,
    ]
}

/// Opens the container's streams.
pub async fn attach(
    client: &Client,
    id: &str,
    [stdin, stdout, stderr]: [bool; 3],
    detach_keys: &str,
) -> Result<Hijacked, ClientError> {
    client
        .post(format!("/containers/{}/attach", Client::segment(id)))
        .query("stream", "1")
        .query_if("detachKeys", detach_keys)
        .flag("stdin", stdin)
        .flag("stdout", stdout)
        .flag("stderr", stderr)
        .hijack()
        .await
}

/// Begins to wait: when this returns, the engine will not miss the exit.
pub async fn wait(client: &Client, id: &str, condition: &str) -> Result<Response, ClientError> {
    client
        .post(format!("/containers/{}/wait", Client::segment(id)))
        .query("condition", condition)
        .send()
        .await
}

/// The exit code that a begun wait tells.
pub async fn status(waiting: Response) -> Result<u8, CliError> {
    let answer: WaitResponse = waiting.json().await?;
    match answer.error {
        Some(error) => Err(CliError::Coded {
            message: format!("Error waiting for container: {}", error.message),
            code: 125,
        }),
        None => Ok((answer.status_code & 0xff) as u8),
    }
}

/// Starts a container.
pub async fn start(client: &Client, id: &str) -> Result<(), ClientError> {
    client
        .post(format!("/containers/{}/start", Client::segment(id)))
        .send()
        .await?
        .bytes()
        .await?;
    Ok(())
}

/// Docker's client tells why a command could not run by its exit code, and finds that by
/// words in the message.
pub fn exit_code(message: &str) -> u8 {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&["executable file not found", "no such file or directory"]) {
        127
    } else if has(&["permission denied", "is a directory"]) {
        126
    } else {
        125
    }
}

fn start_failure(call: &Call<'_>, error: &ClientError) -> CliError {
    let text = error.to_string();
    coded(call, &text, exit_code(&text))
}

/// What is wrong with the line itself, as `run` and `create` tell it.
pub(super) fn before_start(call: &Call<'_>, error: CliError) -> CliError {
    match error {
        CliError::Closed | CliError::Exit(_) => error,
        other => coded(call, &other.to_string(), 125),
    }
}

fn coded(call: &Call<'_>, text: &str, code: u8) -> CliError {
    let program = call.app.program;
    let message = format!(
        "{program}: {text}\n\n{}",
        messages::read_on(program, &call.command.called)
    );
    CliError::Coded { message, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_decides_the_exit_code() {
        for (message, code) in [
            ("exec: \"x\": executable file not found in $PATH", 127),
            ("exec: \"/x\": stat /x: no such file or directory", 127),
            ("exec: \"/etc\": is a directory: permission denied", 126),
            ("port is already allocated", 125),
        ] {
            assert_eq!(exit_code(message), code);
        }
    }
}
