//! Signals and window sizes on their way to a container.

use crate::{error::CliError, terminal};
use corten_client::Client;
use std::time::Duration;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

/// Signals that are passed on.
const FORWARDED: [(i32, &str); 8] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (15, "TERM"),
    (18, "CONT"),
];

/// A task that ends with its owner.
pub struct Background(JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// From now on signals go to the container instead of ending this process.
pub fn forward(client: &Client, container: &str) -> Result<Background, CliError> {
    let mut watched: Vec<(Signal, &'static str)> = Vec::new();
    for (number, name) in FORWARDED {
        let stream = signal(SignalKind::from_raw(number))
            .map_err(|error| CliError::Text(format!("watching SIG{name}: {error}")))?;
        watched.push((stream, name));
    }
    let path = format!("/containers/{}/kill", Client::segment(container));
    let client = client.clone();
    Ok(Background(tokio::spawn(async move {
        loop {
            let name = next(&mut watched).await;
            // A container that is not running yet or any more needs no signal.
            let _ = client.post(&path).query("signal", name).send().await;
        }
    })))
}

async fn next(watched: &mut [(Signal, &'static str)]) -> &'static str {
    std::future::poll_fn(|cx| {
        for (stream, name) in watched.iter_mut() {
            if stream.poll_recv(cx).is_ready() {
                return std::task::Poll::Ready(*name);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// How often the first size is offered, and how long between two offers: the terminal
/// may not be there yet.
const FIRST_SIZE_TRIES: u32 = 10;
const FIRST_SIZE_PAUSE: Duration = Duration::from_millis(10);

/// Tells the size of the user's terminal to `path` (a resize endpoint), now and at every
/// change.
pub fn follow_size(client: &Client, path: String) -> Result<Background, CliError> {
    let mut changes = signal(SignalKind::window_change())
        .map_err(|error| CliError::Text(format!("watching SIGWINCH: {error}")))?;
    let client = client.clone();
    Ok(Background(tokio::spawn(async move {
        for attempt in 1..=FIRST_SIZE_TRIES {
            if tell_size(&client, &path).await {
                break;
            }
            tokio::time::sleep(FIRST_SIZE_PAUSE * attempt).await;
        }
        while changes.recv().await.is_some() {
            tell_size(&client, &path).await;
        }
    })))
}

/// Tells a size that is one larger each way than the true one.
pub async fn nudge_size(client: &Client, path: &str) {
    if let Some(size) = terminal::size() {
        let request = client
            .post(path)
            .query("h", (size.rows + 1).to_string())
            .query("w", (size.columns + 1).to_string());
        // Only the looks of the screen depend on it.
        let _ = request.send().await;
    }
}

async fn tell_size(client: &Client, path: &str) -> bool {
    let Some(size) = terminal::size() else {
        return true;
    };
    let request = client
        .post(path)
        .query("h", size.rows.to_string())
        .query("w", size.columns.to_string());
    request.send().await.is_ok()
}
