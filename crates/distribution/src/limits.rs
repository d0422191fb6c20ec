//! Every bound on what a registry may make us wait for or hold.

use std::time::Duration;

/// To one address, until the connection stands.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a TLS handshake or a proxy's answer to CONNECT.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);
/// From a request to its response's head.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(25);
/// From the last byte of an upload to the response: registries move whole blobs then.
pub const COMMIT_TIMEOUT: Duration = Duration::from_secs(300);
/// A body that brings less than [`STALL_BYTES`] in this time of waiting has stalled.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// See [`STALL_TIMEOUT`].
pub const STALL_BYTES: u64 = 1024;
/// The first pause before a request is tried again; it doubles.
pub const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// The longest such pause.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// How often a request is tried that failed on the way.
pub const ATTEMPTS: u32 = 5;
/// Redirects followed for one request (Go's default, as Docker has).
pub const REDIRECTS_MAX: usize = 10;
/// Bytes of an error document that are read.
pub const ERROR_BODY_MAX: usize = 64 << 10;
/// Bytes of a token server's answer.
pub const TOKEN_BODY_MAX: usize = 1 << 20;
/// Bytes of a token (registries' tokens are a few KiB).
pub const TOKEN_MAX: usize = 64 << 10;
/// Bytes of one page of a tag list.
pub const TAGS_BODY_MAX: usize = 4 << 20;
/// Pages of a tag list.
pub const TAG_PAGES_MAX: usize = 1000;
/// Bytes of a response's head, and of one read from a connection.
pub const HEAD_BYTES_MAX: usize = 256 << 10;
/// Headers of a response.
pub const HEADERS_MAX: usize = 100;
/// How long a connection with nothing to do is kept for the next piece of work.
pub const IDLE_TIME: Duration = Duration::from_secs(20);
/// Idle connections kept to one host.
pub const IDLE_CONNECTIONS_MAX: usize = 16;
/// How long before its end a token is renewed.
pub const TOKEN_MARGIN: Duration = Duration::from_secs(10);
/// A token's life when the server does not say (the token specification's minimum).
pub const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// The waits, so that a test need not wait as long as a user.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// [`CONNECT_TIMEOUT`]
    pub connect: Duration,
    /// [`HANDSHAKE_TIMEOUT`]
    pub handshake: Duration,
    /// [`RESPONSE_TIMEOUT`]
    pub response: Duration,
    /// [`COMMIT_TIMEOUT`]
    pub commit: Duration,
    /// [`STALL_TIMEOUT`]
    pub stall: Duration,
    /// [`RETRY_PAUSE`]
    pub retry_pause: Duration,
    /// [`IDLE_TIME`]
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: CONNECT_TIMEOUT,
            handshake: HANDSHAKE_TIMEOUT,
            response: RESPONSE_TIMEOUT,
            commit: COMMIT_TIMEOUT,
            stall: STALL_TIMEOUT,
            retry_pause: RETRY_PAUSE,
            idle: IDLE_TIME,
        }
    }
}
