use super::{Query, RequestBody};
use crate::grpc::BuildKit;
use corten_api::ApiVersion;
use corten_engine::Engine;
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use std::sync::Arc;

/// One request for one endpoint.
pub(crate) struct Call {
    pub engine: Arc<Engine>,
    /// The builder's sessions and running builds.
    pub buildkit: Arc<BuildKit>,
    /// What the client speaks.
    pub version: ApiVersion,
    /// The text in place of the braces of the endpoint's path, decoded.
    pub name: String,
    pub query: Query,
    pub headers: HeaderMap,
    /// Taken by who reads it.
    pub body: Option<RequestBody>,
    /// The connection itself, where the client asked for an upgrade.
    pub upgrade: Option<OnUpgrade>,
}

impl Call {
    /// Whether the client speaks `1.minor` or newer.
    pub fn since(&self, minor: u32) -> bool {
        self.version >= ApiVersion::v1(minor)
    }
}
