//! A tar unpacked into a tree that exists, for copies in.

use crate::{
    Decoder, Error, Limits, Owners, Result, pipeline,
    tar::Reader,
    tree::{Obstacle, Tree},
    unpack::{Rules, Unpacker},
};
use std::{
    io::BufRead,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    path::Path,
};

/// Who shall own what is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User ID.
    pub uid: u32,
    /// Group ID.
    pub gid: u32,
}

/// How an archive is unpacked.
#[derive(Debug, Clone, Default)]
pub struct ExtractOptions {
    /// Budgets.
    pub limits: Limits,
    /// Docker's `noOverwriteDirNonDir`: refuse to replace a directory by something else
    /// and the other way round.
    pub no_overwrite_dir_non_dir: bool,
    /// Own everything by these numbers (Docker's `copyUIDGID`) in place of the archive's.
    pub owner: Option<Owner>,
    /// The tree is that of a container with these maps, seen from the host. What has an
    /// owner who is nobody there is refused.
    pub owners: Option<Owners>,
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extracted {
    /// Members read.
    pub entries: u64,
    /// Bytes of regular files.
    pub size_bytes: u64,
}

/// Unpacks a tar (gzip, zstd or plain) into the directory `path` inside `root`. Symbolic
/// links, in `path` and in the tree, are followed inside the root only, also while
/// another process renames things in it. Whiteouts are ordinary names here. The buffer of
/// `reader` should be large: what is not compressed is written out of it.
///
/// Fails with [`crate::Error::NotFound`] or [`crate::Error::NotADirectory`] when `path`
/// is no directory.
pub fn extract<R: BufRead + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    path: &Path,
    options: &ExtractOptions,
) -> Result<Extracted> {
    let root_user = options.owners.as_ref().map(|it| it.outside(0, 0));
    let Some(root_user) = root_user else {
        return extract_here(reader, root, path, options);
    };
    // As the container's root, so that no file is made which belongs to a stranger there.
    let failed = |source| Error::Path {
        operation: "writing as the container's root to",
        path: path.to_owned(),
        source,
    };
    let nobody = || failed(rustix::io::Errno::OVERFLOW.into());
    let (uid, gid) = root_user.ok_or_else(nobody)?;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("copy-as-root".into());
        let thread = thread.spawn_scoped(scope, || {
            corten_sys::task::own_new_files_as(uid, gid).map_err(failed)?;
            extract_here(reader, root, path, options)
        });
        let panicked = |_| failed(std::io::ErrorKind::Other.into());
        thread.map_err(failed)?.join().map_err(panicked)?
    })
}

fn extract_here<R: BufRead + Send>(
    reader: R,
    root: BorrowedFd<'_>,
    path: &Path,
    options: &ExtractOptions,
) -> Result<Extracted> {
    let limits = &options.limits;
    let rules = Rules {
        layer: false,
        alone: false,
        no_overwrite: options.no_overwrite_dir_non_dir,
        owner: options.owner,
        owners: options.owners.clone(),
        base: directory(root, path, limits)?,
    };
    // What is not compressed is written from where it was read, by this very thread.
    match Decoder::new(reader)?.into_plain() {
        Ok(plain) => unpack(plain, root, limits, rules),
        Err(decoder) => {
            pipeline::run_unhashed(decoder, |pieces| unpack(pieces, root, limits, rules))
        }
    }
}

fn unpack(
    tar: impl BufRead,
    root: BorrowedFd<'_>,
    limits: &Limits,
    rules: Rules,
) -> Result<Extracted> {
    let mut reader = Reader::new(tar, limits.clone());
    let mut unpacker = Unpacker::new(root, limits, rules);
    unpacker.unpack(&mut reader)?;
    Ok(Extracted {
        entries: reader.entries(),
        size_bytes: unpacker.size_bytes,
    })
}

/// Where the directory `path` really is.
fn directory(root: BorrowedFd<'_>, path: &Path, limits: &Limits) -> Result<Vec<Vec<u8>>> {
    let mut tree = Tree::new(root, limits);
    let parts: Vec<&[u8]> = path
        .as_os_str()
        .as_bytes()
        .split(|&byte| byte == b'/')
        .collect();
    let mut missing = true;
    let there = tree.enter(&parts, &mut |_, _, obstacle, _| {
        missing = obstacle == Obstacle::Missing;
        Ok(false)
    })?;
    match (there, missing) {
        (true, _) => Ok(tree.components()),
        (false, true) => Err(Error::NotFound { path: path.into() }),
        (false, false) => Err(Error::NotADirectory),
    }
}
