//! Searching a registry's names, with the first version's API: Docker Hub has it, few
//! others do.

use crate::{
    config::Credentials,
    error::{Error, Result, TransportError},
    registries::Registries,
    repository::{Access, Ask, Repository, Server},
};
use corten_oci::Reference;
use http::{Method, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

/// Docker Hub's server for searches.
const HUB: &str = "index.docker.io";
/// Bytes of an answer: a hundred hits with a line of description each.
const SEARCH_BODY_MAX: usize = 1 << 20;

/// One repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SearchHit {
    /// The repository.
    pub name: String,
    /// One line about it.
    pub description: String,
    /// How many like it.
    pub star_count: i64,
    /// Whether the registry vouches for it.
    pub is_official: bool,
    /// Of old: whether it was built by the registry.
    pub is_automated: bool,
}

impl Registries {
    /// Asks for repositories whose name or description has `term`; `host/term` asks that
    /// host, anything else Docker Hub. At most `limit` hits.
    pub async fn search(
        &self,
        term: &str,
        limit: usize,
        credentials: Option<Credentials>,
    ) -> Result<Vec<SearchHit>> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            results: Vec<SearchHit>,
        }
        let (host, term) = split(term);
        let name: Reference = format!("{host}/search")
            .parse()
            .map_err(|_| Error::Config {
                what: "registry address",
                value: host.to_owned(),
                reason: "not a host with an optional port".into(),
            })?;
        let (shared, endpoints) = self.server(host).await;
        let mut failure = Error::Protocol("the registry has no address".into());
        for endpoint in endpoints {
            let url = endpoint.base.origin.url("/v1/search");
            let url = url.with_parameter("q", term);
            let url = url.with_parameter("n", &limit.to_string());
            let server = Server::for_login(endpoint, credentials.clone().unwrap_or_default());
            let shared = Arc::clone(&shared);
            let session = Repository::new(shared, Vec::new(), &name, None, Access::Pull);
            let asked = session.ask_any(&server, Ask::new(Method::GET, url.clone(), ""));
            match asked.await {
                Ok(response) if response.status == StatusCode::OK => {
                    let failed = |e: TransportError| Error::transport(&Method::GET, &url, e);
                    let body = response.bytes(SEARCH_BODY_MAX).await.map_err(failed)?;
                    let found: Found = serde_json::from_slice(&body)
                        .map_err(|e| Error::Protocol(format!("search: {e}")))?;
                    return Ok(found.results);
                }
                Ok(response) => return Err(Error::Search(response.status.as_u16())),
                Err(error) if error.is_connection() => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}

/// `host[:port]/term`, or a term for Docker Hub, whose own images stand below `library/`.
fn split(term: &str) -> (&str, &str) {
    match term.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
        _ => (HUB, term.strip_prefix("library/").unwrap_or(term)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_says_which_registry_is_asked() {
        assert_eq!(split("nginx"), (HUB, "nginx"));
        assert_eq!(split("library/nginx"), (HUB, "nginx"));
        assert_eq!(split("team/app"), (HUB, "team/app"));
        assert_eq!(split("localhost/app"), ("localhost", "app"));
        assert_eq!(split("r.test:5000/a/b"), ("r.test:5000", "a/b"));
    }
}
