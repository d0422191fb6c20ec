//! The client's configuration directory: `config.json`, credentials, contexts.

pub mod contexts;
pub mod credentials;
pub(crate) mod file;

pub use file::ConfigFile;
