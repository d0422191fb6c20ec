//! What is set up inside a container's namespace: addresses and routes.

use crate::{Endpoint, types::NextHop};
use corten_netlink::{
    NetlinkError, Netns,
    route::{Address, LinkChange, Route},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rustix::io::Errno;
use std::net::IpAddr;

/// Prefix lengths of link-local addresses. (RFC 3927, RFC 4291 § 2.5.6)
const LINK_LOCAL_BITS_4: u8 = 16;
const LINK_LOCAL_BITS_6: u8 = 64;

/// Where a container's packets to the outside go, by which interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DefaultRoutes {
    pub ipv4: Option<(String, NextHop)>,
    pub ipv6: Option<(String, NextHop)>,
}

/// Gives a link its addresses and switches it on.
pub(crate) fn configure(
    netns: &Netns,
    endpoint: &Endpoint,
    index: u32,
) -> Result<(), NetlinkError> {
    let mut inside = netns.route();
    let mut batch = inside.batch();
    for net in nets(endpoint) {
        batch.add_address(&Address { index, net });
    }
    batch.change_link(
        index,
        &LinkChange {
            up: Some(true),
            ..Default::default()
        },
    );
    inside.run(batch)
}

fn nets(endpoint: &Endpoint) -> Vec<IpNet> {
    let (bits_4, bits_6) = (endpoint.ipv4_prefix_length, endpoint.ipv6_prefix_length);
    let ipv4 = endpoint
        .ipv4
        .and_then(|it| IpNet::new(it.into(), bits_4).ok());
    let ipv6 = endpoint
        .ipv6
        .and_then(|it| IpNet::new(it.into(), bits_6).ok());
    let link_local = endpoint.link_local.iter().filter_map(|address| {
        let bits = match address {
            IpAddr::V4(_) => LINK_LOCAL_BITS_4,
            IpAddr::V6(_) => LINK_LOCAL_BITS_6,
        };
        IpNet::new(*address, bits).ok()
    });
    ipv4.into_iter().chain(ipv6).chain(link_local).collect()
}

/// Makes the default routes lead where they are to; a family that leads nowhere has none.
pub(crate) fn set_default_routes(
    netns: &Netns,
    wanted: &DefaultRoutes,
) -> Result<(), NetlinkError> {
    let mut inside = netns.route();
    let defaults = [
        (IpNet::V4(Ipv4Net::default()), &wanted.ipv4),
        (IpNet::V6(Ipv6Net::default()), &wanted.ipv6),
    ];
    let there: Vec<Route> = inside
        .routes()?
        .into_iter()
        .filter(|route| route.destination.prefix_len() == 0)
        .collect();
    for (destination, wanted) in defaults {
        let same_family =
            |route: &&Route| route.destination.addr().is_ipv4() == destination.addr().is_ipv4();
        let there: Vec<&Route> = there.iter().filter(same_family).collect();
        let wanted = match wanted {
            Some((interface, next_hop)) => {
                let link = inside.link(interface)?;
                let link = link.ok_or_else(|| NetlinkError::Answer {
                    operation: format!("finding {interface}"),
                })?;
                Some(Route {
                    destination,
                    gateway: match next_hop {
                        NextHop::Gateway(address) => Some(*address),
                        NextHop::Link => None,
                    },
                    index: Some(link.index),
                })
            }
            None => None,
        };
        let stale = there.iter().filter(|route| Some(***route) != wanted);
        let mut batch = inside.batch();
        stale.for_each(|route| batch.delete_route(route));
        match inside.run(batch) {
            // Gone with its link by now.
            Err(error) if error.errno() == Some(Errno::SRCH) => {}
            other => other?,
        }
        let mut batch = inside.batch();
        if let Some(wanted) = wanted.filter(|wanted| !there.contains(&wanted)) {
            batch.add_route(&wanted);
        }
        inside.run(batch)?;
    }
    Ok(())
}
