//! As much of HTTP as the tests' servers need: one request a connection.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;

/// What a client asked.
pub struct Request {
    /// Its first line and its headers.
    pub lines: Vec<String>,
    /// What followed, as text.
    pub body: String,
}

impl Request {
    /// Reads one.
    pub fn read(client: &TcpStream) -> Result<Self> {
        let mut reader = BufReader::new(client);
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.parse().unwrap_or(0);
            }
            lines.push(line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Self { lines, body })
    }
}

/// The answer, and the end.
pub fn reply(client: &mut TcpStream, status: &str, headers: &str, body: &str) -> Result<()> {
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}
