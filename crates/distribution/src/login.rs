//! Credentials checked with their registry.

use crate::{
    config::Credentials,
    error::{Error, Result},
    registries::Registries,
    repository::{Access, Ask, Repository, Server},
};
use corten_oci::Reference;
use http::Method;

/// Names of Docker Hub that clients send as the address to log in to.
const HUB_NAMES: &[&str] = &["", "docker.io", "index.docker.io", "registry-1.docker.io"];

impl Registries {
    /// Shows `credentials` to their registry. Gives a refresh token to keep instead of the
    /// password where the token server hands one out, else an empty text.
    pub async fn login(&self, credentials: Credentials) -> Result<String> {
        let address = credentials.server_address.as_str();
        let address = address.split_once("://").map_or(address, |(_, rest)| rest);
        let address = address.split('/').next().unwrap_or_default();
        let domain = if HUB_NAMES.contains(&address) {
            "docker.io"
        } else {
            address
        };
        let name: Reference = format!("{domain}/login")
            .parse()
            .map_err(|_| Error::Config {
                what: "registry address",
                value: credentials.server_address.clone(),
                reason: "not a host with an optional port".into(),
            })?;
        let (shared, endpoints) = self.server(domain).await;
        let mut failure = Error::Protocol("the registry has no address".into());
        for endpoint in endpoints {
            let url = endpoint.base.clone();
            let shown = url.to_string();
            let server = Server::for_login(endpoint, credentials.clone());
            let session = Repository::new(
                std::sync::Arc::clone(&shared),
                Vec::new(),
                &name,
                None,
                Access::Pull,
            );
            match session.ask(&server, Ask::new(Method::GET, url, "")).await {
                Ok(_) => {
                    shared.remember(&server.endpoint);
                    return Ok(server.refresh_token().unwrap_or_default());
                }
                Err(Error::Registry(refusal)) => {
                    return Err(Error::Login {
                        url: shown,
                        status: refusal.status,
                    });
                }
                Err(error) if error.is_connection() => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }
}
