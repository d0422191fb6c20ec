//! The drivers `macvlan` and `ipvlan`: containers on the wire of one of the host's links,
//! without the host between. Nothing is translated, published or kept apart.
//!
//! The parent is a link of the host, `eth0`; `eth0.10` is made as a VLAN of it if it is not
//! there. Without one the containers have each other only, on a dummy link.

use super::{Attached, LinkDriver, Segment};
use crate::{
    Driver, Endpoint, NetworkError,
    host::{ALIAS, Host},
    messages::Refusal,
    records::NetworkRecord,
    registry::Registry,
};
use corten_base::step::step;
use corten_netlink::{
    NetlinkError, Netns,
    route::{IpvlanFlag, IpvlanMode, LinkChange, MacvlanMode, Upper, UpperKind},
};
use rustix::io::Errno;
use std::{
    collections::BTreeMap,
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
};

const PARENT: &str = "parent";
const MACVLAN_MODE: &str = "macvlan_mode";
const IPVLAN_MODE: &str = "ipvlan_mode";
const IPVLAN_FLAG: &str = "ipvlan_flag";

/// The driver.
pub(crate) struct UpperDriver {
    pub host: Arc<Host>,
    pub books: Arc<Mutex<Registry>>,
}

impl LinkDriver for UpperDriver {
    fn check(&self, record: &mut NetworkRecord) -> Result<(), NetworkError> {
        let kind = kind(record)?;
        let options = &record.info.options;
        let parent = options.get(PARENT).filter(|name| !name.is_empty());
        if parent.is_some_and(|name| name == "lo") {
            return Err(failed(format!(
                "loopback interface is not a valid {} parent link",
                kind.name()
            )));
        }
        record.parent = match parent {
            // Docker 28: internal networks have no parent, whatever is asked for.
            Some(name) if !record.info.internal => name.clone(),
            _ => format!("dm-{}", record.info.id.short()),
        };
        self.check_others(record, kind)
    }

    fn ensure(&self, segment: &Segment) -> Result<(), NetworkError> {
        let record = &segment.record;
        let kind = kind(record)?;
        self.ensure_parent(record)?;
        let parent = self.parent(record)?;
        // Whether this kernel has the kind at all is told now, not at the first container.
        let mut route = self.host.route();
        let name = format!("ct-{}", &record.info.id.to_string()[..10]);
        let mut batch = route.batch();
        batch.add_upper(&Upper {
            name: &name,
            kind,
            lower: parent,
            address: None,
            mtu: None,
            netns: None,
        });
        match route.run(batch) {
            Ok(()) => {
                drop(route);
                let gone = self.host.delete_link(&name);
                gone.map_err(|source| segment.failed("deleting a link", source))
            }
            // A container of an earlier run has it.
            Err(error) if error.errno() == Some(Errno::BUSY) => Ok(()),
            Err(error) => Err(refused(kind, &record.parent, error)),
        }
    }

    fn remove(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let link = self.host.route().link(&record.parent);
        match link {
            Ok(Some(link)) if link.alias == alias(record) => self
                .host
                .delete_link(&record.parent)
                .map_err(|source| crate::networks::kernel("deleting a parent link", source)),
            Ok(_) => Ok(()),
            Err(source) => Err(crate::networks::kernel("looking for a parent link", source)),
        }
    }

