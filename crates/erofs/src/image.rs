//! The whole image.
//!
//! ```text
//!  1024 superblock   1152 the device   1536 inodes, root first   blocks of directories
//! ```

use crate::{
    BLOCK_BYTES, Error, NodeId, ROOT, directory,
    inode::Place,
    tree::{Kind, Tree},
};

const MAGIC: u32 = 0xe0f5_e1e2;
const SUPERBLOCK: usize = 1024;
const SUPERBLOCK_BYTES: usize = 128;
/// `struct erofs_deviceslot`; `devt_slotoff` counts these.
const DEVICE_BYTES: usize = 128;
const INODES: usize = 1536;
/// `EROFS_FEATURE_INCOMPAT_CHUNKED_FILE` and `_DEVICE_TABLE`.
const FEATURES: u32 = 0x4 | 0x8;
/// Of the whole image: a page, so that no read ends in one.
const ALIGNMENT: usize = 4096;

impl Tree {
    /// The image of this tree for a device of `device_bytes`. `uuid` should differ from
    /// that of every other image.
    pub fn image(&self, device_bytes: u64, uuid: [u8; 16]) -> Result<Vec<u8>, Error> {
        let order = self.order();
        let mut places = vec![Place::default(); self.nodes.len()];
        let mut free = INODES;
        for &id in &order {
            (places[id.0 as usize], free) = Place::find(self, id, free);
        }
        let mut block = free.div_ceil(BLOCK_BYTES);
        for &id in &order {
            let place = &mut places[id.0 as usize];
            if place.blocks > 0 {
                place.block = u32::try_from(block).map_err(|_| Error::Size)?;
                block += place.blocks as usize;
            }
        }
        let blocks = u32::try_from(block).map_err(|_| Error::Size)?;
        let device_blocks = device_bytes.div_ceil(BLOCK_BYTES as u64);
        let device_blocks = u32::try_from(device_blocks).map_err(|_| Error::Size)?;
        let root = places[0].number() as u16;

        let mut out = Vec::with_capacity((block * BLOCK_BYTES).next_multiple_of(ALIGNMENT));
        superblock(&mut out, root, order.len() as u64, blocks, uuid);
        device(&mut out, device_blocks);
        for (ordinal, &id) in (1..).zip(&order) {
            let place = places[id.0 as usize];
            let data = match place.blocks {
                0 => self.data(id, &places),
                _ => Vec::new(),
            };
            place.write(self.node(id), ordinal, &data, &mut out);
        }
        for &id in &order {
            let place = places[id.0 as usize];
            if place.blocks > 0 {
                out.resize(place.block as usize * BLOCK_BYTES, 0);
                out.extend(self.data(id, &places));
            }
        }
        out.resize((block * BLOCK_BYTES).next_multiple_of(ALIGNMENT), 0);
        Ok(out)
    }

    /// Every inode that has a name, once, parents first.
    fn order(&self) -> Vec<NodeId> {
        let mut seen = vec![false; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut next = vec![ROOT];
        while let Some(id) = next.pop() {
            if !std::mem::replace(&mut seen[id.0 as usize], true) {
                order.push(id);
                let children: Vec<NodeId> = self.children(id).map(|(_, child)| child).collect();
                next.extend(children.into_iter().rev());
            }
        }
        order
    }

    /// What an inode keeps in the image.
    fn data(&self, id: NodeId, places: &[Place]) -> Vec<u8> {
        match self.kind(id) {
            Kind::Directory => directory::contents(self, id, |id| places[id.0 as usize].number()),
            Kind::Symlink(target) => target.clone(),
            _ => Vec::new(),
        }
    }
}

fn superblock(out: &mut Vec<u8>, root: u16, inodes: u64, blocks: u32, uuid: [u8; 16]) {
    out.resize(SUPERBLOCK, 0);
    out.extend(MAGIC.to_le_bytes());
    // No checksum, no compatible features.
    out.extend([0; 8]);
    out.extend([BLOCK_BYTES.trailing_zeros() as u8, 0]);
    out.extend(root.to_le_bytes());
    out.extend(inodes.to_le_bytes());
    // Every inode has its own time.
    out.extend([0; 12]);
    out.extend(blocks.to_le_bytes());
    // Inodes are numbered from the image's first byte; no shared attributes.
    out.extend([0; 8]);
    out.extend(uuid);
    out.extend([0; 16]);
    out.extend(FEATURES.to_le_bytes());
    out.extend([0; 2]);
    out.extend(1_u16.to_le_bytes());
    out.extend((((SUPERBLOCK + SUPERBLOCK_BYTES) / DEVICE_BYTES) as u16).to_le_bytes());
    out.resize(SUPERBLOCK + SUPERBLOCK_BYTES, 0);
}

fn device(out: &mut Vec<u8>, blocks: u32) {
    let start = out.len();
    // A name, for tools that list it; who mounts says where the device is.
    out.extend(b"layer.tar");
    out.resize(start + 64, 0);
    out.extend(blocks.to_le_bytes());
    out.resize(start + DEVICE_BYTES, 0);
}
