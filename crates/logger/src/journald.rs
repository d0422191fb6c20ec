//! The journal's native protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use crate::error::LoggerError;
use corten_logs::Stream;
use corten_logs::remote::{ReceivedRecord, Source};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// The length of a short container ID.
const SHORT_ID: usize = 12;

/// The journal's socket.
#[derive(Debug)]
pub(crate) struct Journald {
    path: PathBuf,
    socket: UnixDatagram,
    /// The fields of every entry.
    fixed: Vec<u8>,
    container_id: String,
    entry: Vec<u8>,
}

impl Journald {
    pub(crate) fn open(path: &Path, source: &Source) -> Result<Self, LoggerError> {
        let socket = UnixDatagram::unbound().map_err(|_| LoggerError::NoJournal)?;
        socket.connect(path).map_err(|_| LoggerError::NoJournal)?;
        let id = &source.container_id;
        let mut fixed = Vec::new();
        let short = id.get(..SHORT_ID).unwrap_or(id);
        field(&mut fixed, "CONTAINER_ID", short.as_bytes());
        field(&mut fixed, "CONTAINER_ID_FULL", id.as_bytes());
        field(
            &mut fixed,
            "CONTAINER_NAME",
            source.container_name.as_bytes(),
        );
        field(&mut fixed, "CONTAINER_TAG", source.tag.as_bytes());
        field(&mut fixed, "IMAGE_NAME", source.image_name.as_bytes());
        field(&mut fixed, "SYSLOG_IDENTIFIER", source.tag.as_bytes());
        for (name, value) in &source.extra {
            let name = sanitize(name);
            if !name.is_empty() {
                field(&mut fixed, &name, value.as_bytes());
            }
        }
        Ok(Self {
            path: path.to_owned(),
            socket,
            fixed,
            container_id: id.clone(),
            entry: Vec::new(),
        })
    }

    pub(crate) fn send(&mut self, record: &ReceivedRecord<'_>) {
        let entry = &mut self.entry;
        entry.clear();
        entry.extend_from_slice(&self.fixed);
        let priority: &[u8] = match record.stream {
            Stream::Stdout => b"6",
            Stream::Stderr => b"3",
        };
        field(entry, "PRIORITY", priority);
        field(
            entry,
            "SYSLOG_TIMESTAMP",
            record.time.to_string().as_bytes(),
        );
        if let Some(part) = record.part {
            let last = if part.last { "true" } else { "false" };
            if !part.last {
                field(entry, "CONTAINER_PARTIAL_MESSAGE", b"true");
            }
            let id = crate::part_id(part, &self.container_id);
            field(entry, "CONTAINER_PARTIAL_ID", id.as_bytes());
            let ordinal = part.ordinal.to_string();
            field(entry, "CONTAINER_PARTIAL_ORDINAL", ordinal.as_bytes());
            field(entry, "CONTAINER_PARTIAL_LAST", last.as_bytes());
        }
        field(entry, "MESSAGE", record.line);
        if self.socket.send(entry).is_err() {
            // The journal was restarted: its socket is another one.
            if let Ok(socket) = UnixDatagram::unbound()
                && socket.connect(&self.path).is_ok()
                && socket.send(entry).is_ok()
            {
                self.socket = socket;
            }
        }
    }
}

/// A value with a newline has its length before it.
fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// The journal's field names: capitals, digits and underscores, none of them at the
/// beginning but a capital.
fn sanitize(name: &str) -> String {
    let letters = name.chars().map(|letter| match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        'A'..='Z' | '0'..='9' => letter,
        _ => '_',
    });
    letters
        .collect::<String>()
        .trim_start_matches('_')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_read_as_the_journal_wants_them() {
        let mut out = Vec::new();
        field(&mut out, "A", b"b");
        field(&mut out, "MESSAGE", b"x\ny");
        assert_eq!(out, b"A=b\nMESSAGE\n\x03\0\0\0\0\0\0\0x\ny\n");
        assert_eq!(sanitize("com.example/x"), "COM_EXAMPLE_X");
        assert_eq!(sanitize("_hidden"), "HIDDEN");
    }
}
