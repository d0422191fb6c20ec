//! A directory's contents: blocks of entries, each followed by their names.

use crate::{
    BLOCK_BYTES, NodeId,
    tree::{Kind, Tree},
};

/// `struct erofs_dirent`.
const ENTRY_BYTES: usize = 12;

/// Names with what they stand for, `.` and `..` among them, in the order of bytes, cut
/// into blocks.
fn blocks(tree: &Tree, id: NodeId) -> Vec<Vec<(&[u8], NodeId)>> {
    let node = tree.node(id);
    let mut names: Vec<(&[u8], NodeId)> = tree.children(id).collect();
    names.extend([(&b"."[..], id), (&b".."[..], node.parent)]);
    names.sort_unstable_by_key(|(name, _)| *name);
    let mut blocks = vec![Vec::new()];
    let mut used = 0;
    for (name, id) in names {
        let needs = ENTRY_BYTES + name.len();
        if used + needs > BLOCK_BYTES {
            blocks.push(Vec::new());
            used = 0;
        }
        used += needs;
        let last = blocks.len() - 1;
        blocks[last].push((name, id));
    }
    blocks
}

/// `i_size` of a directory: whole blocks, and what the last one uses.
pub(crate) fn size(tree: &Tree, id: NodeId) -> usize {
    let blocks = blocks(tree, id);
    let last = blocks.last().map_or(0, |names| {
        names.iter().map(|(name, _)| ENTRY_BYTES + name.len()).sum()
    });
    (blocks.len() - 1) * BLOCK_BYTES + last
}

/// Its contents, given each inode's number.
pub(crate) fn contents(tree: &Tree, id: NodeId, number: impl Fn(NodeId) -> u64) -> Vec<u8> {
    let mut out = Vec::new();
    for names in blocks(tree, id) {
        out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
        let mut name_offset = names.len() * ENTRY_BYTES;
        for (name, child) in &names {
            out.extend(number(*child).to_le_bytes());
            out.extend((name_offset as u16).to_le_bytes());
            out.extend([file_type(tree.kind(*child)), 0]);
            name_offset += name.len();
        }
        for (name, _) in &names {
            out.extend(*name);
        }
    }
    out
}

/// The words of linux/fs_types.h.
fn file_type(kind: &Kind) -> u8 {
    match kind {
        Kind::File { .. } => 1,
        Kind::Directory => 2,
        Kind::CharDevice { .. } => 3,
        Kind::BlockDevice { .. } => 4,
        Kind::Fifo => 5,
        Kind::Symlink(_) => 7,
    }
}
