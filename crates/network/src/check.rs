//! Whether an address can be chosen on a network.

use crate::{NetworkError, Networks, registry::Pool};
use ipnet::IpNet;
use std::net::IpAddr;

impl Networks {
    /// Docker's sentence when `text` cannot be the address of an endpoint on a network:
    /// nobody chose its subnets, or none of them has it. `ipv6` tells which subnets count.
    pub fn address_problem(
        &self,
        network: &str,
        text: &str,
        ipv6: bool,
    ) -> Result<Option<String>, NetworkError> {
        let registry = self.registry();
        let network = registry.find(network)?;
        // dockerd takes the default bridge's subnet for chosen.
        let chosen = |pool: &&Pool| pool.chosen || network.is_default_bridge();
        let subnets: Vec<IpNet> = network
            .pools(ipv6)
            .filter(chosen)
            .map(|pool| pool.subnet.net())
            .collect();
        if subnets.is_empty() {
            return Ok(Some(
                "user specified IP address is supported only when connecting to networks with user configured subnets".to_owned(),
            ));
        }
        let address: Option<IpAddr> = text.parse().ok();
        let inside = |subnet: &IpNet| address.is_some_and(|it| subnet.contains(&it));
        if subnets.iter().any(inside) {
            return Ok(None);
        }
        Ok(Some(format!(
            "no configured subnet or ip-range contain the IP address {text}"
        )))
    }
}
