//! Builds of the past in `moby.buildkit.v1.Control`, and how they leave the engine and come
//! into it.
//!
//! A record is JSON, too, where it leaves in a file: with the names that BuildKit's clients
//! write there, and without what is not set.

use crate::control::{Exporter, Timestamp};
use prost::Message;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// [`BuildHistoryRecord::logs`]: its media type.
pub const LOGS: &str = "application/vnd.buildkit.status.v0";
/// [`BuildHistoryRecord::trace`]: its media type.
pub const TRACE: &str = "application/vnd.buildkit.otlp.json.v0";
/// The service that takes builds in. Not BuildKit's, which has none.
pub const IMPORT_SERVICE: &str = "corten.build.v1.History";

/// `Import`: a build of another engine is to be remembered here.
#[derive(Clone, PartialEq, Message)]
pub struct ImportRequest {
    /// The build.
    #[prost(message, optional, tag = "1")]
    pub record: Option<BuildHistoryRecord>,
    /// Every blob that its record names, in any order.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub blobs: Vec<Vec<u8>>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct ImportResponse {
    /// A build of this name was remembered already, and stayed as it was.
    #[prost(bool, tag = "1")]
    pub known: bool,
}

impl BuildHistoryRecord {
    /// Every blob that the record names.
    pub fn blobs(&self) -> impl Iterator<Item = &BlobDescriptor> {
        let infos = self.results.values().chain(&self.result);
        let own = self.logs.iter().chain(&self.trace);
        own.chain(&self.external_error)
            .chain(infos.flat_map(|it| it.attestations.iter().chain(it.results.values())))
    }
}

/// `Control.ListenBuildHistory`.
#[derive(Clone, PartialEq, Message)]
pub struct BuildHistoryRequest {
    /// Only what runs.
    #[prost(bool, tag = "1")]
    pub active_only: bool,
    /// Only this one.
    #[prost(string, tag = "2")]
    pub reference: String,
    /// End when all is told.
    #[prost(bool, tag = "3")]
    pub early_exit: bool,
    /// Only those that fit.
    #[prost(string, repeated, tag = "4")]
    pub filter: Vec<String>,
    /// The newest so many; 0 for all.
    #[prost(int32, tag = "5")]
    pub limit: i32,
}

/// `Control.UpdateBuildHistory`.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateBuildHistoryRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub reference: String,
    /// It stays.
    #[prost(bool, tag = "2")]
    pub pinned: bool,
    /// It goes.
    #[prost(bool, tag = "3")]
    pub delete: bool,
    /// What is still being collected is finished.
    #[prost(bool, tag = "4")]
    pub finalize: bool,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateBuildHistoryResponse {}

/// Something that happened to a build on record.
#[derive(Clone, PartialEq, Message)]
pub struct BuildHistoryEvent {
    /// 0 begun, 1 complete, 2 removed.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// The build.
    #[prost(message, optional, tag = "2")]
    pub record: Option<BuildHistoryRecord>,
}

