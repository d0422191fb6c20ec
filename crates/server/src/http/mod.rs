//! HTTP beneath the routes: a request taken apart, bodies, answers, hijacked connections.

mod body;
mod call;
mod hijack;
mod query;
mod reply;
mod request_body;
pub(crate) mod websocket;

pub(crate) use body::{Body, pass_over, read_json, read_json_or_default, stream_of};
pub(crate) use call::Call;
pub(crate) use hijack::{Kind as StreamKind, hijack, hijack_with_message, switched, taken_over};
pub(crate) use query::Query;
pub(crate) use reply::{
    Reply, bytes, created, empty, error, json, json_lines, no_content, ok_text, stream,
};
pub(crate) use request_body::RequestBody;
