//! Space kept for deletions.
//!
//! SQLite needs some to delete a record. A file beside the records holds it, so that on a
//! full disk what takes the space can still be removed: each deletion that finds the disk
//! full cuts a piece off the file, and the file grows again when there is room.

use std::{
    fs::{self, File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::PathBuf,
};

/// All of it: for so many deletions that others cannot take the space away meanwhile.
const BYTES: u64 = 1 << 20;

/// What a deletion may need: some pages of 4 KiB in the write-ahead log.
const PIECE_BYTES: u64 = 32 << 10;

/// The file.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// The file is made when there is room for it.
    pub(crate) fn keep(path: PathBuf) -> Self {
        let reserve = Self { path };
        // One of before may have been made with another mode.
        drop(fs::set_permissions(
            &reserve.path,
            fs::Permissions::from_mode(crate::MODE),
        ));
        reserve.grow();
        reserve
    }

    /// Fills the file up again, as far as there is room. Failing is no failure.
    pub(crate) fn grow(&self) {
        let have = fs::metadata(&self.path).map_or(0, |found| found.len());
        if have < BYTES {
            drop(self.fill(have));
        }
    }

    fn fill(&self, have: u64) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file: File = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(crate::MODE)
            .open(&self.path)?;
        file.seek(SeekFrom::Start(have))?;
        // Written and not only promised: a sparse file holds nothing.
        let piece = vec![0; PIECE_BYTES as usize];
        for _ in 0..(BYTES - have).div_ceil(PIECE_BYTES) {
            file.write_all(&piece)?;
        }
        Ok(())
    }

    /// Gives a piece of the space back; false when nothing is left of it.
    pub(crate) fn give(&self) -> bool {
        let have = fs::metadata(&self.path).map_or(0, |found| found.len());
        let file = OpenOptions::new().write(true).open(&self.path);
        have > 0 && file.is_ok_and(|file| file.set_len(have.saturating_sub(PIECE_BYTES)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_until_nothing_is_left_and_grows_again() {
        let directory = tempfile::tempdir().expect("a directory");
        let reserve = Reserve::keep(directory.path().join("reserve"));
        let mut given = 0;
        while reserve.give() {
            given += 1;
        }
        assert_eq!(given, BYTES / PIECE_BYTES);
        reserve.grow();
        assert!(reserve.give());
    }
}
