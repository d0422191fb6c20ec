//! Sending one container's log records to a receiver elsewhere.
//!
//! Purpose: a shim whose container logs to syslog, journald, fluentd or gelf starts this
//! program beside itself. It connects, tells the shim whether that went well, and sends
//! record after record, waiting for the receiver wherever it has to: the shim, which must
//! never wait, keeps or drops what does not fit (`corten_logs::remote`). Names are
//! resolved, certificates verified and foreign bytes read here, not in the supervisor
//! (ADR 4).
//!
//! Entry point: [`run`], called by the program `corten-logger` with the connection that it
//! finds as descriptor 0.
//!
//! Invariants:
//! - One thread; one record is in flight at a time, so the order is the container's.
//! - A record that a receiver refuses for good is lost, as with dockerd; the next is tried
//!   again.
//! - When the shim has ended the stream, what was read is sent for [`END_LIMIT`] at most.
//!
//! Never knows: containers beyond the names it prints, the engine, files of logs.
//!
//! Specifications: RFC 3164, 5424, 5425 (syslog), systemd's native journal protocol,
//! Fluentd's forward protocol v1, GELF 1.1.
#![forbid(unsafe_code)]

mod dial;
mod error;
mod fluentd;
mod gelf;
mod journald;
mod life;
mod msgpack;
mod syslog;
mod target;
mod tls;
mod wire;

pub use error::LoggerError;
pub use life::END_LIMIT;

use corten_logs::RemoteDriver;
use corten_logs::remote::{ReceivedRecord, Receiver, RemoteConfig, read_text, write_text};
use life::Life;
use std::io;
use std::os::unix::net::UnixStream;

/// A connected receiver.
enum Driver {
    Syslog(syslog::Syslog),
    Journald(journald::Journald),
    Fluentd(Box<fluentd::Fluentd>),
    Gelf(gelf::Gelf),
}

impl Driver {
    fn open(config: RemoteConfig) -> Result<Self, LoggerError> {
        let source = config.source;
        Ok(match config.driver {
            RemoteDriver::Syslog(options) => Self::Syslog(syslog::Syslog::open(options, source)?),
            RemoteDriver::Journald { socket } => {
                Self::Journald(journald::Journald::open(&socket, &source)?)
            }
            RemoteDriver::Fluentd(options) => {
                Self::Fluentd(Box::new(fluentd::Fluentd::open(options, source)?))
            }
            RemoteDriver::Gelf(options) => Self::Gelf(gelf::Gelf::open(options, source)?),
        })
    }

    fn send(&mut self, record: &ReceivedRecord<'_>, life: &mut Life) {
        match self {
            Self::Syslog(syslog) => syslog.send(record, life),
            Self::Journald(journald) => journald.send(record),
            Self::Fluentd(fluentd) => fluentd.send(record, life),
            Self::Gelf(gelf) => gelf.send(record, life),
        }
    }
}

/// Docker's ID of a line that came in parts: 64 digits, the same for all of them.
fn part_id(part: corten_logs::remote::Part, container_id: &str) -> String {
    let time = part.line.unix_nanoseconds();
    format!("{time:016x}{:0<48.48}", container_id)
}

/// Serves the shim at the other end of `shim` until it has nothing more to say.
///
/// # Errors
/// Only what the shim itself does wrong; a receiver that cannot be reached is told to it.
pub fn run(shim: UnixStream) -> io::Result<()> {
    let config: RemoteConfig = serde_json::from_slice(&read_text(&shim)?)?;
    let mut life = Life::new(shim.try_clone()?);
    let mut driver = match Driver::open(config) {
        Ok(driver) => driver,
        Err(error) => return write_text(&shim, error.to_string().as_bytes()),
    };
    write_text(&shim, b"")?;
    let mut records = Receiver::new(shim);
    while let Some(record) = records.receive()? {
        driver.send(&record, &mut life);
        if life.is_over() {
            break;
        }
    }
    Ok(())
}
