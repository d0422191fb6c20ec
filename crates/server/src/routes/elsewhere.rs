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

/// dockerd has checkpoints in experimental mode only, and Corten has no such mode.
pub(super) fn checkpoint() -> Reply {
    Err(ApiError::new(Kind::NotImplemented, messages::EXPERIMENTAL))
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

/// `enable` reads the seconds that it may take first; they have no default.
pub(super) fn plugin_enable(call: Call) -> Reply {
    let text = call.query.text("timeout");
    match text.parse::<i64>() {
        Ok(_) => plugin(call),
        Err(_) => Err(ApiError::not_a_number("Atoi", text)),
    }
}

/// `upgrade` looks for the plugin under its whole name.
pub(super) fn plugin_upgrade(mut call: Call) -> Reply {
    if !call
        .name
        .rsplit('/')
        .next()
        .is_some_and(|it| it.contains(':'))
    {
        call.name.push_str(":latest");
    }
    plugin(call)
}

pub(super) fn plugin_install() -> Reply {
    Err(ApiError::unsupported("installing plugins"))
}