/// A build on record.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildHistoryRecord {
    /// The client's name for it.
    #[prost(string, tag = "1")]
    #[serde(rename = "Ref", skip_serializing_if = "is_unset")]
    pub reference: String,
    /// The front end.
    #[prost(string, tag = "2")]
    #[serde(rename = "Frontend", skip_serializing_if = "is_unset")]
    pub frontend: String,
    /// Its options.
    #[prost(map = "string, string", tag = "3")]
    #[serde(rename = "FrontendAttrs", skip_serializing_if = "is_unset")]
    pub frontend_attrs: HashMap<String, String>,
    /// Where the result went.
    #[prost(message, repeated, tag = "4")]
    #[serde(rename = "Exporters", skip_serializing_if = "is_unset")]
    pub exporters: Vec<Exporter>,
    /// Why it failed.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "is_unset")]
    pub error: Option<RpcStatus>,
    /// When it began.
    #[prost(message, optional, tag = "6")]
    #[serde(rename = "CreatedAt", skip_serializing_if = "is_unset")]
    pub created_at: Option<Timestamp>,
    /// When it ended.
    #[prost(message, optional, tag = "7")]
    #[serde(rename = "CompletedAt", skip_serializing_if = "is_unset")]
    pub completed_at: Option<Timestamp>,
    /// What it told: [`StatusResponse`](crate::control::StatusResponse)s, each behind its length of four bytes, the lowest
    /// first.
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "is_unset")]
    pub logs: Option<BlobDescriptor>,
    /// What exporters said.
    #[prost(map = "string, string", tag = "9")]
    #[serde(rename = "ExporterResponse", skip_serializing_if = "is_unset")]
    pub exporter_response: HashMap<String, String>,
    /// What there is of a result without platform.
    #[prost(message, optional, tag = "10")]
    #[serde(rename = "Result", skip_serializing_if = "is_unset")]
    pub result: Option<BuildResultInfo>,
    /// The same by platform.
    #[prost(map = "string, message", tag = "11")]
    #[serde(rename = "Results", skip_serializing_if = "is_unset")]
    pub results: HashMap<String, BuildResultInfo>,
    /// Its spans in OpenTelemetry's words, one JSON object after the other.
    #[prost(message, optional, tag = "13")]
    #[serde(skip_serializing_if = "is_unset")]
    pub trace: Option<BlobDescriptor>,
    /// It stays.
    #[prost(bool, tag = "14")]
    #[serde(skip_serializing_if = "is_unset")]
    pub pinned: bool,
    /// Steps that the cache had.
    #[prost(int32, tag = "15")]
    #[serde(rename = "numCachedSteps", skip_serializing_if = "is_unset")]
    pub num_cached_steps: i32,
    /// Steps.
    #[prost(int32, tag = "16")]
    #[serde(rename = "numTotalSteps", skip_serializing_if = "is_unset")]
    pub num_total_steps: i32,
    /// Steps that are done.
    #[prost(int32, tag = "17")]
    #[serde(rename = "numCompletedSteps", skip_serializing_if = "is_unset")]
    pub num_completed_steps: i32,
    /// Why it failed, where that is too long for the record; BuildKit keeps it so.
    #[prost(message, optional, tag = "18")]
    #[serde(rename = "externalError", skip_serializing_if = "is_unset")]
    pub external_error: Option<BlobDescriptor>,
    /// What checks found.
    #[prost(int32, tag = "19")]
    #[serde(rename = "numWarnings", skip_serializing_if = "is_unset")]
    pub num_warnings: i32,
}

/// What can be read of a build's result, by digest.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct BuildResultInfo {
    /// What is said about it.
    #[prost(message, repeated, tag = "2")]
    #[serde(rename = "Attestations", skip_serializing_if = "is_unset")]
    pub attestations: Vec<BlobDescriptor>,
    /// Its manifest or configuration, by exporter.
    #[prost(map = "int64, message", tag = "3")]
    #[serde(rename = "Results", skip_serializing_if = "is_unset")]
    pub results: HashMap<i64, BlobDescriptor>,
}

/// A blob of the engine.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct BlobDescriptor {
    /// Its type.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_unset")]
    pub media_type: String,
    /// Its digest.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_unset")]
    pub digest: String,
    /// Its bytes.
    #[prost(int64, tag = "3")]
    #[serde(skip_serializing_if = "is_unset")]
    pub size: i64,
    /// More.
    #[prost(map = "string, string", tag = "5")]
    #[serde(skip_serializing_if = "is_unset")]
    pub annotations: HashMap<String, String>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct RpcStatus {
    /// gRPC's code.
    #[prost(int32, tag = "1")]
    #[serde(skip_serializing_if = "is_unset")]
    pub code: i32,
    /// The sentence.
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_unset")]
    pub message: String,
    /// More.
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "is_unset")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message, Serialize, Deserialize)]
#[serde(default)]
pub struct Any {
    /// What it is.
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_unset")]
    pub type_url: String,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "2")]
    #[serde(skip_serializing_if = "is_unset", with = "base64_text")]
    pub value: Vec<u8>,
}

pub(crate) fn is_unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Bytes as Go writes them in JSON.
mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
