//! Fluentd's forward protocol v1, message mode:
//! <https://github.com/fluent/fluentd/wiki/Forward-Protocol-Specification-v1>.

use crate::error::LoggerError;
use crate::life::Life;
use crate::target::Target;
use crate::wire::Wire;
use crate::{msgpack, tls};
use corten_logs::options::{FluentdAddress, FluentdOptions, SyslogTls};
use corten_logs::remote::{ReceivedRecord, Source};
use std::io;
use std::time::{Duration, Instant};

/// Each pause between tries is this much longer than the one before.
const LONGER: f64 = 1.5;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The longest answer that is read while waiting for an acknowledgement.
const MAX_ANSWER_BYTES: usize = 4096;

/// A connection to a Fluentd.
#[derive(Debug)]
pub(crate) struct Fluentd {
    options: FluentdOptions,
    source: Source,
    target: Target,
    wire: Option<(Wire, Instant)>,
    message: Vec<u8>,
    sent: u64,
}

impl Fluentd {
    pub(crate) fn open(options: FluentdOptions, source: Source) -> Result<Self, LoggerError> {
        let target = match options.address.clone() {
            FluentdAddress::Unix(path) => Target::Unix(path),
            FluentdAddress::Tcp(host, port) => Target::Tcp(host, port),
            FluentdAddress::Tls(host, port) => {
                Target::Tls(tls::client(&SyslogTls::default())?, host, port)
            }
        };
        let mut fluentd = Self {
            options,
            source,
            target,
            wire: None,
            message: Vec::new(),
            sent: 0,
        };
        // An asynchronous one's receiver may come later.
        if !fluentd.options.asynchronous {
            fluentd.wire = Some((fluentd.target.connect()?, Instant::now()));
        }
        Ok(fluentd)
    }

    pub(crate) fn send(&mut self, record: &ReceivedRecord<'_>, life: &mut Life) {
        self.sent += 1;
        let chunk = format!("{:016x}{}", self.sent, self.source.container_id);
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        self.encode(&mut message, record, &chunk);
        self.reconnect_when_due();
        let mut pause = Duration::from_millis(self.options.retry_wait_ms);
        let mut tries = 0;
        while self.try_send(&message, &chunk, life).is_err() {
            self.wire = None;
            tries += 1;
            if tries > self.options.max_retries || !life.pause(pause) {
                // Lost, as dockerd loses it.
                break;
            }
            pause = pause.mul_f64(LONGER).min(LONGEST_PAUSE);
        }
        self.message = message;
    }

    fn try_send(&mut self, message: &[u8], chunk: &str, life: &mut Life) -> io::Result<()> {
        let (mut wire, since) = match self.wire.take() {
            Some(connected) => connected,
            None => (
                self.target.connect().map_err(io::Error::other)?,
                Instant::now(),
            ),
        };
        if let Some(limit) = self.options.write_timeout_ms {
            wire.send_within(message, Duration::from_millis(limit))?;
        } else {
            wire.send(message, life)?;
        }
        if self.options.request_ack {
            acknowledged(&mut wire, chunk, life)?;
        }
        self.wire = Some((wire, since));
        Ok(())
    }

    fn reconnect_when_due(&mut self) {
        let Some(interval) = self.options.reconnect_interval_ms else {
            return;
        };
        let interval = Duration::from_millis(interval);
        if self.options.asynchronous
            && self
                .wire
                .as_ref()
                .is_some_and(|(_, since)| since.elapsed() >= interval)
        {
            self.wire = None;
        }
    }

    /// `[tag, time, record, option]`
    fn encode(&self, out: &mut Vec<u8>, record: &ReceivedRecord<'_>, chunk: &str) {
        let source = &self.source;
        msgpack::array(out, 4);
        msgpack::text(out, source.tag.as_bytes());
        let time = record.time;
        if self.options.sub_second {
            msgpack::event_time(out, time.unix_seconds(), time.subsec_nanoseconds());
        } else {
            msgpack::integer(out, time.unix_seconds());
        }
        // Docker's own members win over labels of the same name.
        let own = ["container_id", "container_name", "source", "log"];
        let extra: Vec<_> = source
            .extra
            .iter()
            .filter(|(name, _)| !own.contains(&name.as_str()) && !name.starts_with("partial_"))
            .collect();
        let parts = if record.part.is_some() { 4 } else { 0 };
        msgpack::map(out, own.len() + parts + extra.len());
        let mut member = |name: &str, value: &[u8]| {
            msgpack::text(out, name.as_bytes());
            msgpack::text(out, value);
        };
        member("container_id", source.container_id.as_bytes());
        member(
            "container_name",
            format!("/{}", source.container_name).as_bytes(),
        );
        member("source", record.stream.name().as_bytes());
        member("log", record.line);
        for (name, value) in extra {
            member(name, value.as_bytes());
        }
        if let Some(part) = record.part {
            member("partial_message", b"true");
            member(
                "partial_id",
                crate::part_id(part, &source.container_id).as_bytes(),
            );
            member("partial_ordinal", part.ordinal.to_string().as_bytes());
            member("partial_last", if part.last { b"true" } else { b"false" });
        }
        msgpack::map(out, usize::from(self.options.request_ack));
        if self.options.request_ack {
            msgpack::text(out, b"chunk");
            msgpack::text(out, chunk.as_bytes());
        }
    }
}

/// Reads until the receiver has named the chunk: `{"ack": chunk}`.
fn acknowledged(wire: &mut Wire, chunk: &str, life: &mut Life) -> io::Result<()> {
    let mut answer = Vec::new();
    let mut expected = Vec::new();
    msgpack::map(&mut expected, 1);
    msgpack::text(&mut expected, b"ack");
    msgpack::text(&mut expected, chunk.as_bytes());
    let mut buffer = [0; 256];
    while answer.len() < expected.len() {
        match wire.receive(&mut buffer, life)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(&buffer[..count]),
        }
        if answer.len() > MAX_ANSWER_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    // A receiver may write the same text in a longer form: the chunk itself counts.
    let named = answer
        .windows(chunk.len())
        .any(|window| window == chunk.as_bytes());
    match named {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}
