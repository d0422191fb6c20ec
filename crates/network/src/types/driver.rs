//! What makes links.

use serde::{Deserialize, Serialize};

/// What makes a network's links.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Driver {
    /// A Linux bridge on this host.
    Bridge,
    /// The host's own network namespace.
    Host,
    /// A namespace with a loopback interface only (network `none`), and networks that are
    /// only configuration.
    Null,
    /// Links of their own hardware address on a link of the host.
    Macvlan,
    /// Links that share the hardware address of a link of the host.
    Ipvlan,
    /// A plugin, by name.
    Remote(String),
}

impl Driver {
    /// As the API prints it: `bridge`, `host`, `null`, …
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::Null => "null",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
            Self::Remote(name) => name,
        }
    }
}

impl From<String> for Driver {
    fn from(name: String) -> Self {
        match name.as_str() {
            "bridge" => Self::Bridge,
            "host" => Self::Host,
            "null" => Self::Null,
            "macvlan" => Self::Macvlan,
            "ipvlan" => Self::Ipvlan,
            _ => Self::Remote(name),
        }
    }
}

impl From<Driver> for String {
    fn from(driver: Driver) -> Self {
        driver.as_str().to_owned()
    }
}
