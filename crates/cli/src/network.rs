//! Commands on networks.

use crate::{
    app::Call,
    container::options::environment::pair,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
    volume::natural,
};
use corten_api::{
    container::{EndpointIpamConfig, EndpointSettings},
    network::{ConfigReference, CreateRequest, Ipam, IpamConfig},
};
use corten_client::Client;
use std::collections::BTreeMap;

const LOOK: Look = Look {
    go_type: "*network.networkContext",
    headings: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
};

/// `network ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let answer: Json = call
        .client()
        .await?
        .get("/networks")
        .query_if("filters", Filters::parse(parsed.all("filter")).json())
        .send()
        .await?
        .json()
        .await?;
    let format = if parsed.is_on("quiet") && !parsed.given("format") {
        "{{.ID}}".to_owned()
    } else {
        call.app.format(parsed, "networksFormat")
    };
    let whole = parsed.is_on("no-trunc");
    let mut networks: Vec<&Json> = answer.list(&[]).iter().collect();
    networks.sort_by_key(|n| natural(n.text(&["Name"])));
    let rows = networks.into_iter().map(|n| row(n, whole)).collect();
    call.app.out(&render(&LOOK, &format, rows)?)?;
    Ok(0)
}

fn row(network: &Json, whole: bool) -> Row {
    let id = network.text(&["Id"]);
    Row::new()
        .field("ID", if whole { id } else { human::short_id(id) })
        .field("Name", network.text(&["Name"]))
        .field("Driver", network.text(&["Driver"]))
        .field("Scope", network.text(&["Scope"]))
        .field("IPv4", network.bool(&["EnableIPv4"]).to_string())
        .field("IPv6", network.bool(&["EnableIPv6"]).to_string())
        .field("Internal", network.bool(&["Internal"]).to_string())
        .labels(network.members(&["Labels"]))
        .field("CreatedAt", human::go_time_utc(network.text(&["Created"])))
}

/// `network create`: prints the ID.
pub async fn create(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let given = |flag: &str| parsed.given(flag).then(|| parsed.is_on(flag));
    let request = CreateRequest {
        name: call.arg(0).to_owned(),
        driver: parsed.get("driver").unwrap_or("bridge").to_owned(),
        scope: parsed.text("scope").to_owned(),
        enable_ipv4: given("ipv4"),
        enable_ipv6: given("ipv6"),
        ipam: Some(Ipam {
            driver: parsed.get("ipam-driver").unwrap_or("default").to_owned(),
            options: Some(parsed.all("ipam-opt").map(pair).collect()),
            config: Some(pools(call)?),
        }),
        internal: parsed.is_on("internal"),
        attachable: parsed.is_on("attachable"),
        ingress: parsed.is_on("ingress"),
        config_only: parsed.is_on("config-only"),
        config_from: parsed.get("config-from").map(|name| ConfigReference {
            network: name.to_owned(),
        }),
        options: Some(parsed.all("opt").map(pair).collect()),
        labels: Some(parsed.all("label").map(pair).collect()),
        ..CreateRequest::default()
    };
    let answer: Json = call
        .client()
        .await?
        .post("/networks/create")
        .json(&request)
        .send()
        .await?
        .json()
        .await?;
    if !answer.text(&["Warning"]).is_empty() {
        call.app
            .warn(&format!("WARNING: {}", answer.text(&["Warning"])));
    }
    call.app.line(answer.text(&["Id"]))?;
    Ok(0)
}

/// Subnets with the ranges, gateways and addresses that lie in them.
fn pools(call: &Call<'_>) -> Result<Vec<IpamConfig>, CliError> {
    let refused = |text: String| Err(CliError::Text(text));
    let subnets = call.parsed.list("subnet");
    let ranges = call.parsed.list("ip-range");
    let gateways = call.parsed.list("gateway");
    if subnets.len() < ranges.len() || subnets.len() < gateways.len() {
        return refused("every ip-range or gateway must have a corresponding subnet".into());
    }
    let mut pools: Vec<(Subnet, IpamConfig)> = Vec::new();
    for text in &subnets {
        // What is no subnet is refused by the engine.
        let subnet = Subnet::parse(text).unwrap_or(Subnet {
            bits: 0,
            length: 0,
            width: 0,
        });
        if pools.iter().any(|(other, _)| other.overlaps(&subnet)) {
            return refused("multiple overlapping subnet configuration is not supported".into());
        }
        pools.push((
            subnet,
            IpamConfig {
                subnet: text.clone(),
                ..IpamConfig::default()
            },
        ));
    }
    for range in &ranges {
        let address = range.split('/').next().unwrap_or("");
        match pools.iter_mut().find(|(s, _)| s.contains(address)) {
            Some((_, pool)) if pool.ip_range.is_empty() => pool.ip_range = range.clone(),
            Some((_, pool)) => {
                return refused(format!(
                    "cannot configure multiple ranges ({range}, {}) on the same subnet ({})",
                    pool.ip_range, pool.subnet
                ));
            }
            None => return refused(format!("no matching subnet for range {range}")),
        }
    }
    for gateway in &gateways {
        match pools.iter_mut().find(|(s, _)| s.contains(gateway)) {
            Some((_, pool)) if pool.gateway.is_empty() => pool.gateway = gateway.clone(),
            Some((_, pool)) => {
                return refused(format!(
                    "cannot configure multiple gateways ({gateway}, {}) for the same subnet ({})",
                    pool.gateway, pool.subnet
                ));
            }
            None => return refused(format!("no matching subnet for gateway {gateway}")),
        }
    }
    for (name, address) in call.parsed.all("aux-address").map(pair) {
        match pools.iter_mut().find(|(s, _)| s.contains(&address)) {
            Some((_, pool)) => drop(pool.auxiliary_addresses.insert(name, address)),
            None => return refused(format!("no matching subnet for aux-address {address}")),
        }
    }
    Ok(pools.into_iter().map(|(_, pool)| pool).collect())
}

