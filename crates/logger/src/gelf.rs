//! GELF 1.1: <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html>.

use crate::dial;
use crate::error::LoggerError;
use crate::life::Life;
use crate::wire::Wire;
use corten_logs::Stream;
use corten_logs::options::{GelfCompression, GelfOptions, GelfTransport};
use corten_logs::remote::{ReceivedRecord, Source};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// The largest datagram, as Docker's driver cuts them.
const CHUNK_BYTES: usize = 1420;
const CHUNK_HEADER_BYTES: usize = 12;
const CHUNK_MAGIC: [u8; 2] = [0x1e, 0x0f];
/// GELF allows no more; what is longer cannot be sent.
const MAX_CHUNKS: usize = 128;

/// syslog's levels.
const ERROR: u8 = 3;
const INFORMATION: u8 = 6;

/// A connection to a Graylog.
#[derive(Debug)]
pub(crate) struct Gelf {
    options: GelfOptions,
    wire: Option<Wire>,
    /// The members of every message.
    fixed: Map<String, Value>,
    host: String,
    /// Names the next message in chunks.
    next: u64,
}

impl Gelf {
    pub(crate) fn open(options: GelfOptions, source: Source) -> Result<Self, LoggerError> {
        let wire = connect(&options).map_err(|source| LoggerError::Gelf {
            address: format!("{}:{}", options.host, options.port),
            source: Box::new(source),
        })?;
        let mut fixed = Map::new();
        for (name, value) in [
            ("_container_id", source.container_id),
            ("_container_name", source.container_name),
            ("_image_id", source.image_id),
            ("_image_name", source.image_name),
            ("_command", source.command),
            ("_tag", source.tag),
            ("_created", source.created),
        ] {
            fixed.insert(name.to_owned(), value.into());
        }
        for (name, value) in source.extra {
            let name = match name.starts_with('_') {
                true => name,
                false => format!("_{name}"),
            };
            fixed.insert(name, value.into());
        }
        let uname = rustix::system::uname();
        // Different from what other loggers of this host count.
        let next = u64::from(std::process::id()) << 32;
        Ok(Self {
            options,
            wire: Some(wire),
            fixed,
            host: uname.nodename().to_string_lossy().into_owned(),
            next,
        })
    }

    pub(crate) fn send(&mut self, record: &ReceivedRecord<'_>, life: &mut Life) {
        // GELF has no message without a text.
        if record.line.is_empty() {
            return;
        }
        let mut message = self.message(record);
        match self.options.transport {
            GelfTransport::Udp(compression) => {
                // A message that cannot be compressed cannot be sent: memory is short.
                if let Ok(packed) = compress(compression, message) {
                    self.send_datagrams(&packed, life);
                }
            }
            GelfTransport::Tcp {
                max_reconnect,
                reconnect_delay_seconds,
            } => {
                message.push(0);
                let delay = Duration::from_secs(reconnect_delay_seconds.into());
                self.send_stream(&message, max_reconnect, delay, life);
            }
        }
    }

    fn message(&self, record: &ReceivedRecord<'_>) -> Vec<u8> {
        let time = record.time;
        let milliseconds =
            time.unix_seconds() * 1000 + i64::from(time.subsec_nanoseconds() / 1_000_000);
        let level = match record.stream {
            Stream::Stdout => INFORMATION,
            Stream::Stderr => ERROR,
        };
        let mut message = self.fixed.clone();
        message.insert("version".into(), "1.1".into());
        message.insert("host".into(), self.host.as_str().into());
        let text = String::from_utf8_lossy(record.line);
        message.insert("short_message".into(), text.as_ref().into());
        message.insert("timestamp".into(), json!(milliseconds as f64 / 1000.0));
        message.insert("level".into(), level.into());
        Value::Object(message).to_string().into_bytes()
    }

    fn send_datagrams(&mut self, message: &[u8], life: &mut Life) {
        let Some(wire) = &mut self.wire else { return };
        if message.len() <= CHUNK_BYTES {
            // Nobody listens: what is sent by datagrams may be lost.
            let _sent = wire.send(message, life).is_ok();
            return;
        }
        let pieces = message.chunks(CHUNK_BYTES - CHUNK_HEADER_BYTES);
        let count = pieces.len();
        if count > MAX_CHUNKS {
            return;
        }
        self.next += 1;
        for (number, piece) in pieces.enumerate() {
            let mut chunk = Vec::with_capacity(CHUNK_BYTES);
            chunk.extend_from_slice(&CHUNK_MAGIC);
            chunk.extend_from_slice(&self.next.to_be_bytes());
            chunk.extend_from_slice(&[number as u8, count as u8]);
            chunk.extend_from_slice(piece);
            if wire.send(&chunk, life).is_err() {
                return;
            }
        }
    }

    fn send_stream(&mut self, message: &[u8], tries: u32, delay: Duration, life: &mut Life) {
        for attempt in 0..=tries {
            if self.wire.is_none() {
                self.wire = connect(&self.options).ok();
            }
            if let Some(wire) = &mut self.wire {
                match wire.send(message, life) {
                    Ok(()) => return,
                    Err(_) => self.wire = None,
                }
            }
            if attempt < tries && !life.pause(delay) {
                return;
            }
        }
    }
}

fn connect(options: &GelfOptions) -> Result<Wire, LoggerError> {
    let GelfOptions { host, port, .. } = options;
    match options.transport {
        GelfTransport::Udp(_) => dial::udp(host, *port).map(Wire::Udp),
        GelfTransport::Tcp { .. } => dial::tcp(host, *port).map(|(stream, _)| Wire::Tcp(stream)),
    }
}

fn compress(how: GelfCompression, message: Vec<u8>) -> io::Result<Vec<u8>> {
    match how {
        GelfCompression::None => Ok(message),
        GelfCompression::Gzip(level) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&message)?;
            encoder.finish()
        }
        GelfCompression::Zlib(level) => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
            encoder.write_all(&message)?;
            encoder.finish()
        }
    }
}
