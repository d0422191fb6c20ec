//! Health checks.

use crate::{Engine, handle::Handle};
use std::sync::Arc;

impl Engine {
    /// The container runs: its checks begin, where it has any.
    pub(crate) fn begin_health_checks(self: &Arc<Self>, handle: &Arc<Handle>) {
        let _ = handle;
    }
}
