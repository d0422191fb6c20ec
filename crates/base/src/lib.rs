//! The words every room shares and no container noun.
//!
//! Purpose: error kinds, the printing of error chains and of system errors ([`error`]), the [`Undo`]
//! stack, identifiers ([`Id`]), instants as Docker prints them ([`Timestamp`]), the
//! text of byte sizes and durations ([`text`]), and the named steps at which tests kill
//! a process ([`step()`]).
//!
//! Invariants: no I/O besides reading the clock and the kernel's random numbers, and in
//! debug builds what [`mod@step`] says; no async, no unsafe. Nothing here knows what a container, an image or a network is.
#![forbid(unsafe_code)]

pub mod error;
mod id;
mod redacted;
pub mod step;
pub mod text;
mod time;
mod undo;

pub use error::{Kind, KindOf, chain, errno_text};
pub use id::{Id, IdError};
pub use redacted::Redacted;
pub use step::step;
pub use time::{ParseTimestampError, Timestamp};
pub use undo::Undo;
