//! How a container's root file system is put together from directories.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the runtime mounts as `/`, inside the container's mount namespace only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootMount {
    /// A directory of the host, as in an OCI bundle (`root.path`).
    Directory(PathBuf),
    /// An overlay of at least one lower directory.
    Overlay {
        /// Lower directories, the uppermost first (the order of `lowerdir=`).
        lower: Vec<PathBuf>,
        /// The writable directory; without one the root is read-only.
        upper: Option<PathBuf>,
        /// overlay's work directory, on the file system of `upper`.
        work: Option<PathBuf>,
    },
}
