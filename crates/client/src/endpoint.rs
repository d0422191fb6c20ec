//! Where an engine listens: `unix://`, `tcp://`, `ssh://`.

use std::{fmt, path::PathBuf};
use thiserror::Error;

/// The address of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// Host, port and an optional path in front of every request.
    Tcp {
        host: String,
        port: u16,
        base: String,
    },
    /// A command over ssh: `docker system dial-stdio` at the other end.
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
        socket: Option<String>,
    },
}

/// An address that is not understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    #[error("unable to parse docker host `{0}`")]
    Malformed(String),
    #[error("protocol not available: {0}")]
    Protocol(String),
    #[error("invalid SSH URL: {0}")]
    Ssh(String),
}

/// Port of an engine without TLS.
const PLAIN_PORT: u16 = 2375;

impl Endpoint {
    /// Reads `DOCKER_HOST` or the value of `-H`.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(EndpointError::Malformed(text.to_owned()));
        };
        match scheme {
            "unix" if rest.is_empty() => Err(EndpointError::Malformed(text.to_owned())),
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "http" | "https" => tcp(text, rest),
            "ssh" => ssh(text, rest),
            other => Err(EndpointError::Protocol(other.to_owned())),
        }
    }

    /// What stands in the `Host` header: Docker's clients send a fixed name for sockets.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Unix(_) | Self::Ssh { .. } => "api.moby.localhost".to_owned(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }

    /// Path in front of every request.
    pub(crate) fn base(&self) -> &str {
        match self {
            Self::Tcp { base, .. } => base,
            _ => "",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { base, .. } => write!(f, "tcp://{}{base}", self.authority()),
            Self::Ssh {
                user, host, port, ..
            } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                f.write_str(host)?;
                port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, after.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

fn tcp(whole: &str, rest: &str) -> Result<Endpoint, EndpointError> {
    let malformed = || EndpointError::Malformed(whole.to_owned());
    let (authority, base) = match rest.find('/') {
        Some(at) => (&rest[..at], rest[at..].trim_end_matches('/')),
        None => (rest, ""),
    };
    let (host, port) = split_port(authority);
    let port = match port {
        None | Some("") => PLAIN_PORT,
        Some(port) => port.parse().map_err(|_| malformed())?,
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(Endpoint::Tcp {
        host: host.to_owned(),
        port,
        base: base.to_owned(),
    })
}

fn ssh(whole: &str, rest: &str) -> Result<Endpoint, EndpointError> {
    let refused = |why: &str| EndpointError::Ssh(format!("{why}: {whole}"));
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|u| u.contains(':')) {
        return Err(refused("plain-text password is not supported"));
    }
    let (host, port) = split_port(host);
    // CVE-2017-1000117 class: a host must never be taken for an option of ssh.
    if host.is_empty() || host.starts_with('-') || user.is_some_and(|u| u.starts_with('-')) {
        return Err(refused("no host specified"));
    }
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().map_err(|_| refused("invalid port"))?),
    };
    let socket = (!path.is_empty() && path != "/").then(|| path.to_owned());
    Ok(Endpoint::Ssh {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        socket,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text() {
        for (text, shown) in [
            ("unix:///var/run/docker.sock", "unix:///var/run/docker.sock"),
            ("tcp://10.0.0.1:2376", "tcp://10.0.0.1:2376"),
            ("tcp://host", "tcp://host:2375"),
            ("tcp://[::1]:2375/base/", "tcp://[::1]:2375/base"),
            ("ssh://me@far:2222/run/x.sock", "ssh://me@far:2222"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "x",
            "unix://",
            "ftp://x",
            "tcp://x:y",
            "ssh://-oProxyCommand=x",
            "ssh://a:b@c",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
