//! `moby.buildkit.v1.frontend.LLBBridge`: the client drives the build.

use crate::{
    control::{RpcStatus, WorkerRecord},
    llb::Definition,
};
use prost::Message;
use std::collections::HashMap;

/// `LLBBridge.Ping`.
#[derive(Clone, PartialEq, Message)]
pub struct PingRequest {}

/// Something that the other side can do.
#[derive(Clone, PartialEq, Message)]
pub struct ApiCap {
    /// Its name.
    #[prost(string, tag = "1")]
    pub id: String,
    /// It can.
    #[prost(bool, tag = "2")]
    pub enabled: bool,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct PongResponse {
    /// Of this service.
    #[prost(message, repeated, tag = "1")]
    pub frontend_api_caps: Vec<ApiCap>,
    /// Of graphs.
    #[prost(message, repeated, tag = "2")]
    pub llb_caps: Vec<ApiCap>,
    /// Workers.
    #[prost(message, repeated, tag = "3")]
    pub workers: Vec<WorkerRecord>,
}

/// A result that is not exported yet.
#[derive(Clone, PartialEq, Message)]
pub struct Ref {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// A graph that gives it, for a client that makes it the input of another build.
    #[prost(message, optional, tag = "2")]
    pub definition: Option<Definition>,
}

/// Results by platform.
#[derive(Clone, PartialEq, Message)]
pub struct RefMap {
    /// By key.
    #[prost(map = "string, message", tag = "1")]
    pub refs: HashMap<String, Ref>,
}

/// A result and what is said of it.
#[derive(Clone, PartialEq, Message)]
pub struct GatewayResult {
    /// One result.
    #[prost(message, optional, tag = "3")]
    pub single: Option<Ref>,
    /// Several.
    #[prost(message, optional, tag = "4")]
    pub several: Option<RefMap>,
    /// What is said of it.
    #[prost(map = "string, bytes", tag = "10")]
    pub metadata: HashMap<String, Vec<u8>>,
}

/// `LLBBridge.Solve`.
#[derive(Clone, PartialEq, Message)]
pub struct SolveRequest {
    /// A graph.
    #[prost(bytes = "vec", tag = "1")]
    pub definition: Vec<u8>,
    /// `dockerfile.v0`.
    #[prost(string, tag = "2")]
    pub frontend: String,
    /// Its options.
    #[prost(map = "string, string", tag = "3")]
    pub frontend_opt: HashMap<String, String>,
    /// Graphs that are contexts (`input:NAME`).
    #[prost(map = "string, message", tag = "13")]
    pub frontend_inputs: HashMap<String, Definition>,
    /// The client reads `result`.
    #[prost(bool, tag = "5")]
    pub allow_result_return: bool,
    /// Solve before answering.
    #[prost(bool, tag = "14")]
    pub evaluate: bool,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct SolveResponse {
    /// For old clients.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// The result.
    #[prost(message, optional, tag = "3")]
    pub result: Option<GatewayResult>,
}

/// `LLBBridge.Return`: what the client's build came to.
#[derive(Clone, PartialEq, Message)]
pub struct ReturnRequest {
    /// A result.
    #[prost(message, optional, tag = "1")]
    pub result: Option<GatewayResult>,
    /// Or a failure.
    #[prost(message, optional, tag = "2")]
    pub error: Option<RpcStatus>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct ReturnResponse {}

/// `LLBBridge.Inputs`.
#[derive(Clone, PartialEq, Message)]
pub struct InputsRequest {}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct InputsResponse {}

/// `LLBBridge.Warn`.
#[derive(Clone, PartialEq, Message)]
pub struct WarnRequest {
    /// The step.
    #[prost(string, tag = "1")]
    pub digest: String,
    /// 1 is a usual one.
    #[prost(int64, tag = "2")]
    pub level: i64,
    /// One line.
    #[prost(bytes = "vec", tag = "3")]
    pub short: Vec<u8>,
    /// More.
    #[prost(bytes = "vec", repeated, tag = "4")]
    pub detail: Vec<Vec<u8>>,
    /// Where it is explained.
    #[prost(string, tag = "5")]
    pub url: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct WarnResponse {}

/// `LLBBridge.Evaluate`.
#[derive(Clone, PartialEq, Message)]
pub struct EvaluateRequest {
    /// The result.
    #[prost(string, tag = "1")]
    pub reference: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct EvaluateResponse {}
