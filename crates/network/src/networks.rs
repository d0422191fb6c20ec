//! The facade of this room.

use crate::{
    Driver, Endpoint, NetworkConfig, NetworkError, NetworkInfo, claim::Claim, defaults,
    firewall::Firewall, host::Host, pool::Pool, reaper::Reaper, records::Records,
    registry::Registry, watch,
};
use corten_netlink::{Netns, nft::NftWatch};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All networks of this host. Calls block for at most a few milliseconds, `disconnect` and
/// `remove` for some tens; call them from a blocking pool.
///
/// They work on the network namespace of the thread that called [`Networks::open`].
pub struct Networks {
    pub(crate) config: NetworkConfig,
    pub(crate) records: Records,
    pub(crate) host: Arc<Host>,
    /// `None` when the engine is to make no rules.
    pub(crate) firewall: Option<Arc<Firewall>>,
    // Lock: the bookkeeping. Held across no call to the kernel but binding ports' sockets.
    pub(crate) registry: Arc<Mutex<Registry>>,
    // Lock: from the choice of a network's subnet to its record, so that two that are made
    // at the same time choose apart, and the last list that is kept is the last there is.
    pub(crate) changing: Mutex<()>,
    pub(crate) reaper: Arc<Reaper>,
    pub(crate) names: corten_dns::Server,
    pool: Arc<Pool>,
    /// Whether forwarding was off before us, so that only containers' packets may use it.
    pub(crate) forward_ours_only: bool,
    /// The default bridge's name, unless the user made the bridge. Set while opening.
    pub(crate) bridge_claim: Option<Claim>,
}

impl Networks {
    /// Makes the default networks if they are missing (bridge, host, none), reads the records
    /// of earlier runs, and takes their containers for alive until [`Self::reconcile`] is
    /// told which are.
    pub fn open(config: NetworkConfig) -> Result<Self, NetworkError> {
        let host = Host::open().map_err(|source| kernel("opening a netlink socket", source))?;
        let host = Arc::new(host);
        let records = Records::open(&config.data_dir, &config.exec_dir)?;
        let firewall = match config.firewall {
            true => {
                let opened =
                    Firewall::open().map_err(|source| kernel("opening nf_tables", source))?;
                Some(Arc::new(opened))
            }
            false => None,
        };
        let registry = Arc::new(Mutex::new(Registry::default()));
        let books = Arc::downgrade(&registry);
        let on_free: crate::reaper::OnFree = Box::new(move |leaving| {
            let Some(registry) = books.upgrade() else {
                return;
            };
            let mut registry = lock(&registry);
            if let Some(network) = registry.networks.get_mut(&leaving.network) {
                leaving.addresses.iter().for_each(|it| network.free(*it));
            }
        });
        let reaper = Reaper::start(Arc::clone(&host), on_free).map_err(thread_failed)?;
        let names = corten_dns::Server::start().map_err(|source| NetworkError::Names {
            container: "(all)".into(),
            source,
        })?;
        let forward_ours_only = defaults::enable_forwarding(&config)?;
        let mut networks = Self {
            config,
            records,
            host,
            firewall,
            registry,
            changing: Mutex::default(),
            reaper,
            names,
            pool: Pool::start().map_err(thread_failed)?,
            forward_ours_only,
            bridge_claim: None,
        };
        networks.restore_networks()?;
        networks.restore_endpoints()?;
        networks.check_firewall()?;
        networks.watch_firewall()?;
        Ok(networks)
    }

