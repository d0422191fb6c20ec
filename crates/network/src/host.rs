//! The host's network namespace.

use crate::Protocol;
use corten_netlink::{NetlinkError, conntrack::ConntrackSocket, route::RouteSocket};
use ipnet::IpNet;
use rustix::io::Errno;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Alias of a link that is ours, so that another engine's `docker0` is not taken for it.
pub(crate) const ALIAS: &str = "corten";

/// The host's namespace.
#[derive(Debug)]
pub(crate) struct Host {
    // Lock: one batch at a time.
    route: Mutex<RouteSocket>,
    /// Numbers of bridges by name, as last seen. Lock: the map only.
    bridges: Mutex<HashMap<String, u32>>,
    // Lock: one conversation at a time.
    conntrack: Mutex<ConntrackSocket>,
}

impl Host {
    /// The namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        Ok(Self {
            route: Mutex::new(RouteSocket::open()?),
            bridges: Mutex::default(),
            conntrack: Mutex::new(ConntrackSocket::open()?),
        })
    }

    pub fn route(&self) -> MutexGuard<'_, RouteSocket> {
        self.route.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the connections that a container's address answers.
    pub fn forget_connections(
        &self,
        address: IpAddr,
        protocol: Protocol,
    ) -> Result<(), NetlinkError> {
        let mut conntrack = self
            .conntrack
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        conntrack.forget(address, protocol.number()).map(drop)
    }

    pub fn bridges(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        self.bridges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a link of that name which is not ours.
    pub fn has_foreign_link(&self, name: &str) -> Result<bool, crate::NetworkError> {
        if name.is_empty() {
            return Ok(false);
        }
        let link = self.route().link(name);
        let link = link.map_err(|source| crate::networks::kernel("looking for a link", source))?;
        Ok(link.is_some_and(|link| link.alias != ALIAS))
    }

    /// Subnets that the host reaches otherwise than by its default route, and its own.
    pub fn used_subnets(&self) -> Result<Vec<IpNet>, NetlinkError> {
        let mut route = self.route();
        let mut used: Vec<IpNet> = route
            .addresses()?
            .into_iter()
            .map(|a| a.net.trunc())
            .collect();
        let routes = route.routes()?.into_iter().map(|route| route.destination);
        used.extend(routes.filter(|net| net.prefix_len() > 0));
        Ok(used)
    }

    /// Deletes a link by name; a missing one is no failure.
    pub fn delete_link(&self, name: &str) -> Result<(), NetlinkError> {
        let mut route = self.route();
        let Some(link) = route.link(name)? else {
            return Ok(());
        };
        let mut batch = route.batch();
        batch.delete_link(link.index);
        match route.run(batch) {
            Err(error) if error.errno() == Some(Errno::NODEV) => Ok(()),
            other => other,
        }
    }
}
