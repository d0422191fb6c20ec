//! As much of HTTP/1.1 as a plugin's answers need: one request a connection.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

/// Docker's plugins speak this version of their protocol.
const MEDIA_TYPE: &str = "application/vnd.docker.plugins.v1.2+json";

/// The longest answer: a list of some ten thousand volumes.
const ANSWER_MAX_BYTES: u64 = 16 << 20;

/// Where a plugin listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket file.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
}

impl Address {
    /// `unix:///path`, `tcp://host:port`, `http://host:port`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Some(Self::Unix(path.into()));
        }
        let host = text
            .strip_prefix("tcp://")
            .or_else(|| text.strip_prefix("http://"))?;
        Some(Self::Tcp(host.trim_end_matches('/').to_owned()))
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connect(address: &Address, patience: Duration) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Address::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Box::new(stream)
        }
        Address::Tcp(host) => {
            let found = host.to_socket_addrs()?.next();
            let found = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
            let stream = TcpStream::connect_timeout(&found, patience)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            Box::new(stream)
        }
    })
}

/// Status and body of the answer.
pub fn post(
    address: &Address,
    path: &str,
    body: &[u8],
    patience: Duration,
) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = connect(address, patience)?;
    let host = match address {
        Address::Unix(_) => "localhost",
        Address::Tcp(host) => host,
    };
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nAccept: {MEDIA_TYPE}\r\nContent-Type: {MEDIA_TYPE}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    read(&mut stream)
}

fn broken(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Reads until the body is whole: plugins need not close the connection.
fn read(stream: &mut dyn Stream) -> io::Result<(u16, Vec<u8>)> {
    let mut limited = stream.take(ANSWER_MAX_BYTES);
    let mut buffer = Vec::new();
    let head_end = loop {
        if let Some(at) = find(&buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if more(&mut limited, &mut buffer)? == 0 {
            return Err(broken("an answer without head"));
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut body = buffer.split_off(head_end);
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse().ok())
        .ok_or_else(|| broken("an answer without status"))?;
    let field = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    if field("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        loop {
            if let Some(whole) = unchunked(&body)? {
                return Ok((status, whole));
            }
            if more(&mut limited, &mut body)? == 0 {
                return Err(broken("an answer that breaks off"));
            }
        }
    }
    let length: Option<usize> = field("content-length").and_then(|it| it.parse().ok());
    while length.is_none_or(|length| body.len() < length) {
        if more(&mut limited, &mut body)? == 0 {
            break;
        }
    }
    match length {
        Some(length) if body.len() < length => Err(broken("an answer that breaks off")),
        Some(length) => {
            body.truncate(length);
            Ok((status, body))
        }
        None => Ok((status, body)),
    }
}

fn more(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut part = [0; 8192];
    let count = stream.read(&mut part)?;
    buffer.extend_from_slice(&part[..count]);
    Ok(count)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|it| it == pattern)
}

/// `None`: the last chunk is not here yet.
fn unchunked(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return Ok(None);
        };
        let line = String::from_utf8_lossy(&bytes[..end]);
        let digits = line.split(';').next().unwrap_or_default().trim().to_owned();
        let size =
            usize::from_str_radix(&digits, 16).map_err(|_| broken("a chunk without size"))?;
        if size == 0 {
            return Ok(Some(whole));
        }
        let start = end + 2;
        let stop = start
            .checked_add(size)
            .ok_or_else(|| broken("a chunk too big"))?;
        if bytes.len() < stop + 2 {
            return Ok(None);
        }
        whole.extend_from_slice(&bytes[start..stop]);
        bytes = &bytes[stop + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> io::Result<(u16, String)> {
        let mut stream = io::Cursor::new(text.as_bytes().to_vec());
        let (status, body) = read(&mut stream)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    #[test]
    fn answers_with_a_length_in_chunks_and_to_the_end_are_read() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}more",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\n{}",
        ] {
            assert_eq!(answer(text).expect(text), (200, "{}".to_owned()));
        }
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "HTTP\r\n\r\n",
        ] {
            assert!(answer(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(
            Address::parse("unix:///a"),
            Some(Address::Unix("/a".into()))
        );
        assert_eq!(
            Address::parse("tcp://localhost:8080"),
            Some(Address::Tcp("localhost:8080".into()))
        );
        assert_eq!(Address::parse("ftp://x"), None);
    }
}
