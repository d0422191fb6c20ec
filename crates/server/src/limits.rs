//! Bounds of what a client can make large, each with unit and reason.

use std::time::Duration;

/// Bytes of a JSON body: the largest create request is far below; dockerd has no bound.
pub const JSON_BODY_BYTES: usize = 4 << 20;
/// Bytes of a request's head; registry credentials of `docker build` are the longest.
pub const HEAD_BYTES: usize = 128 << 10;
/// Bytes of a body that are still read when nobody wants it any more; Go's servers' number.
pub const LEFT_BODY_BYTES: usize = 256 << 10;
/// Time for them: a client that only waits for the answer sends them at once.
pub const LEFT_BODY_TIME: Duration = Duration::from_secs(5);
/// Header lines of a request.
pub const HEADERS: usize = 100;
/// Time for a request's head to arrive, also the idle time of a kept connection; dockerd's.
pub const HEAD_TIME: Duration = Duration::from_secs(300);
/// Connections at a time; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 4096;
/// Time for a TLS handshake.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long the first output of a hijacked stream waits for a client on a unix socket to
/// read the answer's head.
pub const HEAD_TAKEN: Duration = Duration::from_secs(2);
/// How far the head is ahead of the first output where nobody knows what a client has
/// read (TCP): a wake-up of a busy client's process.
pub const HEAD_AHEAD: Duration = Duration::from_millis(10);
/// Bytes copied at a time between a client and a container's streams.
pub const COPY_BYTES: usize = 32 << 10;
/// Bytes of one WebSocket frame from a client: what a person or a paste sends.
pub const FRAME_BYTES: usize = 1 << 20;
