//! A file that was made just now gets its content, owner and mode, by as few calls as that
//! takes: contexts have thousands of small ones.

use rustix::{
    fs::{self, Gid, Mode, Uid},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::BorrowedFd,
};

/// Bytes of a file that is read and written in one piece.
const SMALL_BYTES: usize = 64 << 10;

/// Owner and mode that a file is to have.
pub(crate) struct Metadata {
    pub owner: (Uid, Gid),
    /// Permission bits, with those above them.
    pub mode: u32,
}

impl Metadata {
    /// Sets what is not so already: a look costs a fifth of a change. The owner first,
    /// which takes set-user-ID bits and capabilities away.
    ///
    /// # Errors
    /// The kernel's.
    pub fn set(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        let now = fs::fstat(file)?;
        let (uid, gid) = self.owner;
        let moves = (now.st_uid, now.st_gid) != (uid.as_raw(), gid.as_raw());
        if moves {
            fs::fchown(file, Some(uid), Some(gid))?;
        }
        if moves || now.st_mode & 0o7777 != self.mode {
            fs::fchmod(file, Mode::from_raw_mode(self.mode))?;
        }
        Ok(())
    }
}

/// Copies what is in a file of about `size_bytes`. A small one goes through our memory,
/// where the kernel's own copying takes six calls and more time.
///
/// # Errors
/// The file system's.
pub(crate) fn copy_content(mut from: File, to: &mut File, size_bytes: u64) -> io::Result<()> {
    if size_bytes >= SMALL_BYTES as u64 {
        return io::copy(&mut from, to).map(drop);
    }
    let mut piece = [0; SMALL_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&piece[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::{fd::AsFd, unix::fs::PermissionsExt};

    #[test]
    fn content_is_copied_whole_at_any_size() {
        let directory = tempfile::tempdir().unwrap();
        for size in [0, 1, SMALL_BYTES - 1, SMALL_BYTES, 3 * SMALL_BYTES + 7] {
            let (from, to) = (directory.path().join("from"), directory.path().join("to"));
            let content: Vec<u8> = (0..size).map(|it| (it % 251) as u8).collect();
            std::fs::write(&from, &content).unwrap();
            // What was said about a file that grew meanwhile does not cut it.
            for told in [size, size / 2] {
                let mut target = File::create(&to).unwrap();
                copy_content(File::open(&from).unwrap(), &mut target, told as u64).unwrap();
                assert!(std::fs::read(&to).unwrap() == content, "{size} bytes");
            }
        }
    }

    #[test]
    fn a_mode_is_set_whatever_the_file_was_made_with() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::create(&path).unwrap();
        let owner = (rustix::process::geteuid(), rustix::process::getegid());
        for mode in [0o600, 0o644, 0o4755, 0o000, 0o777] {
            Metadata { owner, mode }.set(file.as_fd()).unwrap();
            let found = path.metadata().unwrap().permissions().mode();
            assert_eq!(found & 0o7777, mode);
        }
    }
}
