//! What a client serves in its session: credentials, secrets, agents.

use prost::Message;

/// A piece of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct BytesMessage {
    /// The bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

/// `Auth.Credentials`.
#[derive(Clone, PartialEq, Message)]
pub struct CredentialsRequest {
    /// The registry.
    #[prost(string, tag = "1")]
    pub host: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct CredentialsResponse {
    /// Empty with a token.
    #[prost(string, tag = "1")]
    pub username: String,
    /// Password or identity token.
    #[prost(string, tag = "2")]
    pub secret: String,
}

/// `Secrets.GetSecret`.
#[derive(Clone, PartialEq, Message)]
pub struct GetSecretRequest {
    /// Its name.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct GetSecretResponse {
    /// The secret.
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

/// `SSH.CheckAgent`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckAgentRequest {
    /// Its name.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct CheckAgentResponse {}
