//! Values that go in and out of this room.

mod driver;
mod endpoint;
mod mac;
mod names;
mod network;
mod port;
mod reach;
mod reconcile;

pub use driver::Driver;
pub(crate) use endpoint::NextHop;
pub use endpoint::{Endpoint, EndpointRequest, Link, LinkedPort};
pub use mac::MacAddress;
pub use names::{NameServer, NamesRequest};
pub use network::{IpamConfig, NetworkInfo, NetworkRequest};
pub use port::{PortBinding, PortFirewall, Protocol, PublishRequest};
pub use reach::{Reach, ReachedFrom};
pub use reconcile::{LiveContainer, Reconciled};
