//! The machine's view of registries: which servers stand for a domain, and how far each
//! is trusted.

use crate::{
    config::{Config, Credentials, InsecureRegistry, RegistryRules},
    error::{Error, Result},
    http::Http,
    limits::Timeouts,
    pool::Pool,
    repository::{Access, Repository},
    tls::{Tls, TlsFiles},
    url::{Origin, Scheme, Url},
};
use corten_oci::{Reference, reference::DEFAULT_DOMAIN};
use rustls::ClientConfig;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// The server behind Docker Hub's domain.
const DOCKER_HUB: &str = "registry-1.docker.io";
/// For finding out whether a registry's name is an insecure address.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// All registries, as this machine may reach them. Cheap to clone.
#[derive(Clone)]
pub struct Registries(Arc<Shared>);

pub(crate) struct Shared {
    pub config: Config,
    pub timeouts: Timeouts,
    /// By the domain they stand for.
    mirrors: HashMap<String, Vec<Url>>,
    tls: Tls,
    pool: Pool,
    // Lock: held for look-ups only.
    remembered: Mutex<HashMap<String, Scheme>>,
}

/// A server that may have a repository.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Ends in `/v2/`.
    pub base: Url,
    pub mirror: bool,
    /// May be reached over either scheme.
    pub insecure: bool,
}

impl Registries {
    /// Checks the configuration.
    pub fn new(config: Config) -> Result<Self> {
        Self::with_timeouts(config, Timeouts::default())
    }

    /// With other waits than the usual ones.
    pub fn with_timeouts(config: Config, timeouts: Timeouts) -> Result<Self> {
        let parse = |text: &String| {
            let url = Url::parse(text).filter(|url| !url.target.contains('?'));
            url.ok_or_else(|| Error::Config {
                what: "invalid mirror",
                value: text.clone(),
                reason: "not an http or https URL without query and fragment".into(),
            })
        };
        let mut mirrors: HashMap<String, Vec<Url>> = HashMap::new();
        let hub = config.mirrors.iter().map(|url| (DEFAULT_DOMAIN, url));
        let others = config.registries.iter();
        let others = others
            .flat_map(|(domain, rules)| rules.mirrors.iter().map(|url| (domain.as_str(), url)));
        for (domain, url) in hub.chain(others) {
            let known = mirrors.entry(address(domain)).or_default();
            known.push(parse(url)?);
        }
        let (tls, pool, remembered) = (Tls::default(), Pool::new(timeouts.idle), Mutex::default());
        Ok(Self(Arc::new(Shared {
            config,
            timeouts,
            mirrors,
            tls,
            pool,
            remembered,
        })))
    }

    /// The repository of `name`, for one piece of work: tokens are kept as long as the value
    /// lives, connections a little longer, for the next one.
    pub async fn repository(
        &self,
        name: &Reference,
        credentials: Option<Credentials>,
        access: Access,
    ) -> Repository {
        let endpoints = self
            .0
            .endpoints(name.domain(), access == Access::Pull)
            .await;
        Repository::new(Arc::clone(&self.0), endpoints, name, credentials, access)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) async fn server(&self, address: &str) -> (Arc<Shared>, Vec<Endpoint>) {
        (Arc::clone(&self.0), self.0.endpoints(address, false).await)
    }
}

impl Shared {
    pub fn http(&self) -> Http {
        Http::new(
            self.config.proxies.clone(),
            self.timeouts,
            &self.config.user_agent,
            self.pool.clone(),
        )
    }

    /// The servers to ask for a domain, in order.
    async fn endpoints(&self, domain: &str, mirrors: bool) -> Vec<Endpoint> {
        let mut endpoints = Vec::new();
        if mirrors {
            for url in self.mirrors.get(&address(domain)).into_iter().flatten() {
                let target = mirror_target(&url.target);
                let insecure = self.is_insecure(&url.origin).await;
                let base = url.origin.url(target);
                endpoints.push(Endpoint {
                    base,
                    mirror: true,
                    insecure,
                });
            }
        }
        let domain = if domain == DEFAULT_DOMAIN {
            DOCKER_HUB
        } else {
            domain
        };
        let Some(secure) = Origin::parse(Scheme::Https, domain) else {
            return endpoints;
        };
        let insecure = self.is_insecure(&secure).await;
        let mut schemes = vec![Scheme::Https];
        if insecure {
            let remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match remembered.get(domain) {
                Some(Scheme::Http) => schemes.insert(0, Scheme::Http),
                _ => schemes.push(Scheme::Http),
            }
        }
        endpoints.extend(schemes.into_iter().filter_map(|scheme| {
            let base = Origin::parse(scheme, domain)?.url("/v2/");
            Some(Endpoint {
                base,
                mirror: false,
                insecure,
            })
        }));
        endpoints
    }

