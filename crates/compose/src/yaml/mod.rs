//! YAML in and out, as Go's yaml.v3 reads and writes it, since that is what Compose files
//! have been tried with: its scalar types, its merge keys, its order of keys and its style
//! of quoting.

mod order;
mod read;
mod scalar;
mod write;

pub(crate) use order::natural;
pub use read::read;
pub use scalar::float_text;
pub(crate) use scalar::float32_text;
pub use write::write;
