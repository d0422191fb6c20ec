//! Addresses that a plugin hands out.

use crate::{
    Endpoint, EndpointRequest, NetworkError, Networks, records::NetworkRecord, registry::Network,
};

impl Networks {
    pub(crate) fn request_pools(&self, record: &mut NetworkRecord) -> Result<(), NetworkError> {
        Err(NetworkError::NoSuchDriver {
            name: record.info.ipam_driver.clone(),
        })
    }

    pub(crate) fn request_addresses(
        &self,
        network: &Network,
        _: &EndpointRequest,
        _: &mut Endpoint,
    ) -> Result<(), NetworkError> {
        Err(NetworkError::NoSuchDriver {
            name: network.record.info.ipam_driver.clone(),
        })
    }
}