    /// Next time, try the scheme that worked first.
    pub fn remember(&self, endpoint: &Endpoint) {
        if endpoint.insecure && !endpoint.mirror {
            let origin = &endpoint.base.origin;
            let mut remembered = self
                .remembered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            remembered.insert(origin.authority(), origin.scheme);
        }
    }

    /// TLS settings for servers that nobody has configured.
    pub fn tls_of_the_system(&self) -> Result<Arc<ClientConfig>> {
        self.tls.config(&TlsFiles::default(), false)
    }

    /// TLS settings for a server.
    pub async fn tls_for(&self, origin: &Origin) -> Result<Arc<ClientConfig>> {
        let authority = origin.authority();
        let directories = self.config.certificates_dirs.iter();
        let rules = self.rules(&authority);
        let own = TlsFiles {
            directories: directories.map(|it| it.join(&authority)).collect(),
            authorities: rules.map(|it| it.authorities.clone()).unwrap_or_default(),
            client: rules.and_then(|it| it.client.clone()),
        };
        let insecure = origin.scheme == Scheme::Https && self.is_insecure(origin).await;
        self.tls
            .config(&own, insecure || origin.scheme == Scheme::Http)
    }

    /// What is said of a server by its address.
    pub(crate) fn rules(&self, authority: &str) -> Option<&RegistryRules> {
        let domain = match authority {
            DOCKER_HUB => DEFAULT_DOMAIN,
            other => other,
        };
        let mut rules = self.config.registries.iter();
        let found = rules.find(|(name, _)| address(name) == domain);
        found.map(|(_, rules)| rules)
    }

    /// Listed by name, or at an address of a listed network. Loopback always is.
    async fn is_insecure(&self, origin: &Origin) -> bool {
        let (host, with_port) = (&origin.host, format!("{}:{}", origin.host, origin.port));
        let authority = origin.authority();
        if self.rules(&authority).is_some_and(|rules| rules.insecure) {
            return true;
        }
        let listed = self.config.insecure.iter().any(|entry| {
            matches!(entry, InsecureRegistry::Host(name)
                if name == host || *name == with_port || *name == authority)
        });
        if listed {
            return true;
        }
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) if host == "localhost" => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            // Docker Hub is never insecure unless listed by name.
            Err(_) if host == DOCKER_HUB => Vec::new(),
            Err(_) => {
                let lookup = tokio::net::lookup_host((host.as_str(), origin.port));
                let found = timeout(LOOKUP_TIMEOUT, lookup)
                    .await
                    .ok()
                    .and_then(Result::ok);
                found
                    .map(|list| list.map(|a| a.ip()).collect())
                    .unwrap_or_default()
            }
        };
        let in_network = |address: &IpAddr| {
            self.config
                .insecure
                .iter()
                .any(|entry| entry.contains(*address))
        };
        addresses
            .iter()
            .any(|address| address.to_canonical().is_loopback() || in_network(address))
    }
}

/// A registry's address without the port that goes without saying.
fn address(domain: &str) -> String {
    Origin::parse(Scheme::Https, domain).map_or_else(|| domain.to_owned(), |it| it.authority())
}

/// Where the API of a mirror begins: below its path, or, of a path with `/v2/` in it, there.
fn mirror_target(path: &str) -> String {
    let path = path.trim_end_matches('/');
    match path.ends_with("/v2") || path.contains("/v2/") {
        true => format!("{path}/"),
        false => format!("{path}/v2/"),
    }
}

#[cfg(test)]
mod tests {
    use super::mirror_target;

    #[test]
    fn a_mirror_may_begin_in_the_middle_of_the_names() {
        for (path, target) in [
            ("", "/v2/"),
            ("/", "/v2/"),
            ("/hub", "/hub/v2/"),
            ("/v2", "/v2/"),
            ("/v2/quay/", "/v2/quay/"),
            ("/cache/v2/quay", "/cache/v2/quay/"),
        ] {
            assert_eq!(mirror_target(path), target, "{path:?}");
        }
    }
}
