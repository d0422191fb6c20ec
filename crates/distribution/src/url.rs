//! The URLs of registries: absolute, http or https, without user information.

use std::fmt;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Who is spoken to. Credentials belong to one origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub scheme: Scheme,
    /// Name or address, an IPv6 address without brackets; lower case.
    pub host: String,
    pub port: u16,
}

/// An origin, a path and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub origin: Origin,
    /// Path and query, starting with `/`.
    pub target: String,
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    /// From `host[:port]`, `[v6]:port`.
    pub fn parse(scheme: Scheme, authority: &str) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (
                    host,
                    if port.is_empty() {
                        None
                    } else {
                        Some(port.strip_prefix(':')?)
                    },
                )
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let well_formed = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:%".contains(&b));
        let port = match port {
            Some(port) if !port.is_empty() => port.parse().ok()?,
            _ => scheme.default_port(),
        };
        well_formed.then(|| Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// `host[:port]` as a `Host` header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    pub fn url(&self, target: impl Into<String>) -> Url {
        Url {
            origin: self.clone(),
            target: target.into(),
        }
    }
}

impl Url {
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return None;
        }
        let origin = Origin::parse(scheme, authority)?;
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        is_target(&target).then_some(Self { origin, target })
    }

    /// What a `Location` header means here.
    pub fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location);
        }
        let location = location.split('#').next().unwrap_or_default();
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = match self.origin.scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = if location.starts_with('/') {
            location.to_owned()
        } else if location.starts_with('?') {
            format!("{path}{location}")
        } else {
            format!(
                "{}/{location}",
                path.rsplit_once('/').map_or("", |(parent, _)| parent)
            )
        };
        is_target(&target).then(|| self.origin.url(target))
    }

    /// With one more query parameter, its value percent-encoded.
    pub fn with_parameter(&self, name: &str, value: &str) -> Self {
        let separator = if self.target.contains('?') { '&' } else { '?' };
        let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        self.origin
            .url(format!("{}{separator}{name}={value}", self.target))
    }
}

fn is_target(target: &str) -> bool {
    target.bytes().all(|b| b.is_ascii_graphic())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.origin.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}", self.origin.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined_as_rfc_3986_says() {
        let base = Url::parse("https://r.io:5000/v2/a/b?x=1").unwrap();
        for (location, joined) in [
            ("/v2/c?d=e", "https://r.io:5000/v2/c?d=e"),
            ("c", "https://r.io:5000/v2/a/c"),
            ("?y=2", "https://r.io:5000/v2/a/b?y=2"),
            ("//cdn.io/x", "https://cdn.io/x"),
            ("HTTP://Cdn.io:80/x#frag", "http://cdn.io/x"),
            ("http://[::1]:5000/x", "http://[::1]:5000/x"),
        ] {
            assert_eq!(
                base.join(location).unwrap().to_string(),
                joined,
                "{location}"
            );
        }
        for bad in [
            "ftp://x/y",
            "http://",
            "http://user:pass@x/",
            "http://x:99999/",
            "/a b",
            "http://x\r\n/",
        ] {
            assert!(base.join(bad).is_none(), "{bad}");
        }
        let with = base.with_parameter("digest", "sha256:a b").to_string();
        assert_eq!(with, "https://r.io:5000/v2/a/b?x=1&digest=sha256%3Aa+b");
    }
}
