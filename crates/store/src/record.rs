//! What can be stored.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A value that is kept under a key.
///
/// A new field with a serde default needs no new version. What does: a field that changed
/// its meaning or its name; then [`Record::VERSION`] grows and [`Record::migrate`] learns
/// the step.
pub trait Record: Serialize + DeserializeOwned {
    /// The kind; also its namespace of keys.
    const KIND: &'static str;
    /// The version of the shape that `Serialize` writes.
    const VERSION: u32 = 1;

    /// Brings a value of version `from` (lower than [`Record::VERSION`]) up to the present
    /// one, or says what is wrong with it.
    fn migrate(from: u32, value: Value) -> Result<Value, String> {
        let _ = from;
        Ok(value)
    }
}
