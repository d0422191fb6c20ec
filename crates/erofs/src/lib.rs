//! Indexes that make an uncompressed tar mountable: EROFS images with names, attributes
//! and links, whose files' bytes lie in the tar itself, given to the kernel as the image's
//! one extra device.
//!
//! Entry point: [`Tree`], filled name by name and turned into an image by
//! [`Tree::image`].
//!
//! Invariants: the kernel (Linux 5.16 and later read such images) gets exactly the tree
//! that was put in, or [`Error`] says what does not fit; names in a directory are unique;
//! a file's bytes begin at a multiple of [`BLOCK_BYTES`], as in every tar.
//!
//! Never knows: tar headers, whiteouts, mounts, the disk.
//!
//! Specification: Linux `Documentation/filesystems/erofs.rst` § On-disk details and
//! `fs/erofs/erofs_fs.h`.
#![forbid(unsafe_code)]

mod directory;
mod image;
mod inode;
mod tree;
mod xattrs;

pub use tree::{Attributes, Error, Kind, NodeId, ROOT, Tree};
pub use xattrs::is_known;

/// Size of a block of the image and of its device: tar's.
pub const BLOCK_BYTES: usize = 512;
