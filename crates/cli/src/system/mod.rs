//! Commands on the engine as a whole.

pub mod cleanup;
pub mod df;
pub mod dial;
pub mod events;
pub mod info;
pub mod version;