    fn watch_firewall(&self) -> Result<(), NetworkError> {
        let Some(firewall) = &self.firewall else {
            return Ok(());
        };
        let watch = NftWatch::open().map_err(|source| kernel("watching nf_tables", source))?;
        let own = firewall
            .port()
            .map_err(|source| kernel("watching nf_tables", source))?;
        let table = (firewall.table().to_owned(), own);
        let (firewall, books) = (Arc::downgrade(firewall), Arc::downgrade(&self.registry));
        watch::start(watch, table, firewall, books, self.forward_ours_only).map_err(thread_failed)
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// All networks, by name.
    pub fn list(&self) -> Vec<NetworkInfo> {
        let registry = self.registry();
        let mut all: Vec<_> = registry
            .networks
            .values()
            .map(|network| registry.info(network))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One network by name, ID or unique prefix of an ID.
    pub fn inspect(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        let registry = self.registry();
        let network = registry.find(name_or_id)?;
        Ok(registry.info(network))
    }

    /// Which driver a network has: a container on [`Driver::Host`] gets no sandbox.
    pub fn driver(&self, name_or_id: &str) -> Result<Driver, NetworkError> {
        Ok(self.registry().find(name_or_id)?.driver().clone())
    }

    /// A new network namespace with its loopback interface up. The container keeps it
    /// alive; dropping the last descriptor takes everything in it away.
    pub fn sandbox(&self) -> Result<Netns, NetworkError> {
        self.pool
            .take()
            .map_err(|source| kernel("making a namespace", source))
    }

    /// The endpoints of a container, in the order they were made.
    pub fn endpoints(&self, container_id: &str) -> Vec<Endpoint> {
        self.registry()
            .endpoints
            .get(container_id)
            .cloned()
            .unwrap_or_default()
    }

    /// The ports of a container that are published now, through whichever endpoints.
    pub fn ports(&self, container_id: &str) -> Vec<crate::PortBinding> {
        let registry = self.registry();
        let all = registry.endpoints.get(container_id);
        all.into_iter()
            .flatten()
            .flat_map(|endpoint| endpoint.ports.iter().copied())
            .collect()
    }

    /// Whether a container is on a network where names are served: then its resolv.conf is
    /// to be [`crate::files::ResolvConf::embedded`], and [`Self::serve_names`] is to be
    /// called before its first process runs.
    pub fn needs_names(&self, container_id: &str) -> bool {
        let registry = self.registry();
        let all = registry.endpoints.get(container_id);
        all.into_iter().flatten().any(|endpoint| {
            let network = registry.networks.get(&endpoint.network_id);
            network.is_some_and(crate::registry::Network::serves_names)
        })
    }

    /// The container has another name now.
    pub fn rename(&self, container_id: &str, name: &str) -> Result<(), NetworkError> {
        let kept = {
            let mut registry = self.registry();
            let Some(endpoints) = registry.endpoints.get_mut(container_id) else {
                return Ok(());
            };
            for endpoint in endpoints.iter_mut() {
                // The container's name is the first of those it bears.
                if let Some(first) = endpoint.dns_names.first_mut() {
                    name.clone_into(first);
                }
                name.clone_into(&mut endpoint.container_name);
            }
            self.tell_names(&registry, container_id);
            registry.kept(container_id)
        };
        self.records.keep_endpoints(container_id, kept)
    }

    /// The gateways of the default bridge, which `host-gateway` stands for.
    pub fn host_gateways(&self) -> Vec<std::net::IpAddr> {
        let registry = self.registry();
        let bridge = registry.networks.values().find(|n| n.is_default_bridge());
        let gateways = |network: &crate::registry::Network| {
            let both = [false, true].map(|ipv6| network.gateway(ipv6));
            both.into_iter().flatten().collect()
        };
        bridge.map(gateways).unwrap_or_default()
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        self.reaper.stop();
        self.pool.stop();
    }
}

pub(crate) fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_failed(source: std::io::Error) -> NetworkError {
    NetworkError::File {
        step: "starting a thread",
        path: "for networks".into(),
        source,
    }
}

/// A failure that no single network is to blame for.
pub(crate) fn kernel(step: &'static str, source: corten_netlink::NetlinkError) -> NetworkError {
    NetworkError::Kernel {
        network: "set-up".into(),
        step,
        source,
    }
}
