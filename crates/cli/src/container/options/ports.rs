//! Published and exposed ports: `-p [[ip:][host]:]container[/protocol]` with ranges, its
//! long form, and `--expose`.

use corten_api::container::{Empty, PortBinding, PortMap};
use std::{collections::BTreeMap, net::IpAddr};

/// What `-p` and `--expose` say together.
#[derive(Debug, Default, PartialEq)]
pub struct Ports {
    /// Every port named, as `80/tcp`.
    pub exposed: BTreeMap<String, Empty>,
    /// Where published ports are reached.
    pub bindings: PortMap,
}

/// Reads all values of both flags.
pub fn parse<'a>(
    publish: impl Iterator<Item = &'a str>,
    expose: impl Iterator<Item = &'a str>,
) -> Result<Ports, String> {
    let mut ports = Ports::default();
    for text in publish {
        if text.contains('=') {
            publish_one(&long_form(text)?, &mut ports)?;
        } else {
            publish_one(text, &mut ports)?;
        }
    }
    for text in expose {
        if text.contains(':') {
            return Err(format!("invalid port format for --expose: {text}"));
        }
        let (range, protocol) = protocol_of(text);
        let (first, last) = port_range(range)
            .map_err(|why| format!("invalid range format for --expose: {text}, error: {why}"))?;
        for port in first..=last {
            ports
                .exposed
                .entry(format!("{port}/{protocol}"))
                .or_default();
        }
    }
    Ok(ports)
}

/// `published=8080,target=80,protocol=tcp` as the short form.
fn long_form(text: &str) -> Result<String, String> {
    let (mut published, mut target, mut protocol) = (String::new(), String::new(), "tcp".into());
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field}"));
        };
        match key.to_ascii_lowercase().as_str() {
            "published" => published = value.to_owned(),
            "target" => target = value.to_owned(),
            "protocol" => protocol = value.to_owned(),
            // Docker reads the mode and other keys and never uses them for a container.
            _ => {}
        }
    }
    Ok(format!("{published}:{target}/{protocol}"))
}

fn protocol_of(text: &str) -> (&str, String) {
    match text.split_once('/') {
        Some((port, protocol)) if !protocol.is_empty() => (port, protocol.to_ascii_lowercase()),
        Some((port, _)) => (port, "tcp".into()),
        None => (text, "tcp".into()),
    }
}

fn publish_one(text: &str, ports: &mut Ports) -> Result<(), String> {
    let (address, host, container) = split(text);
    let address = address
        .strip_prefix('[')
        .and_then(|a| a.strip_suffix(']'))
        .unwrap_or(address);
    if !address.is_empty() && address.parse::<IpAddr>().is_err() {
        return Err(format!("Invalid ip address: {address}"));
    }
    if container.is_empty() || container.starts_with('/') {
        return Err(format!("No port specified: {text}<empty>"));
    }
    let (container, protocol) = protocol_of(container);
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("Invalid proto: {protocol}"));
    }
    let (first, last) =
        port_range(container).map_err(|_| format!("Invalid containerPort: {container}"))?;
    let hosts = if host.is_empty() {
        None
    } else {
        Some(port_range(host).map_err(|_| format!("Invalid hostPort: {host}"))?)
    };
    if let Some((low, high)) = hosts
        && last - first != high - low
        && first != last
    {
        return Err(format!(
            "Invalid ranges specified for container and host Ports: {container} and {host}"
        ));
    }
    for offset in 0..=(last - first) {
        let host_port = match hosts {
            None => String::new(),
            // One port of the container, any of a range of the host.
            Some((low, high)) if first == last && low != high => format!("{low}-{high}"),
            Some((low, _)) => (low + offset).to_string(),
        };
        let key = format!("{}/{protocol}", first + offset);
        ports.exposed.entry(key.clone()).or_default();
        ports
            .bindings
            .entry(key)
            .or_insert_with(|| Some(Vec::new()))
            .get_or_insert_default()
            .push(PortBinding {
                host_ip: address.to_owned(),
                host_port,
            });
    }
    Ok(())
}

/// Address, port of the host, port of the container.
fn split(text: &str) -> (&str, &str, &str) {
    match text.rsplit_once(':') {
        None => ("", "", text),
        Some((rest, container)) => match rest.rsplit_once(':') {
            None => ("", rest, container),
            Some((address, host)) => (address, host, container),
        },
    }
}

fn port_range(text: &str) -> Result<(u32, u32), String> {
    let port = |text: &str| {
        text.parse::<u16>()
            .map(u32::from)
            .map_err(|_| format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))
    };
    if text.is_empty() {
        return Err("empty string specified for ports".into());
    }
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let (low, high) = (port(low)?, port(high)?);
    if high < low {
        return Err(format!("invalid range specified for port: {text}"));
    }
    Ok((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(publish: &[&str]) -> Result<Vec<String>, String> {
        let ports = parse(publish.iter().copied(), [].into_iter())?;
        Ok(ports
            .bindings
            .iter()
            .flat_map(|(port, list)| {
                list.iter()
                    .flatten()
                    .map(move |b| format!("{}|{}|{port}", b.host_ip, b.host_port))
            })
            .collect())
    }

    #[test]
    fn every_form_of_a_published_port_is_read() {
        for (text, wanted) in [
            ("80", &["||80/tcp"][..]),
            ("8080:80", &["|8080|80/tcp"]),
            ("127.0.0.1:8080:80/udp", &["127.0.0.1|8080|80/udp"]),
            ("127.0.0.1::80", &["127.0.0.1||80/tcp"]),
            ("[::1]:8080:80", &["::1|8080|80/tcp"]),
            ("8000-8001:80-81", &["|8000|80/tcp", "|8001|81/tcp"]),
            ("8000-8010:80", &["|8000-8010|80/tcp"]),
            ("published=8080,target=80,protocol=udp", &["|8080|80/udp"]),
        ] {
            assert_eq!(shown(&[text]).unwrap(), wanted, "{text}");
        }
        for (text, why) in [
            ("x", "Invalid containerPort: x"),
            ("x:80", "Invalid hostPort: x"),
            ("1.2.3:80:80", "Invalid ip address: 1.2.3"),
            ("80/foo", "Invalid proto: foo"),
            (
                "1-2:1-5",
                "Invalid ranges specified for container and host Ports: 1-5 and 1-2",
            ),
            ("8080:", "No port specified: 8080:<empty>"),
        ] {
            assert_eq!(shown(&[text]).unwrap_err(), why);
        }
    }
}
