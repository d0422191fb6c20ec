//! Every bound on what a client or an upstream may make large or slow.

use std::time::Duration;

/// Bytes of a manifest (OCI distribution-spec 1.1: at least 4 MiB are to be supported).
pub const MANIFEST_BYTES: usize = 4 << 20;
/// Header lines of a request.
pub const HEADERS: usize = 100;
/// Time for a request's head, also the idle time of a kept connection.
pub const HEAD_TIME: Duration = Duration::from_secs(120);
/// Time for a TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// Time without a byte, in or out, after which a client that is in the middle of a request or
/// of its answer is given up; the default of [`crate::Config::stall_seconds`].
pub const STALL: Duration = Duration::from_secs(60);
/// Connections at a time; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 4096;
/// Bytes of a blob's body handed on at a time.
pub const CHUNK_BYTES: usize = 512 << 10;
/// Bytes of an upload gathered before they are written and hashed; also the buffer of a
/// connection, and so the bound of a request's head.
pub const WRITE_BYTES: usize = 1 << 20;
/// Bytes of one blob.
pub const BLOB_BYTES: u64 = 1 << 40;
/// Entries of one page of tags, repositories or referrers (CVE-2023-2253).
pub const PAGE_ENTRIES: usize = 1000;
/// Tags set by one push of a manifest.
pub const TAGS_PER_PUSH: usize = 32;
/// How long a request waits for another one that writes the same upload: a client whose
/// connection broke comes back before the server has noticed.
pub const UPLOAD_WAIT: Duration = Duration::from_secs(15);
/// An upload nobody went on with for this long is removed.
pub const UPLOAD_AGE: Duration = Duration::from_secs(24 * 3600);
/// An object of a bucket that is written in parts for longer than this is a dead replica's.
/// A piece of [`PIECE_BYTES`] comes within it at 0.1 MB/s.
pub const MULTIPART_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Uploads whose hash state is kept in memory; the rest is hashed again at the end.
pub const HASHERS: usize = 1024;
/// Age below which a link or a blob without a reference is left alone: the time between a
/// push's first blob and its manifest.
pub const COLLECT_GRACE: Duration = Duration::from_secs(3600);
/// A collector that needed longer than this between its mark and its removal gives up.
pub const MARK_TIME: Duration = Duration::from_secs(30);
/// A mark older than this is a dead collector's.
pub const MARK_DEAD: Duration = Duration::from_secs(90);
/// Bytes of a bearer token.
pub const TOKEN_BYTES: usize = 64 << 10;
/// Keys tried for one token, and certificates of one chain.
pub const TOKEN_KEYS: usize = 16;
/// Clocks may differ by this much.
pub const TOKEN_SKEW: Duration = Duration::from_secs(60);
/// A password that was right is not checked again for this long.
pub const PASSWORD_TIME: Duration = Duration::from_secs(120);
/// Passwords remembered; and checks at a time (bcrypt is slow on purpose).
pub const PASSWORDS: usize = 1024;
/// bcrypt checks at a time.
pub const PASSWORD_CHECKS: usize = 4;
/// Events waiting for one web hook; the newest are dropped and counted.
pub const HOOK_QUEUE: usize = 4096;
/// Attempts to tell one event.
pub const HOOK_ATTEMPTS: u32 = 8;
/// First pause between them; it doubles.
pub const HOOK_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between them.
pub const HOOK_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Time for a web hook's answer.
pub const HOOK_TIME: Duration = Duration::from_secs(15);
/// Time for an object store's answer to begin.
pub const STORE_TIME: Duration = Duration::from_secs(60);
/// Part of a multipart upload, and how many are under way: the memory of one upload.
pub const PART_BYTES: usize = 8 << 20;
/// Parts under way at a time.
pub const PARTS: usize = 3;
/// Parts that one object may have in an object store.
pub const PARTS_PER_OBJECT: u64 = 10_000;
/// Bytes of one piece of an upload in a bucket: what [`PARTS_PER_OBJECT`] can hold, and
/// whole parts; a longer request becomes several pieces.
pub const PIECE_BYTES: u64 = 64 << 30;
/// Largest object that is copied inside the object store in one call.
pub const COPY_BYTES: u64 = 5 << 30;
/// Repositories and tags listed on a page.
pub const PAGE_ROWS: usize = 500;
