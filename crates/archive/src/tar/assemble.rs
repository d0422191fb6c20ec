//! One entry put together from its header and from what came before it.

use super::{
    BLOCK, Entry, EntryKind, Reader, Time, block::Block, padding, pax::SparseKeys, reader::Pending,
    sparse,
};
use crate::{Limit, Result};
use std::io::BufRead;

impl<R: BufRead> Reader<R> {
    /// The entry that a header and what came before it describe.
    pub(super) fn entry(&mut self, block: &Block<'_>, pending: Pending) -> Result<Entry> {
        let pax = pending.pax.unwrap_or_else(|| self.global.clone());
        let at = |fault| self.malformed(fault);
        let kind = kind(block).map_err(at)?;
        let one = |gnu: Option<Vec<u8>>, pax: Option<Vec<u8>>| match (gnu, pax) {
            (Some(gnu), Some(pax)) if gnu != pax => {
                Err(self.malformed("a GNU and a pax name for one entry"))
            }
            (gnu, pax) => Ok(pax.or(gnu)),
        };
        let mut entry = Entry {
            path: one(pending.name, pax.path)?.unwrap_or_else(|| block.name()),
            link: one(pending.link, pax.link)?.unwrap_or_else(|| block.link().to_vec()),
            mode: block.mode().map_err(at)?,
            uid: pax.uid.map_or_else(|| block.uid(), Ok).map_err(at)?,
            gid: pax.gid.map_or_else(|| block.gid(), Ok).map_err(at)?,
            size: pax.size.map_or_else(|| block.size(), Ok).map_err(at)?,
            mtime: match pax.mtime {
                Some(time) => time,
                None => Time {
                    seconds: block.mtime().map_err(at)?,
                    nanoseconds: 0,
                },
            },
            atime: pax.atime,
            xattrs: pax.xattrs,
            sparse: None,
            kind,
        };
        self.shape(block, &mut entry)?;
        self.check_size(entry.size)?;
        self.remaining = entry.size;
        self.padding = padding(entry.size);
        let old = block.kind() == b'S';
        if entry.kind == EntryKind::Regular && (old || pax.sparse != Default::default()) {
            self.sparse(block, &mut entry, pax.sparse, old)?;
        }
        if entry.path.len() > self.limits.path_bytes || entry.link.len() > self.limits.path_bytes {
            return Err(self.over(Limit::PathBytes));
        }
        if entry.path.is_empty() {
            return Err(self.malformed("an entry without a name"));
        }
        Ok(entry)
    }

    /// What each kind may and must have.
    fn shape(&self, block: &Block<'_>, entry: &mut Entry) -> Result<()> {
        // v7 had no type for directories.
        if block.kind() == 0 && entry.path.ends_with(b"/") && entry.kind == EntryKind::Regular {
            entry.kind = EntryKind::Directory;
        }
        let linked = matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink);
        if linked && entry.link.is_empty() {
            return Err(self.malformed("a link without a target"));
        }
        if !linked {
            entry.link.clear();
        }
        match entry.kind {
            EntryKind::Regular => {}
            // POSIX leaves open what a hard link's size means; no reader takes data from it.
            EntryKind::HardLink => entry.size = 0,
            // Readers disagree whether such data is there.
            _ if entry.size != 0 => return Err(self.malformed("data after an entry without any")),
            _ => {}
        }
        Ok(())
    }

    fn sparse(
        &mut self,
        block: &Block<'_>,
        entry: &mut Entry,
        keys: SparseKeys,
        old: bool,
    ) -> Result<()> {
        let (map, size) = if old {
            if keys != Default::default() {
                return Err(self.malformed("a sparse file in two formats"));
            }
            let (mut map, size, mut more) =
                sparse::old_header(block.bytes()).map_err(|fault| self.fault(fault))?;
            while more {
                let mut bytes = [0; BLOCK];
                if !self.read_block(&mut bytes)? {
                    return Err(self.malformed("the archive ends in a sparse map"));
                }
                more = sparse::old_block(&bytes, &mut map, &self.limits)
                    .map_err(|fault| self.fault(fault))?;
            }
            (map, size)
        } else {
            let size = keys
                .size
                .ok_or_else(|| self.malformed("a sparse file without a size"))?;
            let map = match keys.version {
                (Some(1), Some(0)) => self.leading_map()?,
                (None, None) | (Some(0), Some(0 | 1)) => {
                    sparse::announced(&keys).map_err(|fault| self.fault(fault))?;
                    keys.map
                }
                _ => return Err(self.malformed("an unknown sparse format")),
            };
            (map, size)
        };
        if let Some(name) = keys.name {
            entry.path = name;
        }
        self.check_size(size)?;
        let parts = sparse::parts(&map, size, self.remaining).map_err(|fault| self.fault(fault))?;
        entry.size = size;
        entry.sparse = Some(parts);
        Ok(())
    }

    /// Format 1.0: the map fills whole blocks at the beginning of the data.
    fn leading_map(&mut self) -> Result<Vec<u64>> {
        let mut map = sparse::LeadingMap::default();
        loop {
            let mut bytes = [0; BLOCK];
            if self.remaining < BLOCK as u64 || !self.read_block(&mut bytes)? {
                return Err(self.malformed("the data ends in a sparse map"));
            }
            self.remaining -= BLOCK as u64;
            if map
                .add(&bytes, &self.limits)
                .map_err(|fault| self.fault(fault))?
            {
                return Ok(map.numbers());
            }
        }
    }
}

fn kind(block: &Block<'_>) -> Result<EntryKind, &'static str> {
    Ok(match block.kind() {
        0 | b'0' | b'7' | b'S' => EntryKind::Regular,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => {
            let (major, minor) = block.device()?;
            EntryKind::CharDevice { major, minor }
        }
        b'4' => {
            let (major, minor) = block.device()?;
            EntryKind::BlockDevice { major, minor }
        }
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        _ => return Err("an entry of an unknown type"),
    })
}
