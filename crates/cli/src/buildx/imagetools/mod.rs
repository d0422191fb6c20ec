//! `buildx imagetools`: images at registries, shown and put together without pulling them.
//!
//! The client talks to the registries itself, with the credentials of its configuration;
//! the engine is not asked.

mod annotations;
mod combine;
mod create;
mod inspect;
mod load;
mod remote;
mod shape;
mod sources;

pub use create::run as create;
pub use inspect::run as inspect;
