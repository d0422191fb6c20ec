//! A layer that is there: its directory, and its tar.

use crate::{Result, error::On, indexed};
use corten_oci::Digest;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// Where an unpacked layer's files are.
pub(crate) const UNPACKED: &str = "fs";
/// What they do not tell of the layer's tar.
pub(crate) const SPLIT: &str = "tar-split.zst";

/// What gives the bytes of a layer's uncompressed tar.
#[derive(Debug)]
pub enum Tar {
    /// The tar itself.
    Whole(File),
    /// A record, and the directory of the files that it goes with.
    Split(File, OwnedFd),
}

/// A layer that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// SHA-256 of its uncompressed tar.
    pub diff_id: Digest,
    /// What it is kept in.
    pub(crate) directory: PathBuf,
    pub(crate) form: Form,
    pub(crate) split: bool,
    /// Bytes of its files, as Docker counts a layer's size.
    pub size_bytes: u64,
    /// It says what the root directory itself is like.
    pub has_root: bool,
    /// It hides everything below it.
    pub root_opaque: bool,
}

/// How a layer is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A directory, in overlay's form.
    #[default]
    Unpacked,
    /// Its tar and an EROFS image that makes the tar mountable; layers that cannot be kept
    /// so are unpacked. Needs Linux 6.15.
    Indexed,
}

impl Layer {
    /// Opens the directory that the layer shows, for reading. An indexed layer is mounted
    /// anew, so that what is read is what the disk has.
    pub fn open(&self) -> Result<OwnedFd> {
        open(&self.directory, self.form)
    }

    /// Whether the very bytes of its uncompressed tar can be had.
    pub fn has_tar(&self) -> bool {
        self.split || self.form == Form::Indexed
    }

    /// What gives these bytes. They are the right ones as long as nobody changes the files:
    /// whoever reads them compares the digest.
    pub fn tar(&self) -> Result<Option<Tar>> {
        let open = |name| {
            let path = self.directory.join(name);
            File::open(&path).on("opening", &path)
        };
        Ok(match self.form {
            Form::Indexed => Some(Tar::Whole(open(indexed::TAR)?)),
            Form::Unpacked if self.split => Some(Tar::Split(open(SPLIT)?, self.open()?)),
            Form::Unpacked => None,
        })
    }
}

/// Opens the directory of the layer that is kept in `directory`.
pub(crate) fn open(directory: &Path, form: Form) -> Result<OwnedFd> {
    match form {
        Form::Unpacked => {
            let path = directory.join(UNPACKED);
            let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            rustix::fs::open(&path, flags, Mode::empty()).on("opening", &path)
        }
        Form::Indexed => indexed::open(directory),
    }
}

/// The layers of a stack (bottom first) that can be seen, the uppermost first.
pub(crate) fn visible(layers: &[Layer]) -> impl Iterator<Item = &Layer> {
    let bottom = layers
        .iter()
        .rposition(|layer| layer.root_opaque)
        .unwrap_or(0);
    layers[bottom..].iter().rev()
}
