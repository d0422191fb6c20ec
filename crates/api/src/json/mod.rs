//! JSON as Go reads and writes it.
//!
//! Reading: a field's name in any case, `null` for any value (its zero), unknown fields
//! ignored, Go's sentences for what does not fit. Writing: U+2028 and U+2029 escaped, and
//! `<`, `>`, `&` where dockerd escapes them.
//!
//! Source: Go's `encoding/json` as built into dockerd 28.5; its sentences were asked of
//! that daemon.

mod access;
mod read;
mod syntax;
mod write;

pub(crate) use read::from_value_embedded;
pub use read::{DecodeError, from_slice, from_value};
pub use write::{to_body, to_line, to_vec};
