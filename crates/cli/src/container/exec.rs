//! `exec`: another process in a running container.

use super::{
    options::environment,
    run, signals,
    streams::{self, Ended, Wiring},
};
use crate::{app::Call, error::CliError, terminal};
use corten_api::exec::{CreateRequest, CreateResponse, Inspect, StartRequest};
use corten_client::Client;

/// Runs the command and ends with its exit code.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let request = request(call)?;
    let container = Client::segment(call.arg(0));
    // The container is looked at first: its absence is told before a missing terminal.
    client
        .get(format!("/containers/{container}/json"))
        .send()
        .await?
        .bytes()
        .await?;
    if !request.detach {
        run::check_terminal(request.attach_stdin, request.tty)?;
    }
    let created: CreateResponse = client
        .post(format!("/containers/{container}/exec"))
        .json(&request)
        .send()
        .await?
        .json()
        .await?;
    let start = client
        .post(format!("/exec/{}/start", created.id))
        .json(&StartRequest {
            detach: request.detach,
            tty: request.tty,
            console_size: request.console_size,
        });
    if request.detach {
        start.send().await.map_err(coded)?.bytes().await?;
        return Ok(0);
    }
    let stream = start.hijack().await.map_err(coded)?;
    let _resized = if request.tty && terminal::terminals().input {
        Some(signals::follow_size(
            client,
            format!("/exec/{}/resize", created.id),
        )?)
    } else {
        None
    };
    let wiring = Wiring {
        tty: request.tty,
        input: request.attach_stdin,
        output: true,
        detach_keys: streams::detach_keys(&request.detach_keys).unwrap_or_else(|_| vec![16, 17]),
    };
    if streams::connect(stream, wiring).await? == Ended::Detached {
        return Err(CliError::Text("read escape sequence".into()));
    }
    let ended: Inspect = client
        .get(format!("/exec/{}/json", created.id))
        .send()
        .await?
        .json()
        .await?;
    Ok((ended.exit_code.unwrap_or(0) & 0xff) as u8)
}

fn coded(error: corten_client::ClientError) -> CliError {
    let message = error.to_string();
    match run::exit_code(&message) {
        125 => CliError::Client(error),
        code => CliError::Coded { message, code },
    }
}

fn request(call: &Call<'_>) -> Result<CreateRequest, CliError> {
    let parsed = &call.parsed;
    let env = environment::variables(parsed.all("env-file"), parsed.all("env"))?;
    let detach = parsed.is_on("detach");
    let keys = match parsed.text("detach-keys") {
        "" => call
            .app
            .config()
            .text("detachKeys")
            .unwrap_or("")
            .to_owned(),
        keys => keys.to_owned(),
    };
    let size = terminal::size().filter(|_| parsed.is_on("tty") && terminal::terminals().output);
    Ok(CreateRequest {
        user: parsed.text("user").to_owned(),
        privileged: parsed.is_on("privileged"),
        tty: parsed.is_on("tty"),
        console_size: size.map(|s| [s.rows.into(), s.columns.into()]),
        attach_stdin: !detach && parsed.is_on("interactive"),
        attach_stdout: !detach,
        attach_stderr: !detach,
        detach,
        detach_keys: keys,
        env: Some(env),
        working_dir: parsed.text("workdir").to_owned(),
        cmd: Some(parsed.args[1..].to_vec()),
    })
}
