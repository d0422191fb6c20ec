//! Why a receiver cannot be used. `Display` is what dockerd prints behind `failed to
//! initialize logging driver: `.

use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// The logger cannot begin.
#[derive(Debug, Error)]
pub enum LoggerError {
    /// An address that does not answer.
    #[error("dial {network} {address}: connect: {}", go_text(.source))]
    Connect {
        /// `tcp`, `udp`, `unix` or `unixgram`.
        network: &'static str,
        /// As resolved.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A name that has no address.
    #[error("dial {network}: lookup {host}: {}", go_text(.source))]
    Lookup {
        /// `tcp` or `udp`.
        network: &'static str,
        /// The name.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// No syslog on this host.
    #[error("Unix syslog delivery error")]
    NoLocalSyslog,
    /// No journal on this host.
    #[error("journald is not enabled on this host")]
    NoJournal,
    /// The certificate authority's file.
    #[error("could not read CA certificate {path:?}: open {}: {}", .path.display(), go_text(.source))]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Our certificate or its key.
    #[error("could not load X509 key pair: open {}: {}", .path.display(), go_text(.source))]
    KeyPair {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Both are readable, but do not make a TLS client.
    #[error("the TLS files cannot be used: {0}")]
    TlsFiles(#[source] rustls::Error),
    /// The other side is not whom we want to speak to.
    #[error("dial tcp {address}: tls: {source}")]
    Handshake {
        /// As resolved.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// A GELF receiver that cannot be reached.
    #[error("gelf: cannot connect to GELF endpoint: {address} {source}")]
    Gelf {
        /// Host and port.
        address: String,
        /// Why.
        source: Box<LoggerError>,
    },
}

/// An errno in Go's words: no capital letter, no number.
fn go_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = match text.find(" (os error") {
        Some(at) => &text[..at],
        None => &text,
    };
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
