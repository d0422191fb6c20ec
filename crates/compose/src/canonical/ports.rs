//! The short form of a port: `[[ADDRESS:][PUBLISHED]:]TARGET[/PROTOCOL]`, each number a
//! range too.

/// One port of a service.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) target: i64,
    /// A port or a range of the host, or empty for one that the engine chooses.
    pub(super) published: String,
    /// Empty for all addresses.
    pub(super) host_ip: String,
    pub(super) protocol: String,
}

/// The ports of a short form, in the order in which Compose lists them.
pub(super) fn parse(text: &str) -> Result<Vec<Port>, String> {
    let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("Invalid proto: {protocol}; write tcp, udp or sctp"));
    }
    let (before, target) = match rest.rsplit_once(':') {
        Some((before, target)) => (Some(before), target),
        None => (None, rest),
    };
    if target.is_empty() {
        return Err(format!("No port specified: {text}<empty>"));
    }
    let (host_ip, published) = match before {
        None => ("", ""),
        Some(before) => before.rsplit_once(':').unwrap_or(("", before)),
    };
    let host_ip = address(host_ip)?;
    let (first, last) = range(target).ok_or_else(|| format!("Invalid containerPort: {target}"))?;
    if published.is_empty() {
        return Ok((first..=last)
            .map(|target| Port {
                target,
                published: String::new(),
                host_ip: host_ip.clone(),
                protocol: protocol.clone(),
            })
            .collect());
    }
    let (host_first, host_last) =
        range(published).ok_or_else(|| format!("Invalid hostPort: {published}"))?;
    if last - first != host_last - host_first && last != first {
        return Err(format!(
            "Invalid ranges specified for container and host Ports: {target} and {published}"
        ));
    }
    let one_of = last == first && host_last != host_first;
    let mut ports: Vec<Port> = (first..=last)
        .map(|target| Port {
            target,
            published: if one_of {
                format!("{host_first}-{host_last}")
            } else {
                (host_first + target - first).to_string()
            },
            host_ip: host_ip.clone(),
            protocol: protocol.clone(),
        })
        .collect();
    // Sorted as text, as Compose's output is.
    ports.sort_by_key(|port| port.target.to_string());
    Ok(ports)
}

fn address(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let bracketed = bare.len() != text.len();
    match bare.parse::<std::net::IpAddr>() {
        Ok(address) if address.is_ipv4() || bracketed => Ok(bare.to_owned()),
        Ok(_) => Err(format!("Invalid ip address {text}: write [{text}]")),
        Err(_) => Err(format!("Invalid ip address: {text}")),
    }
}

fn range(text: &str) -> Option<(i64, i64)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok().map(i64::from);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> String {
        match parse(text) {
            Ok(ports) => ports
                .iter()
                .map(|port| {
                    format!(
                        "{}|{}|{}/{}",
                        port.host_ip, port.published, port.target, port.protocol
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(message) => message,
        }
    }

    #[test]
    fn each_form_says_which_ports() {
        for (text, ports) in [
            ("80", "||80/tcp"),
            ("8080:80/UDP", "|8080|80/udp"),
            ("127.0.0.1::80", "127.0.0.1||80/tcp"),
            ("[::1]:1:2", "::1|1|2/tcp"),
            ("9-10:19-20", "|9|19/tcp |10|20/tcp"),
            ("80-90:80", "|80-90|80/tcp"),
            ("99-100:99-100", "|100|100/tcp |99|99/tcp"),
            ("a:b", "Invalid containerPort: b"),
            ("b:1", "Invalid hostPort: b"),
            ("70000", "Invalid containerPort: 70000"),
            ("::1:80:80", "Invalid ip address ::1: write [::1]"),
            ("80/x", "Invalid proto: x; write tcp, udp or sctp"),
        ] {
            assert_eq!(summary(text), ports, "{text}");
        }
    }
}
