//! Builds through BuildKit's door: a session that offers this machine's files, secrets and
//! credentials, and the call that builds.
//!
//! ```text
//! Build ──solve──▶ POST /session  ◀── the engine asks: files, secrets, agents, logins
//!                  POST /grpc     ──▶ Control.Solve, Control.Status ──▶ progress
//!                                 ◀── FileSend: an archive, where one was asked for
//!                                 ◀── Content: blobs of caches and contexts that are layouts
//! ```

pub mod bundle;
mod control;
mod kept;
mod layout;
mod session;
mod solve;
mod stores;
mod tree;

pub use control::Control;
pub use corten_buildkit::control::{
    BlobDescriptor, BuildHistoryEvent, BuildHistoryRecord, BuildHistoryRequest, DiskUsageRequest,
    DiskUsageResponse, InfoRequest, InfoResponse, ListWorkersRequest, ListWorkersResponse,
    Position, PruneRequest, StatusRequest, StatusResponse, Timestamp, UpdateBuildHistoryRequest,
    UpdateBuildHistoryResponse, UsageRecord, Vertex, VertexLog, VertexStatus, VertexWarning,
};
pub use corten_buildkit::history::{ImportRequest, ImportResponse};
pub use kept::Kept;
pub use layout::{Layout, LayoutError};
pub use session::{Login, Offer, Output, Stream};
pub use solve::{Build, Solved, new_reference, progress};
