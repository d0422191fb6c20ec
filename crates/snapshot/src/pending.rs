//! A layer on its way into the store.

use crate::{
    Result,
    error::On,
    indexed::{IMAGE, TAR},
    layer::{self, Form, SPLIT, UNPACKED},
    trash::Trash,
};
use std::{
    fs::{self, DirBuilder, File},
    io::Write,
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

/// A layer being made in a temporary directory, thrown away when dropped.
pub struct PendingLayer {
    trash: Trash,
    pub(crate) directory: PathBuf,
    pub(crate) form: Form,
    pub(crate) split: bool,
}

impl PendingLayer {
    pub(crate) fn new(trash: Trash, directory: PathBuf) -> Result<Self> {
        let pending = Self {
            trash,
            directory,
            form: Form::Unpacked,
            split: false,
        };
        let path = pending.path();
        DirBuilder::new()
            .mode(0o755)
            .create(&path)
            .on("creating", &path)?;
        // The umask may have taken bits that the root of a file system needs.
        let mode = rustix::fs::Mode::from_raw_mode(0o755);
        rustix::fs::chmod(&path, mode).on("creating", &path)?;
        Ok(pending)
    }

    /// The directory to unpack into.
    pub fn path(&self) -> PathBuf {
        self.directory.join(UNPACKED)
    }

    /// The layer's directory, to look at and, if it is unpacked, to change; also a lower
    /// directory for layers above it that are settled before it is committed.
    pub fn open(&self) -> Result<OwnedFd> {
        layer::open(&self.directory, self.form)
    }

    /// The empty file that takes the layer's tar, for a layer that may be indexed.
    pub fn tar(&self) -> Result<File> {
        new_file(&self.directory.join(TAR))
    }

    /// The layer is its tar, made mountable by `image`. Not flushed.
    pub fn indexed_by(mut self, image: &[u8]) -> Result<Self> {
        let path = self.directory.join(IMAGE);
        let mut file = new_file(&path)?;
        file.write_all(image).on("writing", &path)?;
        let unpacked = self.path();
        fs::remove_dir(&unpacked).on("removing", &unpacked)?;
        self.form = Form::Indexed;
        Ok(self)
    }

    /// The empty file that takes the record of an unpacked layer's tar; the layer has one
    /// from now on, see [`crate::Layer::tar`].
    pub fn split(&mut self) -> Result<File> {
        self.split = true;
        new_file(&self.directory.join(SPLIT))
    }

    /// Whether the layer will give its tar.
    pub fn has_tar(&self) -> bool {
        self.split || self.form == Form::Indexed
    }

    /// The files do not give the tar: there is no record, or it is of no use.
    pub fn without_split(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.split) {
            return Ok(());
        }
        let path = self.directory.join(SPLIT);
        fs::remove_file(&path).on("removing", &path)
    }

    /// The layer has to be unpacked: its tar is not kept.
    pub fn without_tar(&self) -> Result<()> {
        let path = self.directory.join(TAR);
        fs::remove_file(&path).on("removing", &path)
    }
}

fn new_file(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).on("creating", path)
}

impl Drop for PendingLayer {
    fn drop(&mut self) {
        // After a commit it is no longer there; otherwise start-up cleans what is left.
        let _ = self.trash.throw(&self.directory);
    }
}
