//! Credentials for registries: `POST /auth`, `X-Registry-Auth`, `X-Registry-Config`.

use crate::skip::empty;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The header that carries one [`AuthConfig`], base64url of its JSON.
pub const HEADER: &str = "X-Registry-Auth";

/// Credentials for one registry.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename = "registry.AuthConfig")]
pub struct AuthConfig {
    /// User name.
    #[serde(skip_serializing_if = "empty")]
    pub username: String,
    /// Password or personal token.
    #[serde(skip_serializing_if = "empty")]
    pub password: String,
    /// Base64 of `user:password`, from old files.
    #[serde(skip_serializing_if = "empty")]
    pub auth: String,
    /// Deprecated.
    #[serde(skip_serializing_if = "empty")]
    pub email: String,
    /// The registry.
    #[serde(skip_serializing_if = "empty")]
    pub serveraddress: String,
    /// A token in place of a password.
    #[serde(skip_serializing_if = "empty")]
    pub identitytoken: String,
    /// A bearer token sent as it is.
    #[serde(skip_serializing_if = "empty")]
    pub registrytoken: String,
}

/// Shows the user and the registry only.
impl fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthConfig")
            .field("username", &self.username)
            .field("serveraddress", &self.serveraddress)
            .finish_non_exhaustive()
    }
}

/// The answer of `POST /auth`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "registry.AuthenticateOKBody",
    rename_all = "PascalCase"
)]
pub struct AuthResponse {
    /// A token to keep in place of the password, or empty.
    pub identity_token: String,
    /// `Login Succeeded`.
    pub status: String,
}
