//! What a stack of unpacked layers shows, read without mounting it.

use crate::{Error, Result};
use std::{os::fd::OwnedFd, path::Path};

/// Layer directories in overlay's form, looked at as overlay would show them.
pub struct LowerView {
    /// The uppermost first.
    layers: Vec<OwnedFd>,
}

impl LowerView {
    /// Opens the layer directories, the uppermost first (the order of `lowerdir=`).
    pub fn open<P: AsRef<Path>>(layers: &[P]) -> Result<Self> {
        let mut opened = Vec::new();
        for layer in layers {
            let path = layer.as_ref();
            let flags = rustix::fs::OFlags::DIRECTORY
                | rustix::fs::OFlags::CLOEXEC
                | rustix::fs::OFlags::RDONLY;
            let fd = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).map_err(|e| {
                Error::Path {
                    operation: "opening",
                    path: path.into(),
                    source: e.into(),
                }
            })?;
            opened.push(fd);
        }
        Ok(Self { layers: opened })
    }

    /// Nothing below.
    pub fn empty() -> Self {
        Self { layers: Vec::new() }
    }

    /// How many layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }
}
