use super::{Config, EndpointSettings, HostConfig};
use crate::json;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The body of `POST /containers/create`: a [`Config`] with two more fields beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateRequest {
    /// The portable part; its fields stand at the top of the body.
    #[serde(flatten)]
    pub config: Config,
    /// The part that depends on the host.
    pub host_config: HostConfig,
    /// Endpoints by network name.
    pub networking_config: NetworkingConfig,
    /// Whether the body had any field: Docker refuses one without (never sent).
    #[serde(skip)]
    pub is_empty: bool,
}

/// Endpoints by network name or ID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "network.NetworkingConfig",
    rename_all = "PascalCase"
)]
pub struct NetworkingConfig {
    /// A `null` endpoint means all defaults.
    pub endpoints_config: Option<BTreeMap<String, Option<EndpointSettings>>>,
}

/// The answer to a create request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    default,
    rename = "container.CreateResponse",
    rename_all = "PascalCase"
)]
pub struct CreateResponse {
    /// The new container's ID.
    pub id: String,
    /// Sentences for the user.
    pub warnings: Vec<String>,
}

impl<'de> Deserialize<'de> for CreateRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename = "container.CreateRequest", rename_all = "PascalCase")]
        struct Beside {
            host_config: HostConfig,
            networking_config: NetworkingConfig,
        }

        let body = serde_json::Value::deserialize(deserializer)?;
        let is_empty = body.as_object().is_none_or(serde_json::Map::is_empty);
        let beside: Beside = json::from_value_embedded(&body).map_err(serde::de::Error::custom)?;
        let config = json::from_value_embedded(&body).map_err(serde::de::Error::custom)?;
        Ok(Self {
            config,
            host_config: beside.host_config,
            networking_config: beside.networking_config,
            is_empty,
        })
    }
}
