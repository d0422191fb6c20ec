//! Networks.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, json, no_content, read_json},
};
use corten_api::network as wire;

pub(super) async fn list(call: Call) -> Reply {
    let networks = call.engine.network_list(call.query.filters()?).await?;
    let networks: Vec<wire::Network> = networks.into_iter().map(convert::network).collect();
    json(&networks)
}

pub(super) async fn inspect(call: Call) -> Reply {
    // `verbose` adds facts of a swarm, `scope` tells its networks from local ones.
    match call.query.text("scope") {
        "" | "local" => {}
        scope => {
            let message = format!("network {} not found in scope {scope}", call.name);
            return Err(ApiError::new(corten_base::Kind::NotFound, message));
        }
    }
    json(&convert::network(
        call.engine.network_inspect(&call.name).await?,
    ))
}

pub(super) async fn create(mut call: Call) -> Reply {
    let request: wire::CreateRequest = read_json(&mut call).await?;
    if request.name.is_empty() {
        return Err(ApiError::invalid("invalid name: name is empty"));
    }
    Err(ApiError::unsupported("creating a network"))
}

pub(super) async fn connect(mut call: Call) -> Reply {
    let request: wire::ConnectRequest = read_json(&mut call).await?;
    call.engine.network_inspect(&call.name).await?;
    call.engine
        .container_inspect(&request.container, false)
        .await?;
    Err(ApiError::unsupported(
        "connecting a container to a further network",
    ))
}

pub(super) async fn disconnect(mut call: Call) -> Reply {
    let request: wire::DisconnectRequest = read_json(&mut call).await?;
    call.engine.network_inspect(&call.name).await?;
    call.engine
        .container_inspect(&request.container, false)
        .await?;
    Err(ApiError::unsupported(
        "disconnecting a container from a network",
    ))
}

pub(super) async fn remove(call: Call) -> Reply {
    call.engine.network_remove(&call.name).await?;
    no_content()
}
