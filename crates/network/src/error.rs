//! Why a network operation failed.

use crate::messages;
use corten_base::{Kind, KindOf};
use std::path::PathBuf;
use thiserror::Error;

/// A failed network operation. Where Docker has a sentence for it, `Display` is that
/// sentence.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// No network of that name or ID.
    #[error("{}", messages::network_not_found(.name))]
    NotFound {
        /// As asked for.
        name: String,
    },
    /// No driver of that name.
    #[error("plugin {name:?} not found")]
    NoSuchDriver {
        /// As asked for.
        name: String,
    },
    /// Two networks whose ID begins with the given text.
    #[error("{}", messages::network_ambiguous(.name))]
    Ambiguous {
        /// As asked for.
        name: String,
    },
    /// The request is refused, with the sentence for the user.
    #[error("{0}")]
    Invalid(messages::Refusal),
    /// The network's state forbids it, with the sentence for the user.
    #[error("{0}")]
    Conflict(messages::Refusal),
    /// The operation is forbidden on this network.
    #[error("{0}")]
    Forbidden(messages::Refusal),
    /// Something named by the request is not there, with the sentence for the user.
    #[error("{0}")]
    NotFoundWord(messages::Refusal),
    /// It needs what does not run here, with the sentence for the user.
    #[error("{0}")]
    Unavailable(messages::Refusal),
    /// It was tried and failed, with the sentence for the user.
    #[error("{0}")]
    Failed(messages::Refusal),
    /// This build cannot do it.
    #[error("{0}")]
    Unsupported(messages::Refusal),
    /// A published port is in use.
    #[error("{}", messages::external_connectivity(.endpoint, .endpoint_id, .reason))]
    Publish {
        /// Container name.
        endpoint: String,
        /// Endpoint ID.
        endpoint_id: String,
        /// The reason, one of Docker's sentences.
        reason: Box<messages::PublishFailure>,
    },
    /// No free address is left in the network.
    #[error("no available {family} addresses on this network's address pools: {network} ({id})")]
    NoAddresses {
        /// Network name.
        network: String,
        /// Network ID.
        id: corten_base::Id,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// An auxiliary address that cannot be kept free.
    #[error("failed to allocate secondary ip address ({name}:{address}): Address already in use")]
    AuxiliaryTaken {
        /// Its name.
        name: String,
        /// As asked for.
        address: std::net::IpAddr,
    },
    /// A gateway's address that no link can have.
    #[error("failed to allocate gateway ({gateway}): Address already in use")]
    GatewayTaken {
        /// As asked for.
        gateway: std::net::IpAddr,
    },
    /// The default address pools have no free subnet.
    #[error("{}", messages::POOLS_EXHAUSTED)]
    PoolsExhausted,
    /// A step in the kernel failed.
    #[error("network {network}: {step}")]
    Kernel {
        /// Network name.
        network: String,
        /// What was tried.
        step: &'static str,
        /// Why.
        source: corten_netlink::NetlinkError,
    },
    /// Names cannot be served in a container.
    #[error("serving names to the container {container}")]
    Names {
        /// Container ID.
        container: String,
        /// Why.
        source: corten_dns::DnsError,
    },
    /// A file of the state or of the kernel's settings.
    #[error("{step} {}", .path.display())]
    File {
        /// `reading`, `writing`, …
        step: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record that cannot be read or written.
    #[error("the record {}", .path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<corten_store::StoreError>,
    },
    /// A record of a later version of this program.
    #[error("{} has format {format}, which is newer than this program", .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl KindOf for NetworkError {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } | Self::NoSuchDriver { .. } | Self::NotFoundWord(_) => {
                Kind::NotFound
            }
            Self::Unavailable(_) => Kind::Unavailable,
            Self::Ambiguous { .. } | Self::Invalid(_) => Kind::InvalidParameter,
            Self::Conflict(_) => Kind::Conflict,
            Self::Forbidden(_) => Kind::Forbidden,
            Self::Unsupported(_) => Kind::NotImplemented,
            Self::Publish { .. }
            | Self::Failed(_)
            | Self::NoAddresses { .. }
            | Self::AuxiliaryTaken { .. }
            | Self::PoolsExhausted
            | Self::GatewayTaken { .. }
            | Self::Kernel { .. }
            | Self::Names { .. }
            | Self::File { .. }
            | Self::Record { .. }
            | Self::Newer { .. } => Kind::Internal,
        }
    }
}
