//! What a start of the daemon is told, and what it tells.

use std::os::fd::OwnedFd;

/// A container whose processes are there now, for [`crate::Networks::reconcile`].
#[derive(Debug, Default)]
pub struct LiveContainer {
    /// Full container ID.
    pub id: String,
    /// Its network namespace, open; names are served in there again. `None` where it has
    /// none of its own.
    pub netns: Option<OwnedFd>,
}

/// What a reconciliation found and did, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Containers whose records, addresses and ports were taken back.
    pub released: Vec<String>,
    /// Host interfaces that belonged to nobody and were deleted.
    pub links_deleted: Vec<String>,
    /// Endpoints of live containers that are in place again.
    pub restored: usize,
    /// Whether the firewall table had to be made anew.
    pub firewall_rebuilt: bool,
    /// Failures that did not stop the reconciliation, as sentences.
    pub problems: Vec<String>,
}
