//! Endpoints whose work Corten does not do yet: each says so, as Docker would where it can.

use crate::{
    error::ApiError,
    http::{Call, Reply, json},
    messages,
};
use corten_base::Kind;
use serde_json::json as value;

/// Everything of a swarm on a node that is in none.
pub(super) fn swarm() -> Reply {
    Err(ApiError::new(Kind::Unavailable, messages::NOT_A_MANAGER))
}

pub(super) fn swarm_leave() -> Reply {
    Err(ApiError::new(Kind::Unavailable, messages::NOT_IN_A_SWARM))
}

pub(super) fn swarm_begin() -> Reply {
    Err(ApiError::unsupported("swarm mode"))
}

pub(super) fn build() -> Reply {
    Err(ApiError::unsupported("building images"))
}

/// There is no build cache.
pub(super) fn build_prune() -> Reply {
    json(&value!({"CachesDeleted": null, "SpaceReclaimed": 0}))
}

pub(super) fn build_cancel() -> Reply {
    Err(ApiError::unsupported("cancelling a build"))
}

/// A BuildKit client's session.
pub(super) fn session(call: Call) -> Reply {
    match call.upgrade {
        None => Err(ApiError::invalid(messages::NO_UPGRADE)),
        Some(_) => Err(ApiError::unsupported("the builder's session")),
    }
}

pub(super) fn plugin_list() -> Reply {
    json(&value!([]))
}

pub(super) fn plugin(call: Call) -> Reply {
    Err(ApiError::new(
        Kind::NotFound,
        format!("plugin {:?} not found", call.name),
    ))
}

pub(super) fn plugin_install() -> Reply {
    Err(ApiError::unsupported("installing plugins"))
}
