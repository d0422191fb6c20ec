//! `corten` starts its engine when none runs.

use crate::{
    app::{App, environment},
    error::{CliError, errno_text},
};
use corten_client::Endpoint;
use std::{
    fs::OpenOptions,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long the engine may take until it answers.
const READY_DEADLINE: Duration = Duration::from_secs(15);
/// Pause between two looks at the socket.
const READY_PAUSE: Duration = Duration::from_millis(10);
/// Where the engine's own messages go.
const LOG_FILE: &str = "/var/log/cortend.log";

/// Starts `cortend` unless something listens at `endpoint`, it is switched off, or the
/// user lacks the rights; in these cases the command goes on and tells its own error.
pub async fn ensure(app: &App, endpoint: &Endpoint) -> Result<(), CliError> {
    let Endpoint::Unix(socket) = endpoint else {
        return Ok(());
    };
    if std::os::unix::net::UnixStream::connect(socket).is_ok()
        || environment("CORTEN_AUTOSTART").as_deref() == Some("0")
        || !rustix::process::geteuid().is_root()
    {
        return Ok(());
    }
    let Some(program) = std::env::current_exe()
        .ok()
        .and_then(|p| Some(p.parent()?.join("cortend")))
    else {
        return Ok(());
    };
    if !program.is_file() {
        return Ok(());
    }
    app.warn(&format!(
        "corten: no engine is running, starting {} (log: {LOG_FILE})",
        program.display()
    ));
    start(&program)?;
    wait(socket).await
}

fn start(program: &Path) -> Result<(), CliError> {
    let failed = |what: &str, error: &std::io::Error| {
        CliError::Text(format!(
            "starting the engine: {what}: {}",
            errno_text(error)
        ))
    };
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(LOG_FILE)
        .map_err(|error| failed(LOG_FILE, &error))?;
    let errors = log.try_clone().map_err(|error| failed(LOG_FILE, &error))?;
    Command::new(program)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // The terminal's Ctrl-C is for the command, not for the engine.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&program.display().to_string(), &error))?;
    Ok(())
}

async fn wait(socket: &Path) -> Result<(), CliError> {
    let end = Instant::now() + READY_DEADLINE;
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        if Instant::now() > end {
            return Err(CliError::Text(format!(
                "the engine did not answer within {} s; its messages are in {LOG_FILE}",
                READY_DEADLINE.as_secs()
            )));
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    Ok(())
}
