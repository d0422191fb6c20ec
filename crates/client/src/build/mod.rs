//! Builds through BuildKit's door: a session that offers this machine's files, secrets and
//! credentials, and the call that builds.
//!
//! ```text
//! Build ──solve──▶ POST /session  ◀── the engine asks: files, secrets, agents, logins
//!                  POST /grpc     ──▶ Control.Solve, Control.Status ──▶ progress
//!                                 ◀── FileSend: an archive, where one was asked for
//! ```

mod control;
mod kept;
mod session;
mod solve;
mod tree;

pub use control::Control;
pub use corten_buildkit::control::{
    BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest, DiskUsageRequest,
    DiskUsageResponse, InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse,
    PruneRequest, StatusRequest, StatusResponse, Timestamp, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord, Vertex, VertexLog, VertexStatus,
};
pub use kept::Kept;
pub use session::{Login, Offer, Output, Stream};
pub use solve::{Build, Solved, progress};
