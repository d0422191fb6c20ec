//! Sentences that Docker's users know, to the letter (Docker 28).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Docker's sentence when no pool has room for another network.
pub const POOLS_EXHAUSTED: &str = "all predefined address pools have been fully subnetted";

/// Why there are no networks on a host that has iptables only.
pub const NO_NFTABLES: &str = "this kernel has no nf_tables, where the engine keeps its firewall rules; iptables alone will not do: load the modules nf_tables, nft_chain_nat and nft_fib_inet, or start with --iptables=false";

/// A refusal of a request: one sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub(crate) String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a port could not be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishFailure {
    /// Another container has the port.
    AlreadyAllocated {
        /// Host address.
        host_ip: IpAddr,
        /// Host port.
        host_port: u16,
    },
    /// Every port of the wanted range is taken by containers.
    AllAllocated,
    /// The host refuses the address or port.
    Bind {
        /// Host address and port.
        host: SocketAddr,
        /// Container address and port.
        container: SocketAddr,
        /// `tcp`, `udp` or `sctp`.
        protocol: &'static str,
        /// The system's words, as Go prints them.
        reason: String,
    },
}

impl fmt::Display for PublishFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyAllocated { host_ip, host_port } => {
                // Without brackets, as Docker has it.
                write!(
                    f,
                    "Bind for {host_ip}:{host_port} failed: port is already allocated"
                )
            }
            Self::AllAllocated => f.write_str("all ports are allocated"),
            Self::Bind {
                host,
                container,
                protocol,
                reason,
            } => {
                write!(
                    f,
                    "failed to bind host port for {host}:{container}/{protocol}: {reason}"
                )
            }
        }
    }
}

/// Several problems under one heading: one stands alone, more become a list.
pub fn problems(heading: &str, problems: &[String]) -> String {
    match problems {
        [one] => format!("{heading}:\n{one}"),
        many => {
            let list: String = many
                .iter()
                .map(|problem| format!("\n* {problem}"))
                .collect();
            format!("{heading}:{list}")
        }
    }
}

/// `network NAME not found`
pub fn network_not_found(name: &str) -> String {
    format!("network {name} not found")
}

/// Two networks match an ID prefix.
pub fn network_ambiguous(name: &str) -> String {
    format!("network {name} is ambiguous (2 matches found based on ID prefix)")
}

/// The sentence around a failure to publish a port.
pub fn external_connectivity(endpoint: &str, id: &str, reason: &PublishFailure) -> String {
    format!(
        "driver failed programming external connectivity on endpoint {endpoint} ({id}): {reason}"
    )
}
