//! Credentials.

use crate::error::ApiError;
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use corten_api::{auth as wire, json};
use corten_base::Redacted;
use corten_model::RegistryAuth;
use http::HeaderMap;
use std::collections::BTreeMap;

/// base64url, with and without padding.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header `X-Registry-Auth`. `None` without it, and, as in dockerd, when it cannot be
/// read: clients send rubbish there, and the registry says whether it must know who asks.
pub(crate) fn registry_auth(headers: &HeaderMap) -> Result<Option<RegistryAuth>, ApiError> {
    let Some(header) = headers.get(wire::HEADER) else {
        return Ok(None);
    };
    let text = URL_SAFE.decode(header.as_bytes());
    let auth = text
        .ok()
        .and_then(|text| json::from_slice::<wire::AuthConfig>(&text).ok());
    Ok(auth
        .filter(|auth| *auth != wire::AuthConfig::default())
        .map(auth_config))
}

/// The header `X-Registry-Config` of a build: credentials by registry.
pub(crate) fn registry_config(headers: &HeaderMap) -> Vec<(String, RegistryAuth)> {
    let header = headers.get("X-Registry-Config").map(|it| it.as_bytes());
    let text = URL_SAFE
        .decode(header.unwrap_or_default())
        .unwrap_or_default();
    let found = json::from_slice::<BTreeMap<String, wire::AuthConfig>>(&text);
    let auths = found.unwrap_or_default().into_iter();
    auths
        .map(|(server, auth)| (server, auth_config(auth)))
        .collect()
}

pub(crate) fn auth_config(auth: wire::AuthConfig) -> RegistryAuth {
    let wire::AuthConfig {
        username,
        password,
        auth,
        // Deprecated: registries do not ask for it.
        email: _,
        serveraddress,
        identitytoken,
        registrytoken,
    } = auth;
    RegistryAuth {
        username,
        password: Redacted::new(password),
        auth: Redacted::new(auth),
        identity_token: Redacted::new(identitytoken),
        registry_token: Redacted::new(registrytoken),
        server_address: serveraddress,
    }
}
