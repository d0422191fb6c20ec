//! Tar streams and directory trees: layers applied and made, trees packed and
//! unpacked, all within a directory and within budgets.
//!
//! Entry points: [`apply()`] unpacks a layer beside the others, [`settle()`] makes it what
//! one tree would have made of it on top of the layers below; [`merge()`] makes several
//! layers one; [`index()`] keeps a layer's tar as it is and makes it mountable;
//! [`changes()`] and [`diff()`] read a container's writable directory back; [`compare()`]
//! holds two unpacked layers beside each other; [`pack()`], [`extract()`] and [`stat()`]
//! serve copies in and out, export and import; [`tar`] is the format itself,
//! [`Compressor`] and [`Decoder`] what may stand around it.
//!
//! Invariants: nothing is ever read or written outside the directory that was handed
//! in, whatever a name, a link or a concurrent rename says: paths are walked component
//! by component on descriptors that never follow a symbolic link, and links are resolved
//! by this crate inside the root. What an archive can make large has a limit
//! ([`Limits`]). No helper program is ever started: every decoder runs in this process.
//! A malformed archive is refused as a whole; where two well-known readers disagree about
//! an archive, it is malformed.
//!
//! Never knows: where layers come from, images, containers, what mounts a directory.
//!
//! Formats: POSIX.1-2017 pax § Interchange Format, GNU tar manual § Basic Tar Format
//! and § Sparse Formats, OCI image-spec 1.1 `layer.md`, Linux
//! `Documentation/filesystems/overlayfs.rst`, RFC 1952 (gzip), RFC 8878 (zstd).
#![forbid(unsafe_code)]

mod apply;
mod changes;
mod compare;
mod compress;
mod copy_up;
mod decode;
mod diff;
mod emit;
mod error;
mod extract;
mod gzip;
mod index;
mod limits;
mod lower;
mod merge;
mod name;
mod owners;
mod pack;
mod pipeline;
mod remove;
mod settle;
mod split;
mod stat;
pub mod tar;
mod times;
mod tree;
mod unpack;
mod xattrs;

pub use apply::{Applied, ApplyOptions, Unsettled, apply, apply_recording};
pub use changes::{Change, ChangeKind, changes};
pub use compare::{Difference, Differs, compare};
pub use compress::{Compression, Compressor, Packer, Written};
pub use decode::{Decoder, without_xz_and_bzip2};
pub use diff::{DiffOptions, diff};
pub use error::{Error, Result};
pub use extract::{ExtractOptions, Extracted, Owner, extract};
pub use index::{Indexed, Unfit, index};
pub use limits::{Limit, Limits};
pub use lower::LowerView;
pub use merge::merge;
pub use owners::Owners;
pub use pack::{PackOptions, pack};
pub use settle::settle;
pub use split::Reassembled;
pub use stat::{PathStat, go_file_mode, stat};
pub use times::Times;
