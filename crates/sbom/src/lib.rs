//! What software a root file system holds, read from the records that package managers
//! leave in it, as an SPDX 2.3 document.
//!
//! Entry points: [`scan()`] finds [`Package`]s, [`document()`] writes them down.
//!
//! Invariants: nothing of the tree is run; records are found by descriptors that never
//! leave the tree, whatever its links say; what a tree can make large has a bound
//! ([`Error::TooLarge`]); the same tree gives the same packages in the same order. A record
//! that cannot be understood is left out, it is somebody else's software.
//!
//! Never knows: images, builds, where a tree comes from. RPM's database is not read.
//!
//! Formats: <https://spdx.github.io/spdx-spec/v2.3/>, purl-spec; dpkg's deb-control(5);
//! apk's installed database (apk-tools, `doc/`); Python's core metadata (PEP 566) in
//! `*.dist-info` and `*.egg-info`; npm's `package.json` below `node_modules`.
#![forbid(unsafe_code)]

mod apk;
mod dpkg;
mod error;
mod fields;
mod modules;
mod package;
mod release;
mod scan;
mod spdx;
mod walk;

pub use error::{Error, Result};
pub use package::{Kind, Package};
pub use release::Release;
pub use scan::{Found, scan};
pub use spdx::{About, document};
