//! `--network`, short and long, and the flags that speak of the first network.

use super::devices::csv;
use crate::{error::CliError, flags::Parsed};
use corten_api::container::{EndpointIpamConfig, EndpointSettings, NetworkingConfig};
use std::collections::BTreeMap;

/// One `--network`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Network, or `host`, `none`, `container:NAME`.
    pub name: String,
    aliases: Vec<String>,
    driver_opts: BTreeMap<String, String>,
    ipv4: String,
    ipv6: String,
    link_local: Vec<String>,
    mac: String,
    gw_priority: i64,
}

/// Reads one value: `NAME` or `name=NAME,alias=…,ip=…`.
pub fn parse(value: &str) -> Result<Attachment, String> {
    // Docker takes the long form only where a value follows the first `=`.
    if value
        .split_once('=')
        .is_none_or(|(_, rest)| rest.is_empty())
    {
        return Ok(Attachment {
            name: value.to_owned(),
            ..Attachment::default()
        });
    }
    let mut attachment = Attachment::default();
    for field in csv(value)? {
        let Some((key, text)) = field.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(format!("invalid field {field}"));
        };
        let text = text.trim().to_owned();
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => attachment.name = text,
            "alias" => attachment.aliases.push(text),
            "ip" => attachment.ipv4 = text,
            "ip6" => attachment.ipv6 = text,
            "mac-address" => attachment.mac = mac(&text)?,
            "link-local-ip" => attachment.link_local.push(text),
            "driver-opt" => {
                let (key, value) = text
                    .split_once('=')
                    .ok_or_else(|| "invalid key value pair format in driver options".to_owned())?;
                attachment
                    .driver_opts
                    .insert(key.to_ascii_lowercase(), value.to_ascii_lowercase());
            }
            "gw-priority" => {
                attachment.gw_priority = text.parse().map_err(|_| {
                    format!(
                        "invalid gw-priority: strconv.ParseInt: parsing {text:?}: invalid syntax"
                    )
                })?;
            }
            other => return Err(format!("invalid field key {other}")),
        }
    }
    if attachment.name.is_empty() {
        return Err("network name/id is not specified".into());
    }
    Ok(attachment)
}

/// Six or eight bytes in hexadecimal, as Go's `net.ParseMAC` takes them.
pub fn mac(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let right = matches!(parts.len(), 6 | 8 | 20)
        && parts
            .iter()
            .all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
    if right {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is not a valid mac address"))
    }
}

/// All networks of the line; `default` when none is named.
pub fn networks(parsed: &Parsed) -> Result<Vec<Attachment>, CliError> {
    let given: Vec<&str> = parsed
        .in_order()
        .filter(|(n, _)| matches!(*n, "network" | "net"))
        .map(|(_, v)| v)
        .collect();
    let mut all = Vec::new();
    for value in given {
        all.push(parse(value).map_err(CliError::Text)?);
    }
    if all.is_empty() {
        all.push(Attachment {
            name: "default".into(),
            ..Attachment::default()
        });
    }
    let several = all.len() > 1;
    let first = &mut all[0];
    let long = *first
        != Attachment {
            name: first.name.clone(),
            ..Attachment::default()
        };
    let conflict = |flag: &str| {
        CliError::Text(format!(
            "conflicting options: cannot specify both --{flag} and per-network {}",
            match flag {
                "network-alias" => "alias",
                "ip" => "IPv4 address",
                "ip6" => "IPv6 address",
                _ => "link-local IP addresses",
            }
        ))
    };
    let aliases: Vec<String> = parsed
        .in_order()
        .filter(|(n, _)| matches!(*n, "network-alias" | "net-alias"))
        .map(|(_, v)| v.to_owned())
        .collect();
    if !aliases.is_empty() {
        if long && !first.aliases.is_empty() {
            return Err(conflict("network-alias"));
        }
        first.aliases = aliases;
    }
    if !first.aliases.is_empty() && !is_user_defined(&first.name) {
        return Err(CliError::Text(
            "network-scoped aliases are only supported for user-defined networks".into(),
        ));
    }
    if let Some(ip) = parsed.get("ip") {
        if !first.ipv4.is_empty() {
            return Err(conflict("ip"));
        }
        first.ipv4 = ip.to_owned();
    }
    if let Some(ip) = parsed.get("ip6") {
        if !first.ipv6.is_empty() {
            return Err(conflict("ip6"));
        }
        first.ipv6 = ip.to_owned();
    }
    let link_local = parsed.list("link-local-ip");
    if !link_local.is_empty() {
        if !first.link_local.is_empty() {
            return Err(conflict("link-local-ip"));
        }
        first.link_local = link_local;
    }
    if let Some(address) = parsed.get("mac-address") {
        let address = mac(address.trim()).map_err(CliError::Text)?;
        if !first.mac.is_empty() && first.mac != address {
            return Err(CliError::Text(
                "conflicting options: cannot specify both --mac-address and per-network mac-address"
                    .into(),
            ));
        }
        first.mac = address;
    }
    if several
        && all
            .iter()
            .any(|a| a.name == "host" || a.name == "none" || a.name.starts_with("container:"))
    {
        return Err(CliError::Text("conflicting options: cannot attach both user-defined and non-user-defined network-modes".into()));
    }
    Ok(all)
}

/// Whether a network is the user's own, with names and links in it.
pub fn is_user_defined(name: &str) -> bool {
    !matches!(name, "default" | "bridge" | "host" | "none") && !name.starts_with("container:")
}

/// The endpoint settings of the request.
pub fn config(networks: Vec<Attachment>, links: &[String]) -> Result<NetworkingConfig, CliError> {
    let mut endpoints = BTreeMap::new();
    for (index, network) in networks.into_iter().enumerate() {
        if endpoints.contains_key(&network.name) {
            return Err(CliError::Text(format!(
                "network {:?} is specified multiple times",
                network.name
            )));
        }
        let user_defined = is_user_defined(&network.name);
        if network.name == "host" || network.name.starts_with("container:") {
            continue;
        }
        let ipam = (!network.ipv4.is_empty()
            || !network.ipv6.is_empty()
            || !network.link_local.is_empty())
        .then_some(EndpointIpamConfig {
            ipv4_address: network.ipv4,
            ipv6_address: network.ipv6,
            link_local_ips: network.link_local,
        });
        let settings = EndpointSettings {
            ipam_config: ipam,
            links: (index == 0 && user_defined && !links.is_empty()).then(|| links.to_vec()),
            aliases: (!network.aliases.is_empty()).then_some(network.aliases),
            mac_address: network.mac,
            driver_opts: (!network.driver_opts.is_empty()).then_some(network.driver_opts),
            gw_priority: network.gw_priority,
            ..EndpointSettings::default()
        };
        endpoints.insert(network.name, Some(settings));
    }
    Ok(NetworkingConfig {
        endpoints_config: Some(endpoints),
    })
}
