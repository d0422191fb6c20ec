//! `manifest`: lists of manifests, put together on this machine and pushed.
//!
//! The command line talks to registries itself here, as the stock client does; the engine
//! is not asked. What is put together lies in `manifests/` below the client's directory, in
//! the stock client's files.

mod annotate;
pub mod copy;
mod create;
mod entry;
mod inspect;
mod push;
pub mod registry;
mod remove;
mod store;

pub use annotate::run as annotate;
pub use create::run as create;
pub use inspect::run as inspect;
pub use push::run as push;
pub use remove::run as remove;

use corten_oci::{Reference, reference::ReferenceError};

/// A name with a tag or a digest.
fn reference(text: &str) -> Result<Reference, ReferenceError> {
    text.parse().map(Reference::or_latest)
}
