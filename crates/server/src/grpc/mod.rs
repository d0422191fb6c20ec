//! BuildKit's gRPC on the daemon's sockets.
//!
//! ```text
//! client                                   server
//!   POST /session, Upgrade: h2c ────────▶  becomes the HTTP/2 *client* of this
//!   serves files, secrets, agents   ◀────  connection and asks for them
//!   POST /grpc, Upgrade: h2c ───────────▶  serves Control and LLBBridge
//!     Control.Solve(ref, session)          waits for what the client's build comes to
//!     Control.Status(ref)            ◀───  steps, output, warnings
//!     LLBBridge.Solve(dockerfile.v0)       builds
//!     LLBBridge.Return(result)             lets Control.Solve export and answer
//! ```
//!
//! A client that speaks HTTP/2 from its first byte on (`buildctl --addr unix:///…`, buildx with
//! its driver `remote`) makes the same calls without an upgrade, and has `Control.Session` for
//! its session.
//!
//! A call that its client drops is dropped here, and the build with it.

mod attachments;
mod attest;
mod bridge;
mod caches;
mod call;
mod client_store;
mod control;
mod export;
mod export_files;
mod export_options;
mod history;
mod imported;
mod inputs;
mod jobs;
mod lint;
mod options;
mod questions;
mod received;
mod record_filter;
mod records;
mod session_stream;
mod sessions;
mod shared_session;
mod status;
mod told;
mod trace;
mod uploads;
mod watch;

pub(crate) use call::{answer, is_call, serve, serve_with};
pub(crate) use history::records as cache_records;
pub(crate) use jobs::Ask;
pub(crate) use jobs::Jobs;
use records::Records;
pub(crate) use sessions::{Sessions, grpc, session};
pub(crate) use status::Status;
use uploads::Uploads;

use corten_buildkit::control::{SolveRequest, SolveResponse};
use corten_engine::Engine;
use std::sync::Arc;

/// What every call works on.
pub(crate) struct BuildKit {
    pub engine: Arc<Engine>,
    pub sessions: Sessions,
    pub jobs: Jobs,
    pub records: Arc<Records>,
    pub uploads: Uploads,
}

impl BuildKit {
    /// Reads the builds of the past. Blocking.
    pub fn new(engine: Arc<Engine>) -> Self {
        let history = engine.config().data_root.join("build/history");
        Self {
            records: Records::open(history),
            engine,
            sessions: Sessions::default(),
            jobs: Jobs::default(),
            uploads: Uploads::default(),
        }
    }

    /// A whole build, with what only some requests have.
    pub async fn solve(&self, request: SolveRequest, ask: Ask) -> Result<SolveResponse, Status> {
        control::solve(self, request, ask).await
    }
}
