//! `fsutil.types`: trees of files, sent as differences.
//!
//! ```text
//! sender                         receiver
//!   STAT … STAT, STAT without ──▶  compares with what it has
//!                             ◀──  REQ n, for each file it wants
//!   DATA n …, DATA n empty    ──▶
//!                             ◀──  FIN
//!   FIN                       ──▶
//! ```

use prost::Message;
use std::collections::HashMap;

/// A file.
#[derive(Clone, PartialEq, Message)]
pub struct Stat {
    /// Relative, with `/`.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Go's file mode.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    /// Owner.
    #[prost(uint32, tag = "3")]
    pub uid: u32,
    /// Group.
    #[prost(uint32, tag = "4")]
    pub gid: u32,
    /// Bytes.
    #[prost(int64, tag = "5")]
    pub size: i64,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "6")]
    pub mod_time: i64,
    /// Of symbolic links; of others the file they are a hard link to.
    #[prost(string, tag = "7")]
    pub linkname: String,
    /// Of devices.
    #[prost(int64, tag = "8")]
    pub devmajor: i64,
    /// Of devices.
    #[prost(int64, tag = "9")]
    pub devminor: i64,
    /// Extended attributes.
    #[prost(map = "string, bytes", tag = "10")]
    pub xattrs: HashMap<String, Vec<u8>>,
}

/// A message, both ways.
#[derive(Clone, PartialEq, Message)]
pub struct Packet {
    /// See the constants.
    #[prost(int32, tag = "1")]
    pub kind: i32,
    /// Of a stat packet; without one the list is over.
    #[prost(message, optional, tag = "2")]
    pub stat: Option<Stat>,
    /// Number of the file in the list.
    #[prost(uint32, tag = "3")]
    pub id: u32,
    /// A piece of a file; empty at its end.
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
}

/// [`Packet::kind`]: a file's metadata.
pub const STAT: i32 = 0;
/// The receiver wants a file.
pub const REQ: i32 = 1;
/// A piece of a file.
pub const DATA: i32 = 2;
/// All is said.
pub const FIN: i32 = 3;
/// Why it goes no further.
pub const ERR: i32 = 4;

/// Bits of Go's file mode (`io/fs`): kind of file.
pub const GO_DIRECTORY: u32 = 1 << 31;
/// Symbolic link.
pub const GO_SYMLINK: u32 = 1 << 27;
/// Device.
pub const GO_DEVICE: u32 = 1 << 26;
/// Named pipe.
pub const GO_PIPE: u32 = 1 << 25;
/// Socket.
pub const GO_SOCKET: u32 = 1 << 24;
/// Set-user-ID.
pub const GO_SETUID: u32 = 1 << 23;
/// Set-group-ID.
pub const GO_SETGID: u32 = 1 << 22;
/// Character device.
pub const GO_CHARACTER: u32 = 1 << 21;
/// Sticky.
pub const GO_STICKY: u32 = 1 << 20;
