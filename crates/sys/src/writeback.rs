//! Writing to disk begun early, sync_file_range(2).

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// Lets the kernel begin to write a file's changed pages, and does not wait for them: a later
/// fsync(2) or syncfs(2) finds less to do. It promises nothing by itself.
///
/// # Errors
/// `EBADF`, `ESPIPE`: not a regular file. `EIO`, `ENOSPC`: an earlier write failed.
pub fn begin(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open; the call takes nothing else but numbers.
    match unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::begin;
    use std::{io::Write, os::fd::AsFd};

    #[test]
    fn a_file_is_taken_and_a_pipe_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"changed").unwrap();
        begin(file.as_fd()).unwrap();
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(begin(reader.as_fd()).is_err());
    }
}
