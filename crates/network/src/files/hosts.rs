//! `/etc/hosts`

use std::net::IpAddr;

/// What every container's file begins with.
const STANDARD: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";
const HOST_GATEWAY: &str = "host-gateway";

/// What goes into `/etc/hosts`.
#[derive(Debug, Clone, Default)]
pub struct Hosts<'a> {
    /// Host name without domain.
    pub hostname: &'a str,
    /// Domain name, empty for none.
    pub domainname: &'a str,
    /// The container's own addresses, in the order of its endpoints.
    pub addresses: Vec<IpAddr>,
    /// `--add-host` entries as given, `NAME:ADDRESS` or `NAME=ADDRESS`; the address may be
    /// `host-gateway`.
    pub extra: &'a [String],
    /// What `host-gateway` stands for (the default bridge's gateway, unless the daemon says
    /// otherwise); empty refuses it.
    pub host_gateway: Vec<IpAddr>,
    /// For a container in the host's network namespace: the host's file, which takes the
    /// standard lines' place unless there are extra entries. Its own name and addresses are
    /// then the host's matter.
    pub host_file: Option<&'a str>,
    /// Names of linked containers with their addresses.
    pub links: Vec<(IpAddr, Vec<String>)>,
}

/// An `--add-host` entry that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostsError {
    /// No separator or an empty part.
    #[error("bad format for add-host: {0:?}")]
    Malformed(String),
    /// Not an address.
    #[error("invalid IP address in add-host: {0:?}")]
    Address(String),
    /// `host-gateway` without a gateway.
    #[error("unable to derive the IP value for host-gateway")]
    NoGateway,
}

/// The content of `/etc/hosts`.
pub fn hosts(input: &Hosts<'_>) -> Result<String, HostsError> {
    // Docker 28: entries of the user's own do away with the host's.
    let base = input
        .host_file
        .filter(|_| input.extra.is_empty())
        .unwrap_or(STANDARD);
    let mut text = base.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut line = |address: IpAddr, names: &str| {
        text.push_str(&format!("{address}\t{names}\n"));
    };
    for entry in input.extra {
        let (name, address) = split(entry)?;
        if address == HOST_GATEWAY {
            if input.host_gateway.is_empty() {
                return Err(HostsError::NoGateway);
            }
            input
                .host_gateway
                .iter()
                .for_each(|gateway| line(*gateway, name));
        } else {
            line(parse(address)?, name);
        }
    }
    for (address, names) in &input.links {
        line(*address, &names.join(" "));
    }
    if input.host_file.is_none() {
        let names = super::host_names(input.hostname, input.domainname);
        input
            .addresses
            .iter()
            .for_each(|address| line(*address, &names));
    }
    Ok(text)
}

fn split(entry: &str) -> Result<(&str, &str), HostsError> {
    let separator = if entry.contains('=') { '=' } else { ':' };
    match entry.split_once(separator) {
        Some((name, address)) if !name.is_empty() && !address.is_empty() => Ok((name, address)),
        _ => Err(HostsError::Malformed(entry.to_owned())),
    }
}

fn parse(address: &str) -> Result<IpAddr, HostsError> {
    let bare = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(address)
        .parse()
        .map_err(|_| HostsError::Address(address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_dockers() {
        let extra = ["a:1.2.3.4", "gw=host-gateway", "v6:[::1]"].map(String::from);
        let text = hosts(&Hosts {
            hostname: "foo",
            domainname: "dom.ex",
            addresses: vec![[172, 17, 0, 6].into()],
            extra: &extra,
            host_gateway: vec![[172, 17, 0, 1].into()],
            links: vec![([172, 17, 0, 9].into(), vec!["db".into(), "alias".into()])],
            ..Default::default()
        });
        let wanted = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
                      fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\n\
                      ff02::2\tip6-allrouters\n1.2.3.4\ta\n172.17.0.1\tgw\n::1\tv6\n\
                      172.17.0.9\tdb alias\n172.17.0.6\tfoo.dom.ex foo\n";
        assert_eq!(text.unwrap(), wanted);
    }

    #[test]
    fn a_container_on_the_host_network_has_the_hosts_file() {
        let input = Hosts {
            hostname: "vm",
            addresses: vec![[10, 0, 0, 9].into()],
            host_file: Some("127.0.0.1 localhost vm"),
            ..Default::default()
        };
        assert_eq!(hosts(&input).unwrap(), "127.0.0.1 localhost vm\n");
        let extra = ["q:10.0.0.1".to_owned()];
        let text = hosts(&Hosts {
            extra: &extra,
            ..input
        })
        .unwrap();
        assert!(
            text.starts_with(STANDARD) && text.ends_with("ff02::2\tip6-allrouters\n10.0.0.1\tq\n")
        );
    }

    #[test]
    fn malformed_entries_are_refused() {
        for (entry, wanted) in [
            ("x", HostsError::Malformed("x".into())),
            (":1.2.3.4", HostsError::Malformed(":1.2.3.4".into())),
            ("x:1.2.3", HostsError::Address("1.2.3".into())),
            ("x:host-gateway", HostsError::NoGateway),
        ] {
            let extra = [entry.to_owned()];
            let input = Hosts {
                extra: &extra,
                ..Default::default()
            };
            assert_eq!(hosts(&input).unwrap_err(), wanted);
        }
    }
}
