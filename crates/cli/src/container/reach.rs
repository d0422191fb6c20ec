//! From where containers are reached: `port --reach` and `ps --reach`. Beyond Docker.

use super::ports::host_port;
use crate::{app::Call, error::CliError};
use corten_api::container::{Reach, ReachedFrom};
use corten_client::Client;

/// The ways in to a container.
pub async fn of(client: &Client, name: &str) -> Result<Vec<Reach>, CliError> {
    let path = format!("/containers/{}/reach", Client::segment(name));
    Ok(client.get(path).send().await?.json().await?)
}

/// `port --reach CONTAINER [PRIVATE_PORT[/PROTO]]`: a line a way in.
pub async fn port(call: &Call<'_>) -> Result<u8, CliError> {
    let mut ways = of(call.client().await?, call.arg(0)).await?;
    if call.parsed.args.len() > 1 {
        let wanted = match call.arg(1) {
            port if port.contains('/') => port.to_owned(),
            port => format!("{port}/tcp"),
        };
        ways.retain(|way| way.private_port == 0 || inner(way) == wanted);
    }
    for way in &ways {
        let (inner, outer) = (inner(way), outer(way));
        call.app
            .line(&format!("{inner} -> {outer} ({})", words(way.from)))?;
    }
    Ok(0)
}

/// The column of `ps --reach`: who gets in, and where.
pub fn column(ways: &[Reach]) -> String {
    let mut groups: Vec<(ReachedFrom, Vec<String>)> = Vec::new();
    let mut ordered: Vec<_> = ways.iter().collect();
    ordered.sort_by_key(|way| way.from);
    for way in ordered {
        let shown = format!("{}->{}", outer(way), inner(way));
        match groups.last_mut().filter(|(from, _)| *from == way.from) {
            Some((_, all)) => all.push(shown),
            None => groups.push((way.from, vec![shown])),
        }
    }
    let groups = groups
        .iter()
        .map(|(from, all)| format!("{}: {}", words(*from), all.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}

fn words(from: ReachedFrom) -> &'static str {
    match from {
        ReachedFrom::Outside => "from outside",
        ReachedFrom::HostRules => "from outside, if the host's INPUT rules allow",
        ReachedFrom::Routed => "by who has a route to it",
        ReachedFrom::Wire => "from its own wire",
        ReachedFrom::Host => "from this host only",
    }
}

fn inner(way: &Reach) -> String {
    match way.private_port {
        0 => "every port".to_owned(),
        port => format!("{port}/{}", way.protocol),
    }
}

fn outer(way: &Reach) -> String {
    let port = match way.public_port {
        0 => "*".to_owned(),
        port => port.to_string(),
    };
    host_port(&way.ip, &port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gets_in_stands_before_where() {
        let way = |from, private_port, ip: &str, public_port| Reach {
            private_port,
            protocol: "tcp".into(),
            ip: ip.into(),
            public_port,
            from,
        };
        let ways = [
            way(ReachedFrom::Host, 81, "127.0.0.1", 8081),
            way(ReachedFrom::Outside, 80, "0.0.0.0", 8080),
            way(ReachedFrom::Outside, 80, "::", 8080),
            way(ReachedFrom::Wire, 0, "192.0.2.9", 0),
        ];
        assert_eq!(
            column(&ways),
            "from outside: 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp; \
             from its own wire: 192.0.2.9:*->every port; \
             from this host only: 127.0.0.1:8081->81/tcp"
        );
    }
}
