//! Networks.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, created, json, no_content, read_json},
    messages,
};
use corten_api::network as wire;

/// What Go takes for a boolean.
const BOOLEANS: [&str; 12] = [
    "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
];

pub(super) async fn list(call: Call) -> Reply {
    let networks = call.engine.network_list(call.query.filters()?).await?;
    let networks: Vec<wire::Network> = networks.into_iter().map(convert::network).collect();
    json(&networks)
}

pub(super) async fn inspect(call: Call) -> Reply {
    // `verbose` adds facts of a swarm, `scope` tells its networks from local ones.
    let verbose = call.query.text("verbose");
    if !verbose.is_empty() && !BOOLEANS.contains(&verbose) {
        let sentence = messages::invalid_boolean("verbose", verbose);
        return Err(ApiError::invalid(sentence));
    }
    if !["", "local"].contains(&call.query.text("scope")) {
        let sentence = messages::no_such_network(&call.name);
        return Err(ApiError::new(corten_base::Kind::NotFound, sentence));
    }
    json(&convert::network(
        call.engine.network_inspect(&call.name).await?,
    ))
}

pub(super) async fn create(mut call: Call) -> Reply {
    let request: wire::CreateRequest = read_json(&mut call).await?;
    let request = convert::network_create_request(request);
    let made = call.engine.network_create(request).await?;
    created(&wire::CreateResponse {
        id: made.id.to_string(),
        warning: String::new(),
    })
}

pub(super) async fn connect(mut call: Call) -> Reply {
    let wire::ConnectRequest {
        container,
        endpoint_config,
    } = read_json(&mut call).await?;
    let config = endpoint_config
        .map(convert::endpoint_config)
        .unwrap_or_default();
    call.engine
        .network_connect(&call.name, &container, config)
        .await?;
    super::ok_empty()
}

pub(super) async fn disconnect(mut call: Call) -> Reply {
    let wire::DisconnectRequest { container, force } = read_json(&mut call).await?;
    call.engine
        .network_disconnect(&call.name, &container, force)
        .await?;
    super::ok_empty()
}

pub(super) async fn remove(call: Call) -> Reply {
    call.engine.network_remove(&call.name).await?;
    no_content()
}
