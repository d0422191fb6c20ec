//! `pb`: graphs. Only as much as a result needs to travel through a client and back.

use prost::Message;
use std::collections::HashMap;

/// A graph: operations, each a message of its own; the last one is what is meant.
#[derive(Clone, PartialEq, Message)]
pub struct Definition {
    /// [`Op`]s.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub def: Vec<Vec<u8>>,
    /// More about each operation, by the digest of its bytes; a graph without any counts as
    /// none for clients.
    #[prost(map = "string, message", tag = "2")]
    pub metadata: HashMap<String, OpMetadata>,
}

/// More about an operation; nothing here is of use to us.
#[derive(Clone, PartialEq, Message)]
pub struct OpMetadata {}

/// An operation.
#[derive(Clone, PartialEq, Message)]
pub struct Op {
    /// What it stands on.
    #[prost(message, repeated, tag = "1")]
    pub inputs: Vec<Input>,
    /// Where files come from.
    #[prost(message, optional, tag = "3")]
    pub source: Option<SourceOp>,
}

/// The output of another operation.
#[derive(Clone, PartialEq, Message)]
pub struct Input {
    /// The digest of its bytes.
    #[prost(string, tag = "1")]
    pub digest: String,
    /// Which of its outputs.
    #[prost(int64, tag = "2")]
    pub index: i64,
}

/// A source.
#[derive(Clone, PartialEq, Message)]
pub struct SourceOp {
    /// `docker-image://…` and others.
    #[prost(string, tag = "1")]
    pub identifier: String,
    /// Options.
    #[prost(map = "string, string", tag = "2")]
    pub attrs: HashMap<String, String>,
}
