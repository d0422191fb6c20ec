//! `containerd.services.content.v1`: blobs by digest, which a client serves in its session
//! (moby/buildkit `session/content`).

use prost::Message;

/// The header of every call that says which of the client's stores is meant.
pub const STORE_HEADER: &str = "buildkit-attachable-store-id";
/// [`WriteRequest::action`]: how far a blob has come.
pub const STAT: i32 = 0;
/// A piece of it.
pub const WRITE: i32 = 1;
/// That was all.
pub const COMMIT: i32 = 2;

/// A blob.
#[derive(Clone, PartialEq, Message)]
pub struct Info {
    /// Its digest.
    #[prost(string, tag = "1")]
    pub digest: String,
    /// Its bytes.
    #[prost(int64, tag = "2")]
    pub size: i64,
}

/// `Info`.
#[derive(Clone, PartialEq, Message)]
pub struct InfoRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub digest: String,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct InfoResponse {
    /// The blob.
    #[prost(message, optional, tag = "1")]
    pub info: Option<Info>,
}

/// `Read`.
#[derive(Clone, PartialEq, Message)]
pub struct ReadRequest {
    /// Which.
    #[prost(string, tag = "1")]
    pub digest: String,
    /// From where on.
    #[prost(int64, tag = "2")]
    pub offset: i64,
    /// How much, 0 for all.
    #[prost(int64, tag = "3")]
    pub size: i64,
}

/// A piece of a blob.
#[derive(Clone, PartialEq, Message)]
pub struct ReadResponse {
    /// Its place.
    #[prost(int64, tag = "1")]
    pub offset: i64,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// One message of `Write`.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// See the constants.
    #[prost(int32, tag = "1")]
    pub action: i32,
    /// A name for what is written.
    #[prost(string, tag = "2")]
    pub reference: String,
    /// Bytes in all.
    #[prost(int64, tag = "3")]
    pub total: i64,
    /// The digest that has to come out.
    #[prost(string, tag = "4")]
    pub expected: String,
    /// The place of the piece.
    #[prost(int64, tag = "5")]
    pub offset: i64,
    /// Its bytes.
    #[prost(bytes = "vec", tag = "6")]
    pub data: Vec<u8>,
}

/// Its answer.
#[derive(Clone, PartialEq, Message)]
pub struct WriteResponse {
    /// The request's.
    #[prost(int32, tag = "1")]
    pub action: i32,
    /// Bytes that are there.
    #[prost(int64, tag = "4")]
    pub offset: i64,
    /// The digest, after a commit.
    #[prost(string, tag = "6")]
    pub digest: String,
}
