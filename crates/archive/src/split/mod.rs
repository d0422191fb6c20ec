//! What a layer's files do not tell about its tar: headers, padding and the order, so that
//! the very bytes of the tar can be put together again and need not be kept beside the
//! files. Docker's graph drivers keep the same under the name tar-split.
//!
//! ```text
//!  record = zstd("corten tar-split 1\n", segment…)
//!  segment = 'R' length:u32 bytes               bytes of the tar as they are
//!          | 'F' length:u16 path size:u64       here the tar has the file's bytes
//!          | 'E' size:u64                       the end: bytes of the whole tar
//! ```
//! Numbers are little-endian. A path is where the file really is in the layer's directory:
//! relative, without links, `.` and `..`.

mod read;
mod write;

pub use read::Reassembled;
pub(crate) use write::Recorder;

const MAGIC: &[u8] = b"corten tar-split 1\n";
const RAW: u8 = b'R';
const FILE: u8 = b'F';
const END: u8 = b'E';

/// Most bytes of one segment of the tar as it is.
const RAW_BYTES_MAX: usize = 64 << 10;
