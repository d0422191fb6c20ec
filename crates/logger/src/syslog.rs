//! RFC 3164 and RFC 5424 messages.

use crate::error::LoggerError;
use crate::life::Life;
use crate::target::Target;
use crate::tls;
use crate::wire::Wire;
use corten_base::Timestamp;
use corten_logs::Stream;
use corten_logs::options::{SyslogAddress, SyslogFormat, SyslogOptions};
use corten_logs::remote::{ReceivedRecord, Source};

/// Severities of RFC 5424 § 6.2.1.
const ERROR: u8 = 3;
const INFORMATION: u8 = 6;

/// A connection to a syslog receiver.
#[derive(Debug)]
pub(crate) struct Syslog {
    options: SyslogOptions,
    target: Target,
    wire: Option<Wire>,
    hostname: String,
    tag: String,
    message: Vec<u8>,
}

impl Syslog {
    pub(crate) fn open(options: SyslogOptions, source: Source) -> Result<Self, LoggerError> {
        let target = target(&options)?;
        let wire = target.connect()?;
        let uname = rustix::system::uname();
        Ok(Self {
            options,
            target,
            wire: Some(wire),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            tag: source.tag,
            message: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, record: &ReceivedRecord<'_>, life: &mut Life) {
        let severity = match record.stream {
            Stream::Stdout => INFORMATION,
            Stream::Stderr => ERROR,
        };
        let mut message = std::mem::take(&mut self.message);
        message.clear();
        self.format(&mut message, severity, record);
        let sent = match &mut self.wire {
            Some(wire) => wire.send(&message, life).is_ok(),
            None => false,
        };
        if !sent {
            // One new connection a message, as dockerd does it; then it is lost.
            self.wire = self.target.connect().ok();
            if let Some(wire) = &mut self.wire
                && wire.send(&message, life).is_err()
            {
                self.wire = None;
            }
        }
        self.message = message;
    }

    fn format(&self, out: &mut Vec<u8>, severity: u8, record: &ReceivedRecord<'_>) {
        let priority = self.options.facility << 3 | severity;
        let (host, tag) = (&self.hostname, &self.tag);
        let pid = std::process::id();
        let head = match self.options.format {
            SyslogFormat::Unix => {
                format!("<{priority}>{} {tag}[{pid}]: ", stamp(record.time))
            }
            SyslogFormat::Rfc3164 => {
                format!("<{priority}>{} {host} {tag}[{pid}]: ", stamp(record.time))
            }
            SyslogFormat::Rfc5424 => {
                let time = zoned(record.time).strftime("%Y-%m-%dT%H:%M:%S%:z");
                format!(
                    "<{priority}>1 {} {host} {tag} {pid} {tag} - ",
                    utc(time.to_string())
                )
            }
            SyslogFormat::Rfc5424Micro => {
                let time = zoned(record.time).strftime("%Y-%m-%dT%H:%M:%S.%6f%:z");
                format!(
                    "<{priority}>1 {} {host} {tag} {pid} {tag} - ",
                    utc(time.to_string())
                )
            }
        };
        let is_5424 = matches!(
            self.options.format,
            SyslogFormat::Rfc5424 | SyslogFormat::Rfc5424Micro
        );
        if is_5424 && matches!(self.options.address, SyslogAddress::Tls(..)) {
            // RFC 5425 § 4.3: the length before the message.
            let length = head.len() + record.line.len() + 1;
            out.extend_from_slice(format!("{length} ").as_bytes());
        }
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(record.line);
        out.push(b'\n');
    }
}

fn target(options: &SyslogOptions) -> Result<Target, LoggerError> {
    Ok(match options.address.clone() {
        SyslogAddress::Local => Target::LocalSyslog,
        SyslogAddress::Unix(path) => Target::Unix(path),
        SyslogAddress::UnixDatagram(path) => Target::UnixDatagram(path),
        SyslogAddress::Udp(host, port) => Target::Udp(host, port),
        SyslogAddress::Tcp(host, port) => Target::Tcp(host, port),
        SyslogAddress::Tls(host, port) => Target::Tls(tls::client(&options.tls)?, host, port),
    })
}

/// The host's own time of day, as syslog has it.
fn zoned(time: Timestamp) -> jiff::Zoned {
    let nanoseconds = i32::try_from(time.subsec_nanoseconds()).unwrap_or_default();
    let instant = jiff::Timestamp::new(time.unix_seconds(), nanoseconds).unwrap_or_default();
    instant.to_zoned(jiff::tz::TimeZone::system())
}

/// `Jan _2 15:04:05`
fn stamp(time: Timestamp) -> String {
    zoned(time).strftime("%b %e %H:%M:%S").to_string()
}

/// Go prints `Z` for no offset.
fn utc(time: String) -> String {
    match time.strip_suffix("+00:00") {
        Some(time) => format!("{time}Z"),
        None => time,
    }
}
