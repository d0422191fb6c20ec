//! docs/compatibility.md: what of Docker's API is honoured, refused or answered otherwise.

pub mod differences;
