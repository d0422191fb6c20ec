//! The embedded name server: containers find each other by name at 127.0.0.11.
//!
//! Purpose: [`Server`] answers inside containers' network namespaces. What it knows of this
//! engine stands in the [`Directory`], a value without any I/O; what it does not know it
//! asks the host's servers, all at once, and keeps in a small cache. One thread waits for
//! all containers' questions and answers those about the directory itself; the others go to
//! a bounded pool.
//!
//! ```text
//! container                 | daemon
//!   resolver → 127.0.0.11:53  (nftables of the container: port 53 becomes the server's)
//!                           → | UDP socket ─ answer ── directory
//!                             |      └─ pool ─ cache ─ servers of the host, or --dns
//! ```
//!
//! Invariants:
//! - A socket lies in the container's namespace at a port of the kernel's choice, so that a
//!   container may have 0.0.0.0:53 itself; two stateless rules swap the ports.
//! - A container without any network to the outside has nobody asked for it from the host's
//!   namespace (CVE-2024-29018).
//! - A name that the directory knows is never asked of others, whatever the type.
//! - Nothing that a client sends makes more than its share: queues, threads, cache and
//!   message sizes are bounded.
//!
//! Never knows: networks as Docker understands them, records, drivers.
//!
//! Sources: RFC 1035, RFC 6891 (EDNS), RFC 2308 (negative caching), RFC 7766 (TCP).
#![forbid(unsafe_code)]

mod answer;
mod cache;
mod directory;
mod error;
mod forward;
mod pool;
mod server;
mod sockets;
mod stream;
mod upstream;

pub use directory::{Directory, Place};
pub use error::DnsError;
pub use server::{Server, Settings};
pub use upstream::Upstream;
