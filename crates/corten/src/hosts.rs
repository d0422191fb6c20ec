//! `--host` values.

use std::path::PathBuf;

/// Where the daemon listens when nobody says.
pub(crate) const DEFAULT_SOCKET: &str = "/run/corten.sock";
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;
const FIRST_INHERITED: usize = 3;

/// One address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`.
    Tcp(String),
    /// A socket that the service manager has bound, by its number from 0 on; `None`: all.
    Inherited(Option<usize>),
}

/// Reads `unix:///path`, `tcp://host:port`, `fd://`, `host:port`. `Err` is Docker's sentence behind
/// `invalid bind address (…): `.
pub(crate) fn parse(text: &str, tls: bool) -> Result<Host, String> {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    match scheme {
        "unix" if rest.is_empty() => Ok(Host::Unix(DEFAULT_SOCKET.into())),
        "unix" if rest.starts_with('/') => Ok(Host::Unix(rest.into())),
        "unix" => Err(format!(
            "the path of a unix socket must be absolute: {rest}"
        )),
        "tcp" => tcp(
            rest.trim_end_matches('/'),
            if tls { TLS_PORT } else { PLAIN_PORT },
        ),
        "fd" if matches!(rest, "" | "*") => Ok(Host::Inherited(None)),
        // dockerd counts as systemd does, from descriptor 3 on.
        "fd" => match rest.parse::<usize>() {
            Ok(number) if number >= FIRST_INHERITED => {
                Ok(Host::Inherited(Some(number - FIRST_INHERITED)))
            }
            _ => Err(format!(
                "failed to parse systemd fd address: should be a number: {rest}"
            )),
        },
        other => Err(format!("unsupported proto '{other}'")),
    }
}

fn tcp(rest: &str, default_port: u16) -> Result<Host, String> {
    // The last colon outside brackets divides the port.
    let (host, port) = match rest.rfind(':') {
        Some(at) if !rest[at..].contains(']') => (&rest[..at], &rest[at + 1..]),
        _ => (rest, ""),
    };
    let port = match port {
        "" => default_port,
        port => port
            .parse()
            .map_err(|_| format!("parse \"tcp://{rest}\": invalid port \":{port}\" after host"))?,
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(Host::Tcp(format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_dockers_defaults() {
        for (text, host) in [
            ("unix:///run/x.sock", Ok(Host::Unix("/run/x.sock".into()))),
            ("unix://", Ok(Host::Unix(DEFAULT_SOCKET.into()))),
            ("tcp://1.2.3.4:99", Ok(Host::Tcp("1.2.3.4:99".into()))),
            ("tcp://", Ok(Host::Tcp("127.0.0.1:2375".into()))),
            ("tcp://[::1]:5", Ok(Host::Tcp("[::1]:5".into()))),
            ("fd://", Ok(Host::Inherited(None))),
            ("fd://4", Ok(Host::Inherited(Some(1)))),
            ("foo://x", Err("unsupported proto 'foo'".to_owned())),
        ] {
            assert_eq!(parse(text, false), host, "{text}");
        }
        assert_eq!(parse("tcp://h", true), Ok(Host::Tcp("h:2376".into())));
    }
}
