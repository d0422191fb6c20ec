//! Which token servers are shown a user's credentials.
//!
//! A registry names its token server in a header (`realm`), and whoever can write that
//! header could have the password sent anywhere. So it goes to the registry's own domain,
//! to servers that the machine's owner listed for that registry, and, of a registry in the
//! local network, to names and addresses of a local network. Others are refused; without
//! credentials anybody may be asked for a token.
//!
//! CVE-2026-33540, CVE-2020-15157.

use crate::{connect::Reach, url::Origin};
use std::net::IpAddr;

/// Endings of names that no public name server knows (RFC 6761, 6762, 8375, 9476 and the
/// usual ones of companies).
const LOCAL_ENDINGS: &[&str] = &[
    ".local",
    ".localhost",
    ".internal",
    ".lan",
    ".home.arpa",
    ".test",
    ".alt",
];

/// Whether `server` may see the credentials for `registry`, which was reached at an address
/// of this `reach`. `listed` are `host[:port]`; without a port it may be any.
pub(crate) fn may_see_credentials(
    registry: &Origin,
    reach: Reach,
    server: &Origin,
    listed: &[String],
) -> bool {
    let is_listed = |name: &String| {
        let with_port = name.rsplit(']').next().is_some_and(|end| end.contains(':'));
        let listed = Origin::parse(server.scheme, name);
        listed.is_some_and(|it| it.host == server.host && (!with_port || it.port == server.port))
    };
    site(&registry.host) == site(&server.host)
        || listed.iter().any(is_listed)
        || (reach != Reach::Public && is_local(&server.host))
}

/// The part of a name that one owner has: its last two labels, or three where the second
/// one is what a country sells below (`co.uk`, `com.au`). Of an address all of it.
///
/// There are public suffixes beyond these (`azurecr.io`). Who has a registry below one of
/// them could ask for its users' passwords without a token server's help.
fn site(host: &str) -> &str {
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut labels = host.rsplit('.');
    let (Some(last), Some(second)) = (labels.next(), labels.next()) else {
        return host;
    };
    let country = last.len() == 2 && (second.len() <= 3 || second == "gouv");
    let third = labels.next().filter(|_| country);
    let length = last.len() + 1 + second.len() + third.map_or(0, |label| label.len() + 1);
    &host[host.len() - length..]
}

fn is_local(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => Reach::of(address) != Reach::Public,
        Err(_) => !host.contains('.') || LOCAL_ENDINGS.iter().any(|end| host.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Scheme;

    fn may(registry: &str, reach: Reach, server: &str, listed: &[&str]) -> bool {
        let origin = |text| Origin::parse(Scheme::Https, text).unwrap();
        let listed: Vec<String> = listed.iter().map(|it| (*it).to_owned()).collect();
        may_see_credentials(&origin(registry), reach, &origin(server), &listed)
    }

    #[test]
    fn credentials_go_to_the_registrys_own_domain() {
        for (registry, server, may_see) in [
            ("registry-1.docker.io", "auth.docker.io", true),
            ("registry.gitlab.com", "gitlab.com", true),
            ("docker.elastic.co", "docker-auth.elastic.co", true),
            ("quay.io", "quay.io", true),
            ("r.corp.co.uk", "auth.corp.co.uk", true),
            ("r.corp.co.uk", "auth.other.co.uk", false),
            ("r.corp.com.au", "evil.com.au", false),
            ("r.docker.io", "auth.docker.io.evil.net", false),
            ("r.docker.io", "auth.evildocker.io", false),
            ("quay.io", "quay.io.", true),
            ("203.0.113.5", "203.0.113.6", false),
            ("203.0.113.5:5000", "203.0.113.5:5001", true),
            // A public registry names nobody of the local network.
            ("quay.io", "10.0.0.5", false),
            ("quay.io", "auth", false),
        ] {
            assert_eq!(
                may(registry, Reach::Public, server, &[]),
                may_see,
                "{registry} {server}"
            );
        }
    }

    #[test]
    fn credentials_of_a_local_registry_stay_local_and_listed_servers_get_theirs() {
        for (server, may_see) in [
            ("10.0.0.6", true),
            ("auth:5001", true),
            ("auth.corp.internal", true),
            ("[fd00::1]:5001", true),
            ("203.0.113.6", false),
            ("auth.example.com", false),
        ] {
            assert_eq!(
                may("10.0.0.5:5000", Reach::Private, server, &[]),
                may_see,
                "{server}"
            );
        }
        let listed = ["auth.example.com", "token.example.net:8443"];
        for (server, may_see) in [
            ("auth.example.com", true),
            ("auth.example.com:8443", true),
            ("token.example.net:8443", true),
            ("token.example.net", false),
            ("other.example.com", false),
        ] {
            assert_eq!(
                may("quay.io", Reach::Public, server, &listed),
                may_see,
                "{server}"
            );
        }
    }
}
