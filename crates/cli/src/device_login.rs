//! `login` by a browser: the user confirms a code there, and no password is typed here.
//!
//! ```text
//! /oauth/device/code ─▶ code and address ─▶ the user ─▶ /oauth/token ─▶ token
//!                                  audience/v2/access-tokens/desktop-generate ─▶ password
//! ```
//! The device grant (RFC 8628) as Docker Hub has it: the token is exchanged for an access
//! token of the registry, which is kept as a password. `config.json` says which registries
//! have such a server:
//! `"deviceLogin": {"REGISTRY": {"server": URL, "clientId": ID, "audience": URL}}`.

use crate::{
    app::App,
    config::{ConfigFile, credentials},
    error::CliError,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use corten_api::auth::AuthConfig;
use corten_distribution::{Answer, Config, Message, ProxyConfig, Registries};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Seconds between two questions where the server names none (RFC 8628 § 3.2), and what
/// `slow_down` adds (§ 3.5).
const INTERVAL_SECONDS: u64 = 5;
/// Seconds a code is good for at most, whatever the server says.
const EXPIRY_SECONDS_MAX: u64 = 3600;

/// A registry's login server.
struct Server {
    registries: Registries,
    url: String,
    client_id: String,
    audience: String,
}

#[derive(Deserialize)]
struct DeviceCode {
    device_code: String,
    user_code: String,
    #[serde(default)]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: String,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

/// Credentials for `registry` by its login server; `None` where it has none, or where that
/// gives no code: then a password is asked for.
pub(crate) async fn login(
    app: &App,
    config: &ConfigFile,
    registry: &str,
) -> Result<Option<AuthConfig>, CliError> {
    let Some(server) = Server::of(config, registry)? else {
        return Ok(None);
    };
    let Ok(code) = server.code().await else {
        app.warn("Failed to start web-based login - falling back to command line login...\n");
        return Ok(None);
    };
    app.warn(&format!(
        "\nUSING WEB-BASED LOGIN\nTo sign in with credentials on the command line, use '{} login -u <username>'\n",
        if app.is_docker() { "docker" } else { "corten" },
    ));
    let address = match code.verification_uri.as_str() {
        "" => code
            .verification_uri_complete
            .split('?')
            .next()
            .unwrap_or_default(),
        address => address,
    };
    app.warn(&format!(
        "Your one-time device confirmation code is: {}\nSubmit your device code here: {address}\n\nWaiting for authentication in the browser…",
        code.user_code,
    ));
    let token = server.wait(&code).await?;
    let username =
        username(&token, &server.audience).ok_or_else(|| failed("the token names no user"))?;
    Ok(Some(AuthConfig {
        username,
        password: server.password(&token).await?,
        serveraddress: registry.to_owned(),
        ..AuthConfig::default()
    }))
}

impl Server {
    fn of(config: &ConfigFile, registry: &str) -> Result<Option<Self>, CliError> {
        let all = config.document().members(&["deviceLogin"]);
        let own = all
            .iter()
            .find(|(name, _)| credentials::server_key(name) == registry);
        let Some((name, given)) = own else {
            return Ok(None);
        };
        let text = |key: &str| match given.text(&[key]) {
            "" => Err(CliError::Text(format!(
                "config.json: deviceLogin of {name} has no {key:?}: give it, or remove the entry"
            ))),
            text => Ok(text.trim_end_matches('/').to_owned()),
        };
        let http = Config {
            proxies: ProxyConfig::from_environment(),
            ..Config::default()
        };
        Ok(Some(Self {
            url: text("server")?,
            client_id: text("clientId")?,
            audience: text("audience")?,
            registries: Registries::new(http).map_err(|error| failed(&error.to_string()))?,
        }))
    }

    async fn code(&self) -> Result<DeviceCode, CliError> {
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("audience", &self.audience),
            ("scope", "openid"),
        ];
        let url = format!("{}/oauth/device/code", self.url);
        let answer = self.post(&url, Message::Form(&fields)).await?;
        match answer.status {
            200 => serde_json::from_slice(&answer.body).map_err(|error| failed(&error.to_string())),
            status => Err(failed(&format!("unexpected response from {url}: {status}"))),
        }
    }

    /// Asks until the user has answered.
    async fn wait(&self, code: &DeviceCode) -> Result<String, CliError> {
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &code.device_code),
        ];
        let url = format!("{}/oauth/token", self.url);
        let mut pause = Duration::from_secs(code.interval.unwrap_or(INTERVAL_SECONDS).max(1));
        let begun = Instant::now();
        let longest = Duration::from_secs(code.expires_in.min(EXPIRY_SECONDS_MAX));
        while begun.elapsed() < longest {
            tokio::time::sleep(pause).await;
            // A refusal is told by a status, too: what counts is the document.
            let answer = self.post(&url, Message::Form(&fields)).await?;
            let token: Token = serde_json::from_slice(&answer.body)
                .map_err(|error| failed(&format!("{}: {error}", answer.status)))?;
            match token.error.as_str() {
                "" if token.access_token.is_empty() => return Err(failed("no token was given")),
                "" => return Ok(token.access_token),
                "authorization_pending" => {}
                "slow_down" => pause += Duration::from_secs(INTERVAL_SECONDS),
                error if token.error_description.is_empty() => return Err(failed(error)),
                _ => return Err(failed(&token.error_description)),
            }
        }
        Err(failed("timed out waiting for device token"))
    }

    /// What the registry takes for a password.
    async fn password(&self, token: &str) -> Result<String, CliError> {
        let url = format!("{}/v2/access-tokens/desktop-generate", self.audience);
        let answer = self.post(&url, Message::Bearer(token)).await?;
        let given: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
        let given = given.as_ref().and_then(|it| it["data"]["token"].as_str());
        match (answer.status, given.unwrap_or_default()) {
            (201, given) if !given.is_empty() => Ok(given.to_owned()),
            (status, _) => Err(failed(&format!("unexpected response from {url}: {status}"))),
        }
    }

    async fn post(&self, url: &str, message: Message<'_>) -> Result<Answer, CliError> {
        let answer = self.registries.post(url, message).await;
        answer.map_err(|error| failed(&error.to_string()))
    }
}

fn failed(reason: &str) -> CliError {
    CliError::Text(format!("failed waiting for authentication: {reason}"))
}

/// The user in the audience's claim of a token (RFC 7519). It comes from the server that
/// made it, so that its signature says nothing more.
fn username(token: &str, audience: &str) -> Option<String> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    let name = claims.get(audience)?.get("username")?.as_str()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_in_the_claim_of_the_audience() {
        let claims = r#"{"https://hub.example.com":{"username":"ann"}}"#;
        let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        let hub = "https://hub.example.com";
        assert_eq!(username(&token, hub).as_deref(), Some("ann"));
        assert_eq!(username(&token, "https://other.example.com"), None);
        assert_eq!(username("no token", hub), None);
    }
}
