//! Who bears which name on which network.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A container's place on one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The network's name.
    pub network: String,
    /// The container's names there, the first of which its address leads back to.
    pub names: Vec<String>,
    /// Its addresses there.
    pub addresses: Vec<IpAddr>,
    /// Names that this container alone knows others by: name, and what it stands for.
    pub links: Vec<(String, String)>,
    /// Whether the network leads to the outside.
    pub external: bool,
    /// Whether the container's address is told only where nobody else bears the name: it is
    /// not ready yet, or about to end.
    pub aside: bool,
}

/// All names of this engine. Names are compared without regard to case.
#[derive(Debug, Default)]
pub struct Directory {
    networks: HashMap<String, Network>,
    /// Places by container, in the order in which they are asked.
    containers: HashMap<String, Vec<Place>>,
    /// Turns the order of several addresses from answer to answer.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Bearer {
    container: String,
    addresses: Vec<IpAddr>,
    aside: bool,
}

#[derive(Debug, Default)]
struct Network {
    /// Who bears a name.
    names: HashMap<String, Vec<Bearer>>,
    /// Container and name by address.
    addresses: HashMap<IpAddr, Vec<(String, String)>>,
}

impl Directory {
    /// Puts a container where it is now, in place of where it was; without places it is
    /// forgotten.
    pub fn set(&mut self, container: &str, places: Vec<Place>) {
        for place in self.containers.remove(container).unwrap_or_default() {
            self.leave(container, &place);
        }
        for place in &places {
            let network = self.networks.entry(place.network.clone()).or_default();
            for name in &place.names {
                let bearers = network.names.entry(name.to_lowercase()).or_default();
                if !bearers.iter().any(|bearer| bearer.container == container) {
                    bearers.push(Bearer {
                        container: container.to_owned(),
                        addresses: place.addresses.clone(),
                        aside: place.aside,
                    });
                }
            }
            for (address, name) in place
                .addresses
                .iter()
                .filter_map(|a| Some((a, place.names.first()?)))
            {
                let names = network.addresses.entry(*address).or_default();
                names.push((container.to_owned(), name.clone()));
            }
        }
        if !places.is_empty() {
            self.containers.insert(container.to_owned(), places);
        }
    }

    fn leave(&mut self, container: &str, place: &Place) {
        let Some(network) = self.networks.get_mut(&place.network) else {
            return;
        };
        for name in &place.names {
            let name = name.to_lowercase();
            if let Some(bearers) = network.names.get_mut(&name) {
                bearers.retain(|bearer| bearer.container != container);
                if bearers.is_empty() {
                    network.names.remove(&name);
                }
            }
        }
        for address in &place.addresses {
            if let Some(names) = network.addresses.get_mut(address) {
                names.retain(|(other, _)| other != container);
                if names.is_empty() {
                    network.addresses.remove(address);
                }
            }
        }
        if network.names.is_empty() && network.addresses.is_empty() {
            self.networks.remove(&place.network);
        }
    }

    /// The addresses that a name has for a container, of both families; `None` if nobody it
    /// shares a network with bears it. Docker's order: `a.b` is first a name on any of its
    /// networks, then the name `a` on the network `b`; on each, links come first.
    pub fn resolve(&self, container: &str, name: &str) -> Option<Vec<IpAddr>> {
        let places = self.containers.get(container)?;
        let name = name.trim_end_matches('.').to_lowercase();
        let dots = name.rmatch_indices('.').map(|(at, _)| at);
        let splits = std::iter::once((name.as_str(), "")).chain(dots.map(|at| {
            let (front, rest) = name.split_at(at);
            (front, &rest[1..])
        }));
        splits.into_iter().find_map(|(name, network)| {
            let on = || {
                places
                    .iter()
                    .filter(move |place| network.is_empty() || place.network == network)
            };
            on().find_map(|place| self.look_up(place, link(place, name)?))
                .or_else(|| {
                    on().filter(|place| link(place, name).is_none())
                        .find_map(|place| self.look_up(place, name))
                })
        })
    }

    fn look_up(&self, place: &Place, name: &str) -> Option<Vec<IpAddr>> {
        let bearers = self
            .networks
            .get(&place.network)?
            .names
            .get(&name.to_lowercase())?;
        let all_stand_aside = bearers.iter().all(|bearer| bearer.aside);
        let told = bearers
            .iter()
            .filter(|bearer| all_stand_aside || !bearer.aside);
        let mut all: Vec<IpAddr> = Vec::new();
        for address in told.flat_map(|bearer| &bearer.addresses) {
            if !all.contains(address) {
                all.push(*address);
            }
        }
        if !all.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % all.len();
            all.rotate_left(turn);
        }
        Some(all)
    }

    /// The name an address leads back to for a container: its bearer's first name, and the
    /// network's.
    pub fn reverse(&self, container: &str, address: IpAddr) -> Option<String> {
        self.containers.get(container)?.iter().find_map(|place| {
            let network = self.networks.get(&place.network)?;
            let (_, name) = network.addresses.get(&address)?.first()?;
            Some(format!("{name}.{}", place.network))
        })
    }

    /// Whether a container is on a network that leads to the outside.
    pub fn is_external(&self, container: &str) -> bool {
        let places = self.containers.get(container);
        places.into_iter().flatten().any(|place| place.external)
    }
}

