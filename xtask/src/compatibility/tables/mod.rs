//! The tables behind docs/compatibility.md.

pub mod fields;
pub mod flags;
