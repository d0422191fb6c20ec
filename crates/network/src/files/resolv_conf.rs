//! `/etc/resolv.conf`, resolv.conf(5)

use crate::NameServer;
use std::{fmt::Write, net::IpAddr};

/// Where a host keeps its resolver's settings.
pub const HOST_PATH: &str = "/etc/resolv.conf";
/// Where systemd-resolved tells its servers, when [`HOST_PATH`] names only itself.
const RESOLVED_PATH: &str = "/run/systemd/resolve/resolv.conf";
const RESOLVED_STUB: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 53));
/// Where the embedded name server answers in each container that has it.
pub const EMBEDDED_SERVER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(127, 0, 0, 11);

/// What shapes `/etc/resolv.conf`.
#[derive(Debug, Clone, Default)]
pub struct ResolvConf<'a> {
    /// Content of the host's file.
    pub host: &'a str,
    /// Path of the host's file, named in the comment; see [`host_path`].
    pub host_path: &'a str,
    /// `--dns`, or the daemon's; empty takes the host's.
    pub servers: &'a [IpAddr],
    /// `--dns-search`; `["."]` means none.
    pub search: &'a [String],
    /// `--dns-option`.
    pub options: &'a [String],
    /// Whether the container shares the host's network namespace: loopback resolvers work.
    pub host_network: bool,
    /// Whether the embedded name server answers in the container
    /// ([`crate::Networks::needs_names`]); it passes on to [`name_servers`].
    pub embedded: bool,
    /// Whether one of the container's networks has IPv6, so that servers with an IPv6
    /// address are of use to it.
    pub ipv6: bool,
}

#[derive(Default)]
struct Settings {
    servers: Vec<IpAddr>,
    invalid: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
    other: Vec<String>,
}

/// Which file of the host to read, given the content of [`HOST_PATH`].
pub fn host_path(content: &str) -> &'static str {
    match read(content).servers.as_slice() {
        [only] if *only == RESOLVED_STUB => RESOLVED_PATH,
        _ => HOST_PATH,
    }
}

/// Whom the embedded name server asks about the outside: those that were asked for, from
/// the container's namespace, else the host's, from the host's.
pub fn name_servers(input: &ResolvConf<'_>) -> Vec<NameServer> {
    let from_host = input.servers.is_empty();
    let addresses = match from_host {
        true => read(input.host).servers,
        false => input.servers.to_vec(),
    };
    let server = |address| NameServer { address, from_host };
    let own = |server: &NameServer| !server.from_host && server.address == EMBEDDED_SERVER;
    addresses
        .into_iter()
        .map(server)
        .filter(|server| !own(server))
        .collect()
}

/// Whether the file says `ndots` by itself, see [`crate::NamesRequest::ndots_set`].
pub fn sets_ndots(input: &ResolvConf<'_>) -> bool {
    match input.options {
        [] => has_ndots(&read(input.host).options),
        options => has_ndots(options),
    }
}

