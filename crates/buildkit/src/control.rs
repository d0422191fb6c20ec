//! `moby.buildkit.v1.Control`.

pub use crate::history::{
    Any, BlobDescriptor, BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest,
    BuildResultInfo, RpcStatus, UpdateBuildHistoryRequest, UpdateBuildHistoryResponse,
};

use crate::history::is_unset;
use prost::Message;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// `google.protobuf.Timestamp`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Timestamp {
    /// Since 1970.
    #[prost(int64, tag = "1")]
    #[serde(skip_serializing_if = "is_unset")]
    pub seconds: i64,
    /// Below a second.
    #[prost(int32, tag = "2")]
    #[serde(skip_serializing_if = "is_unset")]
    pub nanos: i32,
}

/// Where a result goes.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Exporter {
    /// `moby`, `tar`, `local`, …
    #[prost(string, tag = "1")]
    #[serde(rename = "Type", skip_serializing_if = "is_unset")]
    pub kind: String,
    /// Its options.
    #[prost(map = "string, string", tag = "2")]
    #[serde(rename = "Attrs", skip_serializing_if = "is_unset")]
    pub attrs: HashMap<String, String>,
}

/// A cache to read or to write.
#[derive(Clone, PartialEq, Message)]
pub struct CacheEntry {
    /// `registry`, `local`, `inline`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Its options.
    #[prost(map = "string, string", tag = "2")]
    pub attrs: HashMap<String, String>,
}

/// Caches of a build.
#[derive(Clone, PartialEq, Message)]
pub struct CacheOptions {
    /// Written.
    #[prost(message, repeated, tag = "4")]
    pub exports: Vec<CacheEntry>,
    /// Read.
    #[prost(message, repeated, tag = "5")]
    pub imports: Vec<CacheEntry>,
}

