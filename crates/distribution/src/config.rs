//! What the machine's configuration and the user say about registries.

use corten_base::Redacted;
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

/// The machine's configuration of registries, as `daemon.json` has it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Registries asked before Docker Hub for its images (`registry-mirrors`): URLs
    /// `http[s]://host[:port][/path]`, in order.
    pub mirrors: Vec<String>,
    /// Registries that may be reached without TLS or with a certificate nobody vouches
    /// for (`insecure-registries`). Loopback always may.
    pub insecure: Vec<InsecureRegistry>,
    /// What holds for single registries, by the domain in their images' names (`docker.io`
    /// for Docker Hub) or the host of a mirror, each with its port unless it is the usual one.
    pub registries: BTreeMap<String, RegistryRules>,
    /// Directories with `<host[:port]>/{*.crt,*.cert,*.key}` for certificates
    /// (`/etc/docker/certs.d`).
    pub certificates_dirs: Vec<PathBuf>,
    /// Proxies.
    pub proxies: ProxyConfig,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// What holds for one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryRules {
    /// Servers asked before it for its images, in order: URLs
    /// `http[s]://host[:port][/path]`. A path that has `/v2/` in it is the beginning of the
    /// repositories' names there: of a cache for many registries, `https://cache/v2/quay`.
    pub mirrors: Vec<String>,
    /// May be reached without TLS or with a certificate nobody vouches for.
    pub insecure: bool,
    /// Files of certificates (PEM) that vouch for it, beside the system's.
    pub authorities: Vec<PathBuf>,
    /// Servers, `host[:port]`, that may see the credentials for it when it names them as its
    /// token server. Those of its own domain always may.
    pub token_servers: Vec<String>,
    /// Files of the client's certificate and its key (PEM).
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Proxies for the daemon's own connections.
#[derive(Debug, Clone, Default)]
pub struct ProxyConfig {
    /// For `http` URLs.
    pub http: Option<Redacted<String>>,
    /// For `https` URLs.
    pub https: Option<Redacted<String>>,
    /// Hosts, domains (`.example.com`), addresses and CIDRs reached directly, comma
    /// separated; `*` means all.
    pub no_proxy: String,
}

impl ProxyConfig {
    /// From `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY` and their lower-case forms.
    pub fn from_environment() -> Self {
        let read = |name: &str| {
            let value = std::env::var(name).or_else(|_| std::env::var(name.to_lowercase()));
            value.ok().filter(|text| !text.is_empty())
        };
        Self {
            http: read("HTTP_PROXY").map(Redacted::new),
            https: read("HTTPS_PROXY").map(Redacted::new),
            no_proxy: read("NO_PROXY").unwrap_or_default(),
        }
    }
}

/// One entry of `insecure-registries`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsecureRegistry {
    /// `host` or `host:port`.
    Host(String),
    /// All addresses of a network.
    Network {
        /// An address of it.
        address: IpAddr,
        /// Bits that count.
        prefix: u8,
    },
}

impl FromStr for InsecureRegistry {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text
            .trim_start_matches("http://")
            .trim_start_matches("https://");
        let network = text.split_once('/').and_then(|(address, prefix)| {
            let address: IpAddr = address.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, prefix))
        });
        Ok(match network {
            Some((address, prefix)) => Self::Network { address, prefix },
            None => Self::Host(text.to_owned()),
        })
    }
}

impl InsecureRegistry {
    /// Whether an address belongs to this network; never for a host.
    pub fn contains(&self, other: IpAddr) -> bool {
        let Self::Network { address, prefix } = self else {
            return false;
        };
        match (address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
                Ipv4Addr::to_bits(*a) & mask == Ipv4Addr::to_bits(b) & mask
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*prefix)).unwrap_or(0);
                Ipv6Addr::to_bits(*a) & mask == Ipv6Addr::to_bits(b) & mask
            }
            _ => false,
        }
    }
}

/// What the user gave for a registry (`X-Registry-Auth`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User name; empty without basic authentication.
    pub username: String,
    /// Password.
    pub password: Redacted<String>,
    /// A refresh token of the token server (`identitytoken`).
    pub identity_token: Redacted<String>,
    /// A bearer token to send as it is (`registrytoken`).
    pub registry_token: Redacted<String>,
    /// For which registry (`serveraddress`).
    pub server_address: String,
}

impl Credentials {
    /// Nothing that could be shown to a registry.
    pub fn is_empty(&self) -> bool {
        self.username.is_empty()
            && self.identity_token.expose().is_empty()
            && self.registry_token.expose().is_empty()
    }
}