/// The content of `/etc/resolv.conf`: the host's, with what was asked for in its place, and
/// without servers that a namespace of its own cannot reach.
pub fn resolv_conf(input: &ResolvConf<'_>) -> String {
    let mut settings = read(input.host);
    let mut overrides = Vec::new();
    let mut ndots_from = if has_ndots(&settings.options) {
        "host"
    } else {
        ""
    };
    if !input.servers.is_empty() {
        overrides.push("nameservers");
        settings.servers = input.servers.to_vec();
    }
    if !input.search.is_empty() {
        overrides.push("search");
        settings.search = input
            .search
            .iter()
            .filter(|domain| *domain != ".")
            .cloned()
            .collect();
    }
    if !input.options.is_empty() {
        overrides.push("options");
        settings.options = input.options.to_vec();
        ndots_from = if has_ndots(&settings.options) {
            "override"
        } else {
            ""
        };
    }
    let mut notes = Vec::new();
    let mut external = Vec::new();
    let transformed = if input.embedded {
        let host = input.servers.is_empty();
        external = settings
            .servers
            .iter()
            .map(|server| match host {
                true => format!("host({server})"),
                false => server.to_string(),
            })
            .collect();
        settings.servers = vec![EMBEDDED_SERVER.into()];
        settings.options.retain(|option| !is_wrong_ndots(option));
        if !has_ndots(&settings.options) {
            settings.options.push("ndots:0".into());
            ndots_from = "internal";
        }
        if external.is_empty() {
            notes.push("NO EXTERNAL NAMESERVERS DEFINED");
        }
        " (internal resolver)"
    } else if input.host_network {
        ""
    } else {
        if input.servers.is_empty() {
            settings
                .servers
                .retain(|server| (server.is_ipv4() || input.ipv6) && !server.is_loopback());
            if settings.servers.is_empty() {
                settings.servers = default_servers(input.ipv6);
                notes.push("Used default nameservers.");
            }
        }
        " (legacy)"
    };
    let mut text = String::from(
        "# Generated by Docker Engine.\n\
         # This file can be edited; Docker Engine will not make further changes once it\n\
         # has been modified.\n\n",
    );
    for server in &settings.servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    for (keyword, words) in [("search", &settings.search), ("options", &settings.options)] {
        if !words.is_empty() {
            let _ = writeln!(text, "{keyword} {}", words.join(" "));
        }
    }
    for line in &settings.other {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(
        text,
        "\n# Based on host file: '{}'{transformed}",
        input.host_path
    );
    for note in notes {
        let _ = writeln!(text, "# {note}");
    }
    if !external.is_empty() {
        let _ = writeln!(text, "# ExtServers: [{}]", external.join(" "));
    }
    if !settings.invalid.is_empty() {
        let _ = writeln!(
            text,
            "# Invalid nameservers: [{}]",
            settings.invalid.join(" ")
        );
    }
    let _ = writeln!(text, "# Overrides: [{}]", overrides.join(" "));
    if !ndots_from.is_empty() {
        let _ = writeln!(text, "# Option ndots from: {ndots_from}");
    }
    text
}

fn read(content: &str) -> Settings {
    let mut settings = Settings::default();
    for line in content.lines() {
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else {
            continue;
        };
        if keyword.starts_with(['#', ';']) {
            continue;
        }
        let words = words.map(str::to_owned);
        match keyword {
            "nameserver" => {
                for word in words.take(1) {
                    match word.parse() {
                        Ok(server) => settings.servers.push(server),
                        Err(_) => settings.invalid.push(word),
                    }
                }
            }
            // The last of these lines counts.
            "domain" | "search" => settings.search = words.collect(),
            "options" => settings.options.extend(words),
            _ => settings.other.push(line.to_owned()),
        }
    }
    settings
}

fn has_ndots(options: &[String]) -> bool {
    options.iter().any(|option| option.starts_with("ndots:"))
}

/// `ndots` without a number, which a C library would take for one.
fn is_wrong_ndots(option: &str) -> bool {
    option
        .strip_prefix("ndots:")
        .is_some_and(|number| number.parse::<u32>().is_err())
}

/// Google's, as Docker has it.
fn default_servers(ipv6: bool) -> Vec<IpAddr> {
    let mut servers: Vec<IpAddr> = vec![[8, 8, 8, 8].into(), [8, 8, 4, 4].into()];
    if ipv6 {
        let google = |last| IpAddr::from([0x2001, 0x4860, 0x4860, 0, 0, 0, 0, last]);
        servers.extend([google(0x8888), google(0x8844)]);
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# Generated by Docker Engine.\n\
                        # This file can be edited; Docker Engine will not make further changes once it\n\
                        # has been modified.\n\n";

    fn made(input: &ResolvConf<'_>) -> String {
        let text = resolv_conf(input);
        text.strip_prefix(HEAD).unwrap().to_owned()
    }

    #[test]
    fn the_hosts_servers_are_taken_over() {
        let host = "nameserver 10.255.255.53\n";
        let input = ResolvConf {
            host,
            host_path: HOST_PATH,
            ..Default::default()
        };
        assert_eq!(
            made(&input),
            "nameserver 10.255.255.53\n\n# Based on host file: '/etc/resolv.conf' (legacy)\n# Overrides: []\n"
        );
        let input = ResolvConf {
            host_network: true,
            ..input
        };
        assert!(made(&input).contains("'/etc/resolv.conf'\n"));
    }

    #[test]
    fn what_is_asked_for_takes_the_hosts_place() {
        let search = ["ex.com".to_owned()];
        let options = ["ndots:2".to_owned()];
        let input = ResolvConf {
            host: "nameserver 10.0.0.1\nsearch lan\noptions rotate\nsortlist 10.0.0.0",
            host_path: HOST_PATH,
            servers: &[[9, 9, 9, 9].into()],
            search: &search,
            options: &options,
            ..Default::default()
        };
        assert_eq!(
            made(&input),
            "nameserver 9.9.9.9\nsearch ex.com\noptions ndots:2\nsortlist 10.0.0.0\n\n\
             # Based on host file: '/etc/resolv.conf' (legacy)\n\
             # Overrides: [nameservers search options]\n# Option ndots from: override\n"
        );
        let none = [".".to_owned()];
        assert!(
            !made(&ResolvConf {
                search: &none,
                ..input
            })
            .contains("\nsearch")
        );
    }

    #[test]
    fn resolvers_on_the_hosts_loopback_cannot_be_reached() {
        let host =
            "nameserver 127.0.0.53\nnameserver ::1\nnameserver fe80::1\noptions edns0 ndots:1";
        let input = ResolvConf {
            host,
            host_path: HOST_PATH,
            ..Default::default()
        };
        assert_eq!(
            made(&input),
            "nameserver 8.8.8.8\nnameserver 8.8.4.4\noptions edns0 ndots:1\n\n\
             # Based on host file: '/etc/resolv.conf' (legacy)\n# Used default nameservers.\n\
             # Overrides: []\n# Option ndots from: host\n"
        );
        assert!(
            made(&ResolvConf {
                host_network: true,
                ..input
            })
            .contains("nameserver 127.0.0.53\n")
        );
        assert_eq!(host_path("nameserver 127.0.0.53\n"), RESOLVED_PATH);
        assert_eq!(host_path(host), HOST_PATH);
    }

    #[test]
    fn the_embedded_server_stands_before_the_others() {
        let input = ResolvConf {
            host: "nameserver 127.0.0.53\nsearch lan\noptions edns0",
            host_path: HOST_PATH,
            embedded: true,
            ..Default::default()
        };
        assert_eq!(
            made(&input),
            "nameserver 127.0.0.11\nsearch lan\noptions edns0 ndots:0\n\n\
             # Based on host file: '/etc/resolv.conf' (internal resolver)\n\
             # ExtServers: [host(127.0.0.53)]\n# Overrides: []\n# Option ndots from: internal\n"
        );
        assert!(name_servers(&input)[0].from_host && !sets_ndots(&input));
        let (servers, options) = ([[9, 9, 9, 9].into()], ["ndots:2".to_owned()]);
        let asked = ResolvConf {
            servers: &servers,
            options: &options,
            ..input
        };
        assert!(made(&asked).contains("# ExtServers: [9.9.9.9]\n"));
        assert!(!name_servers(&asked)[0].from_host && sets_ndots(&asked));
        let alone = ResolvConf { host: "", ..input };
        assert!(made(&alone).contains("# NO EXTERNAL NAMESERVERS DEFINED\n"));
    }
}