    fn attach(
        &self,
        netns: &Netns,
        segment: &Segment,
        endpoint: &mut Endpoint,
    ) -> Result<Attached, NetworkError> {
        let record = &segment.record;
        let kind = kind(record)?;
        self.ensure_parent(record)?;
        let lower = self.parent(record)?;
        if !matches!(kind, UpperKind::Macvlan(_)) {
            // They have the parent's hardware address.
            endpoint.mac = None;
        }
        step("connect.links");
        netns.set_ipv6_on_new_links(endpoint.ipv6.is_some());
        let mut route = self.host.route();
        let mut batch = route.batch();
        batch.add_upper(&Upper {
            name: &endpoint.interface,
            kind,
            lower,
            address: endpoint.mac.map(|mac| mac.0),
            mtu: segment.options.mtu,
            netns: Some(netns.as_fd()),
        });
        let made = route.run(batch);
        netns.set_ipv6_on_new_links(true);
        made.map_err(|error| refused(kind, &record.parent, error))?;
        let link = netns.route().link(&endpoint.interface);
        let link = link.map_err(|source| segment.failed("finding the link", source))?;
        match link {
            Some(link) => Ok(Attached { index: link.index }),
            None => Err(segment.failed(
                "finding the link",
                NetlinkError::Answer {
                    operation: format!("making {}", endpoint.interface),
                },
            )),
        }
    }

    fn settle(&self, _: &Segment, _: &Endpoint) {}

    fn detach(
        &self,
        netns: Option<&Netns>,
        record: &NetworkRecord,
        endpoint: &Endpoint,
    ) -> Result<(), NetworkError> {
        let Some(netns) = netns else {
            return Ok(());
        };
        super::delete_inside(netns, &endpoint.interface).map_err(|source| NetworkError::Kernel {
            network: record.info.name.clone(),
            step: "deleting the container's link",
            source,
        })
    }
}

