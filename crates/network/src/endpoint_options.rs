//! Driver options of endpoints, `com.docker.network.endpoint.…`.

use crate::{EndpointRequest, NetworkError, messages::Refusal};
use corten_netlink::Netns;
use std::collections::BTreeMap;

/// Names the interface.
pub(crate) const INTERFACE: &str = "com.docker.network.endpoint.ifname";
const SYSCTLS: &str = "com.docker.network.endpoint.sysctls";
/// linux/if.h: 15 characters and a zero.
const NAME_LENGTH_MAX: usize = 15;

/// The wanted name of the interface.
pub(crate) fn interface(request: &EndpointRequest) -> Result<Option<&str>, NetworkError> {
    let Some(name) = request.driver_options.get(INTERFACE) else {
        return Ok(None);
    };
    if name.len() > NAME_LENGTH_MAX || name.is_empty() {
        let host = crate::drivers::pair_name();
        return Err(not_named(&host, name, "numerical result out of range"));
    }
    // net/core/dev.c, dev_valid_name()
    if name == "." || name == ".." || name.contains(['/', ':', ' ', '\t', '\n']) {
        let host = crate::drivers::pair_name();
        return Err(not_named(&host, name, "invalid argument"));
    }
    Ok(Some(name))
}

/// The interface's name is another's.
pub(crate) fn name_taken(host: &str, name: &str) -> NetworkError {
    not_named(host, name, "file exists")
}

fn not_named(host: &str, name: &str, reason: &str) -> NetworkError {
    NetworkError::Failed(Refusal(format!(
        "failed to add interface {host} to sandbox: error renaming interface {host:?} to {name:?}: {reason}"
    )))
}

/// What is wrong with the wanted settings, in Docker's words.
pub(crate) fn problems(options: &BTreeMap<String, String>) -> Vec<String> {
    let Some(all) = options.get(SYSCTLS) else {
        return Vec::new();
    };
    let wrong = all.split(',').filter(|one| parse(one).is_none());
    wrong
        .map(|one| {
            format!(
                "unrecognised network interface sysctl '{one}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'"
            )
        })
        .collect()
}

/// Path below `/proc/sys/net` with IFNAME in it, and value.
fn parse(setting: &str) -> Option<(String, &str)> {
    let (name, value) = setting.split_once('=')?;
    let parts: Vec<&str> = name.split('.').collect();
    let [
        _net @ "net",
        family @ ("ipv4" | "ipv6" | "mpls"),
        group,
        _ifname @ "IFNAME",
        key,
    ] = parts[..]
    else {
        return None;
    };
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    (is_word(group) && is_word(key)).then(|| (format!("{family}/{group}/IFNAME/{key}"), value))
}

/// Kernel settings of a container's interface: those that were asked for, and that nobody
/// on the network makes itself its router by IPv6 (CVE-2020-13401).
pub(crate) fn apply(
    netns: &Netns,
    interface: &str,
    host_interface: &str,
    options: &BTreeMap<String, String>,
    ipv6: bool,
) -> Result<(), NetworkError> {
    let mut settings = Vec::new();
    if ipv6 {
        settings.push((format!("ipv6/conf/{interface}/accept_ra"), "0", false));
    }
    let wanted = options.get(SYSCTLS).map(String::as_str).unwrap_or_default();
    let wanted = wanted.split(',').filter_map(parse);
    settings.extend(wanted.map(|(path, value)| {
        let path = path.replace("IFNAME", interface);
        (path, value, true)
    }));
    if settings.is_empty() {
        return Ok(());
    }
    let write = || {
        for (path, value, asked) in &settings {
            let path = format!("/proc/sys/net/{path}");
            match std::fs::write(&path, value) {
                Err(error) if *asked => return Err((path, error)),
                _ => {}
            }
        }
        Ok(())
    };
    let written = netns
        .run(write)
        .map_err(|source| crate::networks::kernel("entering the container's namespace", source))?;
    written.map_err(|(path, error)| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => format!("{path} is not a sysctl file"),
            _ => format!("writing {path}: {error}"),
        };
        NetworkError::Failed(Refusal(format!(
            "failed to add interface {host_interface} to sandbox: {reason}"
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_the_interfaces_own() {
        let wrong = |text: &str| problems(&[(SYSCTLS.to_owned(), text.to_owned())].into());
        assert!(wrong("net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.neigh.IFNAME.x=2").is_empty());
        for text in [
            "bogus",
            "net.ipv4.conf.eth1.log_martians=1",
            "net.core.IFNAME.somaxconn=1",
            "net.ipv4.conf.IFNAME.../../x=1",
            "net.ipv4.conf/..IFNAME.x=1",
        ] {
            assert_eq!(wrong(text).len(), 1, "{text}");
        }
    }
}
