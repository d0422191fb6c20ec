//! The client's configuration directory: `config.json`, credentials, contexts.

pub mod contexts;
pub mod credentials;
mod file;

pub use file::ConfigFile;
