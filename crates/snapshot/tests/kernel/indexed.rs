//! A directory in overlay's form made into a layer that is mounted from its tar.

use corten_erofs::{Attributes, BLOCK_BYTES, Kind, NodeId, ROOT, Tree};
use corten_snapshot::PendingLayer;
use std::{
    fs::{self, File},
    io::{Seek, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
};

/// Takes what was unpacked into `pending` and keeps it in the other form.
pub fn index(pending: PendingLayer) -> PendingLayer {
    let root = pending.path();
    let mut tar = pending.tar().unwrap();
    let mut tree = Tree::new(attributes(&root));
    directory(&mut tree, ROOT, &root, &mut tar);
    let length = tar.stream_position().unwrap();
    let image = tree.image(length, [7; 16]).unwrap();
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
    pending.indexed_by(&image).unwrap()
}

fn directory(tree: &mut Tree, node: NodeId, path: &Path, tar: &mut File) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_char_device() {
            Kind::CharDevice { major: 0, minor: 0 }
        } else {
            let data = fs::read(&path).unwrap();
            let offset = tar.stream_position().unwrap();
            tar.write_all(&data).unwrap();
            tar.write_all(&vec![
                0;
                data.len().next_multiple_of(BLOCK_BYTES) - data.len()
            ])
            .unwrap();
            let size = data.len() as u64;
            Kind::File { offset, size }
        };
        let name = path.file_name().unwrap().as_bytes();
        let is_directory = kind == Kind::Directory;
        let child = tree.make(node, name, kind, attributes(&path)).unwrap();
        if is_directory {
            directory(tree, child, &path, tar);
        }
    }
}

fn attributes(path: &Path) -> Attributes {
    let stat = path.symlink_metadata().unwrap();
    let mut value = [0; 1];
    let opaque = "trusted.overlay.opaque";
    let found = rustix::fs::lgetxattr(path, opaque, &mut value[..]).is_ok();
    Attributes {
        mode: stat.mode() & 0o7777,
        uid: stat.uid(),
        gid: stat.gid(),
        mtime_seconds: stat.mtime(),
        mtime_nanoseconds: stat.mtime_nsec() as u32,
        xattrs: match found {
            true => vec![(opaque.into(), value.to_vec())],
            false => Vec::new(),
        },
    }
}
