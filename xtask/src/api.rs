//! A call of the Engine API over its socket, for soaks and measurements: no client's own
//! time is in what they see.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends one request on a connection of its own; the status, and the body as JSON (null if
/// it is none).
pub fn send(socket: &Path, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).context("connecting to the engine")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, rest) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    // A chunked body holds its JSON between the sizes of its chunks.
    let json = rest.find(['{', '[']).zip(rest.rfind(['}', ']']));
    let value = json.and_then(|(from, to)| serde_json::from_str(&rest[from..=to]).ok());
    Ok((status.unwrap_or(0), value.unwrap_or_default()))
}

/// The same where only one status will do; the body.
pub fn wanted(
    socket: &Path,
    status: u16,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let (answered, value) = send(socket, method, path, body)?;
    ensure!(answered == status, "{method} {path}: {answered} {value}");
    Ok(value)
}

/// The middle one.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