/// A subnet: its address as bits, and how many of them count.
struct Subnet {
    bits: u128,
    length: u32,
    width: u32,
}

impl Subnet {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let (bits, width) = bits(address)?;
        let length: u32 = length.parse().ok().filter(|l| *l <= width)?;
        Some(Self {
            bits,
            length,
            width,
        })
    }

    fn contains(&self, address: &str) -> bool {
        bits(address).is_some_and(|(other, width)| {
            width == self.width
                && cut(other, width, self.length) == cut(self.bits, width, self.length)
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        let length = self.length.min(other.length);
        self.width == other.width
            && cut(self.bits, self.width, length) == cut(other.bits, self.width, length)
    }
}

fn bits(address: &str) -> Option<(u128, u32)> {
    match address.parse().ok()? {
        std::net::IpAddr::V4(v4) => Some((u128::from(v4.to_bits()), 32)),
        std::net::IpAddr::V6(v6) => Some((v6.to_bits(), 128)),
    }
}

fn cut(bits: u128, width: u32, length: u32) -> u128 {
    bits.checked_shr(width - length).unwrap_or(0)
}

/// `network rm`.
pub async fn remove(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let mut failed = false;
    for name in &call.parsed.args {
        match client
            .delete(format!("/networks/{}", Client::segment(name)))
            .send()
            .await
        {
            Ok(_) => call.app.line(name)?,
            Err(error) if call.parsed.is_on("force") && error.is_not_found() => {}
            Err(error) => {
                failed = true;
                call.app.warn(&error.to_string());
            }
        }
    }
    // Docker's client ends with this line here.
    if failed {
        Err(CliError::Text("exit status 1".into()))
    } else {
        Ok(0)
    }
}

/// `network connect`.
pub async fn connect(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let (ipv4, ipv6) = (parsed.text("ip"), parsed.text("ip6"));
    let local = parsed.list("link-local-ip");
    let ipam =
        (!ipv4.is_empty() || !ipv6.is_empty() || !local.is_empty()).then(|| EndpointIpamConfig {
            ipv4_address: ipv4.to_owned(),
            ipv6_address: ipv6.to_owned(),
            link_local_ips: local,
        });
    let optional = |name: &str| Some(parsed.list(name)).filter(|list| !list.is_empty());
    let mut options = BTreeMap::new();
    for option in parsed.all("driver-opt") {
        let (key, value) = option.split_once('=').ok_or_else(|| {
            CliError::Text("invalid key=value pair format in driver options".into())
        })?;
        options.insert(key.to_owned(), value.to_owned());
    }
    let settings = EndpointSettings {
        ipam_config: ipam,
        links: optional("link"),
        aliases: optional("alias"),
        driver_opts: (!options.is_empty()).then_some(options),
        gw_priority: parsed.int("gw-priority").unwrap_or(0),
        ..EndpointSettings::default()
    };
    let body = serde_json::json!({ "Container": call.arg(1), "EndpointConfig": settings });
    let path = format!("/networks/{}/connect", Client::segment(call.arg(0)));
    call.client()
        .await?
        .post(path)
        .json(&body)
        .send()
        .await?
        .bytes()
        .await?;
    Ok(0)
}

/// `network disconnect`.
pub async fn disconnect(call: &Call<'_>) -> Result<u8, CliError> {
    let body = serde_json::json!({ "Container": call.arg(1), "Force": call.parsed.is_on("force") });
    let path = format!("/networks/{}/disconnect", Client::segment(call.arg(0)));
    call.client()
        .await?
        .post(path)
        .json(&body)
        .send()
        .await?
        .bytes()
        .await?;
    Ok(0)
}
