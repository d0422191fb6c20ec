//! `POST /containers/create`.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, created, read_json},
    messages,
};
use corten_api::container as wire;

pub(super) async fn create(mut call: Call) -> Reply {
    let request: wire::CreateRequest = read_json(&mut call).await?;
    if request.is_empty {
        return Err(ApiError::invalid(messages::EMPTY_CONFIG));
    }
    let text = |name: &str| {
        let value = call.query.text(name);
        (!value.is_empty()).then(|| value.to_owned())
    };
    let name = text("name");
    // The platform came with 1.41.
    let platform = if call.since(41) {
        text("platform")
    } else {
        None
    };
    let request = convert::create_request(request, name, platform, call.version)?;
    let made = call.engine.container_create(request).await?;
    created(&wire::CreateResponse {
        id: made.id.to_string(),
        warnings: made.warnings,
    })
}
