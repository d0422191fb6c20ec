//! What makes links: the seam between networks and their drivers.
//!
//! A driver makes one link for each container, inside its namespace, and says which. What
//! is inside (addresses, routes, names) and what the firewall lets through is the same for
//! all of them and not a driver's matter.

mod bridge;
mod remote;
pub(crate) mod upper;

pub(crate) use bridge::{
    BridgeDriver, PAIR_PREFIX, firewall_sees_bridged_frames, pair_name, random_mac,
};

use crate::{
    Driver, Endpoint, NetworkError, Networks, options::BridgeOptions, records::NetworkRecord,
    registry::Network,
};
use corten_netlink::{NetlinkError, Netns};
use ipnet::IpNet;
use std::{net::IpAddr, sync::Arc};

/// A network as a driver sees it.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub record: NetworkRecord,
    pub options: BridgeOptions,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// The host's addresses on it.
    pub gateways: Vec<IpNet>,
    /// Position of the endpoint among the container's links, from 0.
    pub position: u32,
}

/// What an attached link is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attached {
    /// Its number inside the container's namespace.
    pub index: u32,
}

/// A kind of networks.
pub(crate) trait LinkDriver: Send + Sync {
    /// Refuses what it cannot make; may note in the record what it will need later.
    fn check(&self, record: &mut NetworkRecord) -> Result<(), NetworkError>;
    /// Once, when a network is made.
    fn create(&self, _: &Segment) -> Result<(), NetworkError> {
        Ok(())
    }
    /// Makes what a network needs on the host, or brings it back into shape.
    fn ensure(&self, segment: &Segment) -> Result<(), NetworkError>;
    /// Takes that back.
    fn remove(&self, record: &NetworkRecord) -> Result<(), NetworkError>;
    /// Makes a container's link in its namespace, named `endpoint.interface`; not up yet.
    fn attach(
        &self,
        netns: &Netns,
        segment: &Segment,
        endpoint: &mut Endpoint,
    ) -> Result<Attached, NetworkError>;
    /// After the link is up and has its addresses.
    fn settle(&self, segment: &Segment, endpoint: &Endpoint);
    /// Takes the link of a container that goes on running; without effect if it is gone.
    /// `netns` is the container's, if it is known.
    fn detach(
        &self,
        netns: Option<&Netns>,
        record: &NetworkRecord,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError>;
}

impl Segment {
    pub(crate) fn new(network: &Network, default_mtu: u32) -> Self {
        let record = network.record.clone();
        let gateways = network.subnets.iter().filter_map(|pool| {
            let gateway = pool.gateway?;
            let inhibited = network.options.inhibit_ipv4 && gateway.is_ipv4();
            let net = IpNet::new(gateway, pool.subnet.net().prefix_len()).ok()?;
            (!inhibited).then_some(net)
        });
        Self {
            gateways: gateways.collect(),
            mtu: network.mtu(default_mtu),
            options: network.options.clone(),
            position: 0,
            record,
        }
    }

    pub(crate) fn failed(&self, step: &'static str, source: NetlinkError) -> NetworkError {
        NetworkError::Kernel {
            network: self.record.info.name.clone(),
            step,
            source,
        }
    }
}

impl Networks {
    /// The driver of a kind of networks.
    pub(crate) fn driver_of(&self, driver: &Driver) -> Result<Arc<dyn LinkDriver>, NetworkError> {
        match driver {
            Driver::Bridge => Ok(Arc::new(BridgeDriver {
                host: Arc::clone(&self.host),
                rules_keep_apart: self.firewall.as_ref().is_some_and(|it| it.keeps_apart()),
            })),
            Driver::Macvlan | Driver::Ipvlan => Ok(Arc::new(upper::UpperDriver {
                host: Arc::clone(&self.host),
                books: Arc::clone(&self.registry),
            })),
            Driver::Remote(name) => Ok(Arc::new(remote::RemoteDriver::find(
                &self.config.plugin_directories,
                name,
                Arc::clone(&self.host),
            )?)),
            Driver::Host | Driver::Null => Err(NetworkError::NoSuchDriver {
                name: driver.as_str().to_owned(),
            }),
        }
    }
}

/// Deletes a link of a container by name; a missing one is no failure.
pub(crate) fn delete_inside(netns: &Netns, name: &str) -> Result<(), NetlinkError> {
    let mut route = netns.route();
    let Some(link) = route.link(name)? else {
        return Ok(());
    };
    let mut batch = route.batch();
    batch.delete_link(link.index);
    route.run(batch)
}

/// Whether an address is one of a link by itself. (RFC 3927, RFC 4291 § 2.5.6)
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