impl UpperDriver {
    /// One link carries one network in mode passthru, and ipvlan networks one each.
    fn check_others(&self, record: &NetworkRecord, wanted: UpperKind) -> Result<(), NetworkError> {
        let books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let others = books.networks.values().map(|network| &network.record);
        let same = others.filter(|other| {
            other.parent == record.parent
                && other.info.id != record.info.id
                && matches!(other.info.driver, Driver::Macvlan | Driver::Ipvlan)
        });
        let parent = &record.parent;
        for other in same {
            let id = other.info.id;
            match (wanted, kind(other)?) {
                (UpperKind::Macvlan(MacvlanMode::Passthru), UpperKind::Macvlan(_)) => {
                    return Err(failed(format!(
                        "cannot use mode passthru, macvlan network {id} is already using parent interface {parent}"
                    )));
                }
                (UpperKind::Macvlan(_), UpperKind::Macvlan(MacvlanMode::Passthru)) => {
                    return Err(failed(format!(
                        "macvlan network {id} is already using parent interface {parent} in mode passthru"
                    )));
                }
                (UpperKind::Ipvlan(..), UpperKind::Ipvlan(..)) => {
                    return Err(failed(format!(
                        "network {id} is already using parent interface {parent}"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn parent(&self, record: &NetworkRecord) -> Result<u32, NetworkError> {
        let name = &record.parent;
        let link = self.host.route().link(name);
        match link {
            Ok(Some(link)) => Ok(link.index),
            Ok(None) => Err(failed(format!(
                "the requested parent interface {name} was not found on the Docker host"
            ))),
            Err(source) => Err(crate::networks::kernel("looking for a parent link", source)),
        }
    }

    /// Makes a parent that is ours to make: a VLAN, or a dummy.
    fn ensure_parent(&self, record: &NetworkRecord) -> Result<(), NetworkError> {
        let name = &record.parent;
        let looked = |source| crate::networks::kernel("looking for a parent link", source);
        let mut route = self.host.route();
        if route.link(name).map_err(looked)?.is_some() {
            return Ok(());
        }
        let (kind, lower) = match name.rsplit_once('.') {
            _ if name.starts_with("dm-") => (UpperKind::Dummy, 0),
            Some((lower, number)) => {
                let number: u16 = number.parse().map_err(|_| {
                    failed(format!(
                        "unable to parse a valid vlan id from: {number} (ex. eth0.10 for vlan 10)"
                    ))
                })?;
                if !(1..=4094).contains(&number) {
                    return Err(failed(format!(
                        "vlan id must be between 1-4094, received: {number}"
                    )));
                }
                let link = route.link(lower).map_err(looked)?.ok_or_else(|| {
                    failed(format!(
                        "-o parent interface was not found on the host: {lower}"
                    ))
                })?;
                (UpperKind::Vlan(number), link.index)
            }
            None => {
                return Err(failed(format!(
                    "invalid subinterface vlan name {name}, example formatting is eth0.10"
                )));
            }
        };
        let mut batch = route.batch();
        batch.add_upper(&Upper {
            name,
            kind,
            lower,
            address: None,
            mtu: None,
            netns: None,
        });
        route
            .run(batch)
            .map_err(|error| refused(kind, name, error))?;
        let link = route.link(name).map_err(looked)?;
        let mut batch = route.batch();
        if let Some(link) = link {
            let alias = alias(record);
            batch.change_link(
                link.index,
                &LinkChange {
                    up: Some(true),
                    alias: Some(&alias),
                    ..Default::default()
                },
            );
        }
        route.run(batch).map_err(looked)
    }
}

/// Marks a parent that we have made for one network.
fn alias(record: &NetworkRecord) -> String {
    format!("{ALIAS} {}", record.info.id.short())
}

fn failed(text: String) -> NetworkError {
    NetworkError::Failed(Refusal(text))
}

fn refused(kind: UpperKind, parent: &str, error: NetlinkError) -> NetworkError {
    let name = kind.name();
    match error.errno() {
        Some(Errno::OPNOTSUPP) => NetworkError::Unsupported(Refusal(format!(
            "operation not supported: this kernel has no {name} links (module {name})"
        ))),
        Some(Errno::BUSY) => failed(format!("{parent}: device or resource busy")),
        _ => crate::networks::kernel("making a link", error),
    }
}

/// Whether the links route packets by themselves, so that a gateway's hardware address is
/// never asked for: ipvlan in the modes l3 and l3s, ipvlan.rst of the kernel.
pub(crate) fn leads_out_itself(record: &NetworkRecord) -> bool {
    let routes = || {
        let kind = kind(record);
        matches!(
            kind,
            Ok(UpperKind::Ipvlan(IpvlanMode::L3 | IpvlanMode::L3s, _))
        )
    };
    record.info.driver == Driver::Ipvlan && !record.info.internal && routes()
}

/// What a network's links are, from its options.
fn kind(record: &NetworkRecord) -> Result<UpperKind, NetworkError> {
    let options: &BTreeMap<String, String> = &record.info.options;
    let text = |name: &str| options.get(name).map(String::as_str).unwrap_or_default();
    if record.info.driver == Driver::Macvlan {
        let mode = match text(MACVLAN_MODE) {
            "" | "bridge" => MacvlanMode::Bridge,
            "private" => MacvlanMode::Private,
            "vepa" => MacvlanMode::Vepa,
            "passthru" => MacvlanMode::Passthru,
            other => {
                return Err(failed(format!(
                    "requested macvlan mode '{other}' is not valid, 'bridge' mode is the macvlan driver default"
                )));
            }
        };
        return Ok(UpperKind::Macvlan(mode));
    }
    let mode = match text(IPVLAN_MODE) {
        "" | "l2" => IpvlanMode::L2,
        "l3" => IpvlanMode::L3,
        "l3s" => IpvlanMode::L3s,
        other => {
            return Err(failed(format!(
                "requested ipvlan mode '{other}' is not valid, 'l2' mode is the ipvlan driver default"
            )));
        }
    };
    let flag = match text(IPVLAN_FLAG) {
        "" | "bridge" => IpvlanFlag::Bridge,
        "private" => IpvlanFlag::Private,
        "vepa" => IpvlanFlag::Vepa,
        other => {
            return Err(failed(format!(
                "requested ipvlan flag '{other}' is not valid, 'bridge' is the ipvlan driver default"
            )));
        }
    };
    Ok(UpperKind::Ipvlan(mode, flag))
}
