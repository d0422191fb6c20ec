//! One inode: 64 bytes, extended attributes, and what lies behind them.

use crate::{
    BLOCK_BYTES, NodeId, directory,
    tree::{Kind, Node, Tree},
    xattrs,
};

/// `struct erofs_inode_extended`.
const INODE_BYTES: usize = 64;
/// `struct erofs_inode_chunk_index`.
const CHUNK_BYTES: usize = 8;
/// Inodes are numbered by these.
pub(crate) const SLOT_BYTES: usize = 32;

/// `EROFS_INODE_FLAT_PLAIN` and its neighbours.
const PLAIN: u16 = 0;
const INLINE: u16 = 2;
const CHUNKS: u16 = 4;
/// `EROFS_CHUNK_FORMAT_INDEXES`.
const CHUNK_INDEXES: u32 = 0x20;
/// The tar's number among the image's devices.
const DEVICE: u16 = 1;

/// Where an inode's parts lie.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// Of the inode in the image; 0 if it is not in it.
    pub at: usize,
    /// Bytes of attributes behind it.
    xattr_bytes: usize,
    /// `i_size`.
    size: u64,
    /// How its data are found.
    layout: u16,
    /// First block of the data, for what has blocks in the image.
    pub block: u32,
    /// Whole blocks of data in the image.
    pub blocks: u32,
}

impl Place {
    /// Finds the place of a node at or behind `free`; gives the first byte behind it.
    pub fn find(tree: &Tree, id: NodeId, free: usize) -> (Self, usize) {
        let node = tree.node(id);
        // Checked when they were put into the tree.
        let xattr_bytes = xattrs::size(&node.attributes.xattrs).unwrap_or(0);
        let head = INODE_BYTES + xattr_bytes;
        let mut place = Self {
            at: free.next_multiple_of(SLOT_BYTES),
            xattr_bytes,
            ..Self::default()
        };
        let data = match &node.kind {
            Kind::Directory => directory::size(tree, id),
            Kind::Symlink(target) => target.len(),
            Kind::File { size, .. } => {
                place.size = *size;
                if *size == 0 {
                    return (place.whole(INODE_BYTES), place.whole(INODE_BYTES).at + head);
                }
                place.layout = CHUNKS;
                place = place.whole(INODE_BYTES);
                let index = (place.at + head).next_multiple_of(CHUNK_BYTES);
                return (place, index + CHUNK_BYTES);
            }
            _ => return (place.whole(INODE_BYTES), place.whole(INODE_BYTES).at + head),
        };
        place.size = data as u64;
        if head + data <= BLOCK_BYTES {
            // What lies behind an inode must lie in the block where it begins.
            place.layout = INLINE;
            place = place.whole(head + data);
            return (place, place.at + head + data);
        }
        place.layout = PLAIN;
        place.blocks = data.div_ceil(BLOCK_BYTES) as u32;
        place = place.whole(INODE_BYTES);
        (place, place.at + head)
    }

    /// Moved to the next block if `bytes` do not fit into this one.
    fn whole(self, bytes: usize) -> Self {
        match self.at % BLOCK_BYTES + bytes > BLOCK_BYTES {
            true => Self {
                at: self.at.next_multiple_of(BLOCK_BYTES),
                ..self
            },
            false => self,
        }
    }

    /// The inode's number.
    pub fn number(&self) -> u64 {
        (self.at / SLOT_BYTES) as u64
    }

    /// Writes the inode and what lies behind it; `data` for what has data in the image.
    pub fn write(&self, node: &Node, ordinal: u32, data: &[u8], out: &mut Vec<u8>) {
        let attributes = &node.attributes;
        out.resize(self.at, 0);
        // Bit 0: the long form.
        out.extend((1 | self.layout << 1).to_le_bytes());
        out.extend((xattrs::words(self.xattr_bytes) as u16).to_le_bytes());
        out.extend((file_mode(&node.kind) | attributes.mode as u16 & 0o7777).to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.size.to_le_bytes());
        out.extend(self.union(node).to_le_bytes());
        out.extend(ordinal.to_le_bytes());
        out.extend(attributes.uid.to_le_bytes());
        out.extend(attributes.gid.to_le_bytes());
        out.extend(attributes.mtime_seconds.to_le_bytes());
        out.extend(attributes.mtime_nanoseconds.to_le_bytes());
        out.extend(node.links.to_le_bytes());
        out.extend([0; 16]);
        xattrs::write(&attributes.xattrs, out);
        match (self.layout, &node.kind) {
            (INLINE, _) => out.extend(data),
            (CHUNKS, Kind::File { offset, .. }) => {
                out.resize(out.len().next_multiple_of(CHUNK_BYTES), 0);
                out.extend([0; 2]);
                out.extend(DEVICE.to_le_bytes());
                out.extend(((offset / BLOCK_BYTES as u64) as u32).to_le_bytes());
            }
            _ => {}
        }
    }

    /// `i_u`.
    fn union(&self, node: &Node) -> u32 {
        match &node.kind {
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                // linux/kdev_t.h, new_encode_dev.
                minor & 0xff | major << 8 | (minor & !0xff) << 12
            }
            Kind::File { size, .. } if self.layout == CHUNKS => {
                // One chunk that is large enough, in powers of two of a block.
                let blocks = size.div_ceil(BLOCK_BYTES as u64);
                CHUNK_INDEXES | blocks.next_power_of_two().trailing_zeros()
            }
            _ => self.block,
        }
    }
}

/// S_IFMT of sys/stat.h.
fn file_mode(kind: &Kind) -> u16 {
    match kind {
        Kind::Fifo => 0o010_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::Directory => 0o040_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::File { .. } => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
    }
}
