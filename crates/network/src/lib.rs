//! Container networks: the default bridge, addresses, published ports, and the files a
//! container needs to use them.
//!
//! Purpose: [`Networks`] makes network namespaces, connects them to a network and takes
//! everything back again. One nftables table of our own (`table inet corten`) carries
//! masquerading, published ports and what may reach a container; a published port is one
//! element of a map, and so is a range of them. A container's default routes and published
//! ports are through that of its networks which Docker 28 chooses, and move with it. [`files`] writes hosts, hostname and resolv.conf as Docker 28 does.
//!
//! Invariants:
//! - Every effect in the kernel is preceded by a record below the exec root, which dies
//!   with the machine as the effects do; [`Networks::reconcile`] compares both ways.
//! - Nothing on the request path waits for a grace period of the kernel: links are born
//!   in place, and die with their namespace.
//! - A published port and a name may pass from one container to another while both run
//!   ([`Networks::hand_over`]): at no time are they nobody's.
//! - An address is handed out again only when the link that bore it is gone.
//!
//! Never knows: containers beyond an ID, a name and a namespace handle.
#![forbid(unsafe_code)]

mod check;
mod check_request;
mod claim;
pub mod config;
mod connect;
mod create;
mod defaults;
mod disconnect;
mod drivers;
mod endpoint_options;
mod error;
pub mod files;
mod firewall;
mod gateway;
mod handover;
mod hold;
mod host;
mod inside;
mod ipam;
pub mod messages;
mod names;
mod networks;
mod options;
mod pool;
mod ports;
mod proxy;
mod publish;
mod reach;
mod reaper;
mod reconcile;
mod records;
mod registry;
mod remote_ipam;
mod types;
mod watch;

pub use config::{AddressPool, NetworkConfig};
pub use corten_netlink::Netns;
pub use error::NetworkError;
pub use networks::Networks;
pub use types::{
    Driver, Endpoint, EndpointRequest, IpamConfig, Link, LinkedPort, LiveContainer, MacAddress,
    NameServer, NamesRequest, NetworkInfo, NetworkRequest, PortBinding, PortFirewall, Protocol,
    PublishRequest, Reach, ReachedFrom, Reconciled,
};
