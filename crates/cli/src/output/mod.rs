//! What commands print: tables, templates, JSON, progress.

pub mod human;
pub mod json;
pub mod list;
pub mod progress;
pub mod tabs;
pub mod template;

pub use json::Json;
