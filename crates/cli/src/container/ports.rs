//! Ports as `ps` and `port` show them.

use super::reach;
use crate::{app::Call, error::CliError, output::Json};
use corten_api::container::Inspect;
use corten_client::Client;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port {
    private: i64,
    ip: String,
    public: i64,
    protocol: String,
}

/// The column of `ps`: ranges of equal ports as one, then every mapping.
pub fn shown(ports: &[Json]) -> String {
    let mut all: Vec<Port> = ports
        .iter()
        .map(|port| Port {
            private: port.int(&["PrivatePort"]),
            ip: port.text(&["IP"]).to_owned(),
            public: port.int(&["PublicPort"]),
            protocol: port.text(&["Type"]).to_owned(),
        })
        .collect();
    all.sort();
    let mut result = Vec::new();
    let mut mappings = Vec::new();
    let mut groups: Vec<(String, i64, i64)> = Vec::new();
    for port in all {
        let mut key = port.protocol.clone();
        if port.public != 0 {
            if port.public != port.private {
                let host = host_port(&port.ip, &port.public.to_string());
                mappings.push(format!("{host}->{}/{}", port.private, port.protocol));
                continue;
            }
            key = format!("{}/{}", port.ip, port.protocol);
        }
        match groups.iter_mut().find(|(k, _, _)| *k == key) {
            None => groups.push((key, port.private, port.private)),
            Some((_, _, last)) if port.private == *last || port.private == *last + 1 => {
                *last = port.private;
            }
            Some(group) => {
                result.push(group_text(group));
                *group = (key, port.private, port.private);
            }
        }
    }
    result.extend(groups.iter().map(group_text));
    result.extend(mappings);
    result.join(", ")
}

pub(super) fn host_port(ip: &str, port: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

fn group_text((key, first, last): &(String, i64, i64)) -> String {
    let range = if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    };
    match key.split_once('/') {
        Some((ip, protocol)) => format!("{}->{range}/{protocol}", host_port(ip, &range)),
        None => format!("{range}/{key}"),
    }
}

/// `docker port`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let name = call.arg(0);
    if call.parsed.is_on("reach") {
        return reach::port(call).await;
    }
    let container: Inspect = call
        .client()
        .await?
        .get(format!("/containers/{}/json", Client::segment(name)))
        .send()
        .await?
        .json()
        .await?;
    let ports = container.network_settings.ports.unwrap_or_default();
    let mut out = Vec::new();
    if call.parsed.args.len() > 1 {
        let wanted = call.arg(1);
        let (port, protocol) = wanted.split_once('/').unwrap_or((wanted, "tcp"));
        if port.parse::<u16>().is_err() {
            return Err(CliError::Text(format!(
                "Error: invalid port ({port}): strconv.ParseUint: parsing {port:?}: invalid syntax"
            )));
        }
        let key = format!("{port}/{protocol}");
        match ports.get(&key).and_then(Option::as_ref) {
            Some(bindings) if !bindings.is_empty() => {
                out.extend(bindings.iter().map(|b| host_port(&b.host_ip, &b.host_port)));
            }
            _ => {
                return Err(CliError::Text(format!(
                    "Error: No public port '{wanted}' published for {name}"
                )));
            }
        }
    } else {
        // By number, then protocol.
        let by_number: BTreeMap<(u32, &str), _> = ports
            .iter()
            .map(|(key, bindings)| {
                let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
                ((port.parse().unwrap_or(0), protocol), (key, bindings))
            })
            .collect();
        for (key, bindings) in by_number.into_values() {
            let bindings = bindings.iter().flatten();
            out.extend(
                bindings.map(|b| format!("{key} -> {}", host_port(&b.host_ip, &b.host_port))),
            );
        }
    }
    for line in out {
        call.app.line(&line)?;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ports_make_ranges_and_mappings_come_after() {
        let ports: Json = serde_json::from_str(
            r#"[{"PrivatePort":81,"Type":"tcp"},{"PrivatePort":80,"Type":"tcp"},{"PrivatePort":53,"Type":"udp"},
                {"IP":"0.0.0.0","PrivatePort":90,"PublicPort":90,"Type":"tcp"},{"IP":"::","PrivatePort":90,"PublicPort":90,"Type":"tcp"},
                {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}]"#,
        )
        .unwrap();
        assert_eq!(
            shown(ports.list(&[])),
            "53/udp, 80-81/tcp, 0.0.0.0:90->90/tcp, [::]:90->90/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
        );
    }
}
