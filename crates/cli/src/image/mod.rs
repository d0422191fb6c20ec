//! Commands on images, one file a verb.

pub mod archives;
pub mod history;
pub mod list;
pub mod pull;
pub mod remove;
pub mod tree;
pub mod verify;
