//! The supervisor of one container.
//!
//! Purpose: the shim creates and starts a container through the runtime library and
//! stays as long as it runs. It owns the first process's pidfd, its standard streams or
//! terminal, the log file, the exec processes and the exit status, so that the engine
//! may die at any moment and lose nothing.
//!
//! Entry point: [`run`], called by the program `corten-shim` with the connection that it
//! finds as descriptor 0. The messages are those of `corten-shim-proto`.
//!
//! ```text
//!            control sockets            stream sockets (attach, exec)
//!                 │                        │            ▲
//!            ┌────▼────────────────────────▼────────────┴───┐
//!            │ epoll: requests, input ─▶ stdin/terminal     │
//!            │        stdout, stderr, terminal ─▶ log + all │
//!            │        pidfds ─▶ exit.json ─▶ events         │
//!            └───────────────────────────────────────────────┘
//! ```
//!
//! Invariants:
//! - One thread; nothing waits but epoll, apart from the moment in which the run before is
//!   cleaned up (`turn.rs`), the few milliseconds in which the
//!   runtime makes a process, or an external runtime's program runs.
//! - The exit status is durable (`exit.json`: data, fsync, rename, directory fsync)
//!   before anybody is told; the output written before the exit has reached the log.
//! - Records for a receiver elsewhere go to a logger process, never to the receiver
//!   itself; in blocking mode the container waits for it, the shim never does.
//! - Every queue has a bound; `client.rs` says what happens to slow clients.
//! - If the shim itself is killed, the container is left running, without anyone to read
//!   its output. No parent-death signal is used: the kernel drops it whenever a process
//!   changes its user or gains privileges by execve, so it would hold for some containers
//!   only. The engine sees the connection end without an exit event and no `exit.json`,
//!   and kills the control group.
//!
//! Never knows: images, networks, the API.
#![forbid(unsafe_code)]

mod attach;
mod client;
mod control;
mod detach;
mod durable;
mod epoll;
mod event_loop;
mod exec;
mod exit;
mod external;
mod failure;
mod input;
mod log;
mod namespaces;
mod output;
mod process;
mod request;
mod shim;
mod socket;
mod start;
mod stdio;
mod turn;

pub use namespaces::hold_namespaces;

use std::os::fd::OwnedFd;

/// Supervises the container that the engine at the other end of `control` describes.
/// Returns when everything is over.
///
/// # Errors
/// Only what keeps it from working at all, such as no descriptors left.
pub fn run(control: OwnedFd) -> std::io::Result<()> {
    shim::Shim::new(control)?.run()
}