fn link<'a>(place: &'a Place, name: &str) -> Option<&'a str> {
    let found = place
        .links
        .iter()
        .find(|(alias, _)| alias.eq_ignore_ascii_case(name))?;
    Some(&found.1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is a failed test
mod tests {
    use super::*;

    fn place(network: &str, names: &[&str], last: u8) -> Place {
        Place {
            network: network.into(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            addresses: vec![[10, 0, 0, last].into()],
            external: network != "inner",
            ..Place::default()
        }
    }

    fn text(found: Option<Vec<IpAddr>>) -> String {
        found.map_or("-".into(), |all| {
            let all: Vec<_> = all.iter().map(ToString::to_string).collect();
            all.join(" ")
        })
    }

    #[test]
    fn names_are_known_to_those_who_share_the_network() {
        let mut directory = Directory::default();
        directory.set("a", vec![place("front", &["web", "W.x"], 2)]);
        directory.set(
            "b",
            vec![place("front", &["db"], 3), place("inner", &["db"], 4)],
        );
        directory.set("c", vec![place("inner", &["cache"], 5)]);
        for (who, name, wanted) in [
            ("a", "db", "10.0.0.3"),
            ("b", "web", "10.0.0.2"),
            ("b", "WEB.", "10.0.0.2"),
            ("b", "w.X", "10.0.0.2"),
            ("b", "web.front", "10.0.0.2"),
            ("b", "web.inner", "-"),
            ("b", "w.x.front", "10.0.0.2"),
            ("c", "web", "-"),
            ("c", "db", "10.0.0.4"),
            ("x", "db", "-"),
        ] {
            assert_eq!(text(directory.resolve(who, name)), wanted, "{who}: {name}");
        }
        let address = [10, 0, 0, 2].into();
        assert_eq!(directory.reverse("b", address).unwrap(), "web.front");
        assert_eq!(directory.reverse("c", address), None);
        assert!(directory.is_external("b") && !directory.is_external("c"));
        directory.set("a", vec![]);
        assert_eq!(directory.resolve("b", "web"), None);
        assert_eq!(directory.reverse("b", address), None);
    }

    #[test]
    fn several_bearers_take_turns() {
        let mut directory = Directory::default();
        for (container, last) in [("a", 2), ("b", 3), ("c", 4)] {
            directory.set(container, vec![place("n", &[container, "web"], last)]);
        }
        let first = |_| directory.resolve("a", "web").unwrap()[0];
        let firsts: std::collections::BTreeSet<_> = (0..9).map(first).collect();
        assert_eq!(firsts.len(), 3);
        assert_eq!(directory.resolve("a", "web").unwrap().len(), 3);
    }

    #[test]
    fn who_stands_aside_is_told_only_where_nobody_else_bears_the_name() {
        let mut directory = Directory::default();
        let aside = |last| Place {
            aside: true,
            ..place("n", &["web", "new"], last)
        };
        directory.set("a", vec![place("n", &["web"], 2)]);
        directory.set("b", vec![aside(3)]);
        assert_eq!(text(directory.resolve("a", "web")), "10.0.0.2");
        assert_eq!(text(directory.resolve("a", "new")), "10.0.0.3");
        directory.set("a", vec![aside(2)]);
        directory.set("b", vec![place("n", &["web"], 3)]);
        assert_eq!(text(directory.resolve("a", "web")), "10.0.0.3");
        directory.set("b", vec![]);
        assert_eq!(text(directory.resolve("a", "web")), "10.0.0.2");
    }

    #[test]
    fn a_link_is_known_to_its_container_alone() {
        let mut directory = Directory::default();
        let mut linked = place("n", &["a"], 2);
        linked.links = vec![("database".into(), "b".into())];
        directory.set("a", vec![linked]);
        directory.set("b", vec![place("n", &["b"], 3)]);
        directory.set("c", vec![place("n", &["c"], 4)]);
        assert_eq!(text(directory.resolve("a", "DATABASE")), "10.0.0.3");
        assert_eq!(text(directory.resolve("c", "database")), "-");
    }
}