/// `Control.Solve`.
#[derive(Clone, PartialEq, Message)]
pub struct SolveRequest {
    /// The client's name for the build.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// A graph; clients of a Dockerfile send none.
    #[prost(bytes = "vec", tag = "2")]
    pub definition: Vec<u8>,
    /// Before 0.12.
    #[prost(string, tag = "3")]
    pub exporter_deprecated: String,
    /// Before 0.12.
    #[prost(map = "string, string", tag = "4")]
    pub exporter_attrs_deprecated: HashMap<String, String>,
    /// The session's ID.
    #[prost(string, tag = "5")]
    pub session: String,
    /// `dockerfile.v0`, or nothing when the client drives the build itself.
    #[prost(string, tag = "6")]
    pub frontend: String,
    /// The front end's options.
    #[prost(map = "string, string", tag = "7")]
    pub frontend_attrs: HashMap<String, String>,
    /// Caches.
    #[prost(message, optional, tag = "8")]
    pub cache: Option<CacheOptions>,
    /// What the client allows.
    #[prost(string, repeated, tag = "9")]
    pub entitlements: Vec<String>,
    /// Graphs that are contexts (`input:NAME`).
    #[prost(map = "string, message", tag = "10")]
    pub frontend_inputs: HashMap<String, crate::llb::Definition>,
    /// Not part of the history.
    #[prost(bool, tag = "11")]
    pub internal: bool,
    /// Where the result goes.
    #[prost(message, repeated, tag = "13")]
    pub exporters: Vec<Exporter>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct SolveResponse {
    /// What exporters say.
    #[prost(map = "string, string", tag = "1")]
    pub exporter_response: HashMap<String, String>,
}

/// `Control.Status`.
#[derive(Clone, PartialEq, Message)]
pub struct StatusRequest {
    /// The build.
    #[prost(string, tag = "1")]
    pub reference: String,
}

/// What happened since the last one.
#[derive(Clone, PartialEq, Message)]
pub struct StatusResponse {
    /// Steps.
    #[prost(message, repeated, tag = "1")]
    pub vertexes: Vec<Vertex>,
    /// Pieces of steps.
    #[prost(message, repeated, tag = "2")]
    pub statuses: Vec<VertexStatus>,
    /// Output.
    #[prost(message, repeated, tag = "3")]
    pub logs: Vec<VertexLog>,
    /// What checks found.
    #[prost(message, repeated, tag = "4")]
    pub warnings: Vec<VertexWarning>,
}

/// A step.
#[derive(Clone, PartialEq, Message)]
pub struct Vertex {
    /// Its identity.
    #[prost(string, tag = "1")]
    pub digest: String,
    /// What it stands on.
    #[prost(string, repeated, tag = "2")]
    pub inputs: Vec<String>,
    /// As it is shown.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The cache had it.
    #[prost(bool, tag = "4")]
    pub cached: bool,
    /// When it began.
    #[prost(message, optional, tag = "5")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[prost(message, optional, tag = "6")]
    pub completed: Option<Timestamp>,
    /// Why it failed.
    #[prost(string, tag = "7")]
    pub error: String,
}

/// A piece of a step.
#[derive(Clone, PartialEq, Message)]
pub struct VertexStatus {
    /// What it is.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The step.
    #[prost(string, tag = "2")]
    pub vertex: String,
    /// As it is shown.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Done.
    #[prost(int64, tag = "4")]
    pub current: i64,
    /// In all.
    #[prost(int64, tag = "5")]
    pub total: i64,
    /// Now.
    #[prost(message, optional, tag = "6")]
    pub timestamp: Option<Timestamp>,
    /// When it began.
    #[prost(message, optional, tag = "7")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[prost(message, optional, tag = "8")]
    pub completed: Option<Timestamp>,
}

/// Output of a step.
#[derive(Clone, PartialEq, Message)]
pub struct VertexLog {
    /// The step.
    #[prost(string, tag = "1")]
    pub vertex: String,
    /// When.
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    /// 1 or 2.
    #[prost(int64, tag = "3")]
    pub stream: i64,
    /// The bytes.
    #[prost(bytes = "vec", tag = "4")]
    pub msg: Vec<u8>,
}

/// A place in a text.
#[derive(Clone, PartialEq, Message)]
pub struct Position {
    /// From 1.
    #[prost(int32, tag = "1")]
    pub line: i32,
    /// From 0.
    #[prost(int32, tag = "2")]
    pub character: i32,
}

/// A part of a text.
#[derive(Clone, PartialEq, Message)]
pub struct Range {
    /// First line.
    #[prost(message, optional, tag = "1")]
    pub start: Option<Position>,
    /// Last line.
    #[prost(message, optional, tag = "2")]
    pub end: Option<Position>,
}

/// A text.
#[derive(Clone, PartialEq, Message)]
pub struct SourceInfo {
    /// Its name.
    #[prost(string, tag = "1")]
    pub filename: String,
    /// The text.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    /// `Dockerfile`.
    #[prost(string, tag = "4")]
    pub language: String,
}

/// What a check found.
#[derive(Clone, PartialEq, Message)]
pub struct VertexWarning {
    /// The step it is told with.
    #[prost(string, tag = "1")]
    pub vertex: String,
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
    /// The file.
    #[prost(message, optional, tag = "6")]
    pub info: Option<SourceInfo>,
    /// The lines.
    #[prost(message, repeated, tag = "7")]
    pub ranges: Vec<Range>,
}

/// A platform.
#[derive(Clone, PartialEq, Message)]
pub struct Platform {
    /// The processor.
    #[prost(string, tag = "1")]
    pub architecture: String,
    /// The system.
    #[prost(string, tag = "2")]
    pub os: String,
    /// The processor's variant.
    #[prost(string, tag = "3")]
    pub variant: String,
}

/// Who answers.
#[derive(Clone, PartialEq, Message)]
pub struct BuildkitVersion {
    /// The program.
    #[prost(string, tag = "1")]
    pub package: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// Its commit.
    #[prost(string, tag = "3")]
    pub revision: String,
    /// The front end's version.
    #[prost(string, tag = "4")]
    pub dockerfile_version: String,
}

/// When the cache is cleaned.
#[derive(Clone, PartialEq, Message)]
pub struct GcPolicy {
    /// Everything.
    #[prost(bool, tag = "1")]
    pub all: bool,
    /// Nanoseconds.
    #[prost(int64, tag = "2")]
    pub keep_duration: i64,
    /// Bytes that stay.
    #[prost(int64, tag = "3")]
    pub reserved_space: i64,
    /// Which entries.
    #[prost(string, repeated, tag = "4")]
    pub filters: Vec<String>,
    /// Bytes at most.
    #[prost(int64, tag = "5")]
    pub max_used_space: i64,
    /// Bytes left free.
    #[prost(int64, tag = "6")]
    pub min_free_space: i64,
}

/// A worker.
#[derive(Clone, PartialEq, Message)]
pub struct WorkerRecord {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Facts.
    #[prost(map = "string, string", tag = "2")]
    pub labels: HashMap<String, String>,
    /// What it builds for.
    #[prost(message, repeated, tag = "3")]
    pub platforms: Vec<Platform>,
    /// Its cache.
    #[prost(message, repeated, tag = "4")]
    pub gc_policy: Vec<GcPolicy>,
    /// Its version.
    #[prost(message, optional, tag = "5")]
    pub buildkit_version: Option<BuildkitVersion>,
}

/// `Control.ListWorkers`.
#[derive(Clone, PartialEq, Message)]
pub struct ListWorkersRequest {
    /// Which.
    #[prost(string, repeated, tag = "1")]
    pub filter: Vec<String>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct ListWorkersResponse {
    /// Workers.
    #[prost(message, repeated, tag = "1")]
    pub record: Vec<WorkerRecord>,
}

/// `Control.Info`.
#[derive(Clone, PartialEq, Message)]
pub struct InfoRequest {}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct InfoResponse {
    /// The version.
    #[prost(message, optional, tag = "1")]
    pub buildkit_version: Option<BuildkitVersion>,
}

/// `Control.DiskUsage`.
#[derive(Clone, PartialEq, Message)]
pub struct DiskUsageRequest {
    /// Which.
    #[prost(string, repeated, tag = "1")]
    pub filter: Vec<String>,
}

/// An entry of the cache.
#[derive(Clone, PartialEq, Message)]
pub struct UsageRecord {
    /// Its ID.
    #[prost(string, tag = "1")]
    pub id: String,
    /// It may still change.
    #[prost(bool, tag = "2")]
    pub mutable: bool,
    /// A build has it now.
    #[prost(bool, tag = "3")]
    pub in_use: bool,
    /// Bytes.
    #[prost(int64, tag = "4")]
    pub size: i64,
    /// When it was made.
    #[prost(message, optional, tag = "6")]
    pub created_at: Option<Timestamp>,
    /// When it was last of use.
    #[prost(message, optional, tag = "7")]
    pub last_used_at: Option<Timestamp>,
    /// How often.
    #[prost(int64, tag = "8")]
    pub usage_count: i64,
    /// The step.
    #[prost(string, tag = "9")]
    pub description: String,
    /// `regular` and others.
    #[prost(string, tag = "10")]
    pub record_type: String,
    /// An image has it, too.
    #[prost(bool, tag = "11")]
    pub shared: bool,
    /// What it stands on.
    #[prost(string, repeated, tag = "12")]
    pub parents: Vec<String>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct DiskUsageResponse {
    /// Entries.
    #[prost(message, repeated, tag = "1")]
    pub record: Vec<UsageRecord>,
}

/// `Control.Prune`.
#[derive(Clone, PartialEq, Message)]
pub struct PruneRequest {
    /// Which.
    #[prost(string, repeated, tag = "1")]
    pub filter: Vec<String>,
    /// Also what images have.
    #[prost(bool, tag = "2")]
    pub all: bool,
    /// Nanoseconds since the last use.
    #[prost(int64, tag = "3")]
    pub keep_duration: i64,
    /// Bytes that stay.
    #[prost(int64, tag = "4")]
    pub reserved_space: i64,
    /// Bytes at most.
    #[prost(int64, tag = "5")]
    pub max_used_space: i64,
    /// Bytes left free.
    #[prost(int64, tag = "6")]
    pub min_free_space: i64,
}
