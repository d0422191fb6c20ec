//! What is still under way on a socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// How much of what was sent has not arrived. On a unix socket that is what the peer has
/// not read, counted in the kernel's memory; on TCP what the peer's kernel has not
/// acknowledged, in bytes. 0: all has arrived. unix(7), tcp(7): `SIOCOUTQ`.
///
/// # Errors
/// ENOTTY for what is no socket, EINVAL for one that listens.
pub fn unsent_bytes(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, which is TIOCOUTQ by number, writes one int: `bytes`, which outlives
    // the call.
    let result = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 {
        Ok(u64::try_from(bytes).unwrap_or(0))
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_the_peer_has_read_is_under_way_no_more() -> io::Result<()> {
        let (mut ours, mut theirs) = UnixStream::pair()?;
        assert_eq!(unsent_bytes(&ours)?, 0);
        ours.write_all(b"head")?;
        assert_ne!(unsent_bytes(&ours)?, 0);
        theirs.read_exact(&mut [0; 4])?;
        assert_eq!(unsent_bytes(&ours)?, 0);
        Ok(())
    }

    #[test]
    fn a_file_is_no_socket() -> io::Result<()> {
        let file = std::fs::File::open("/dev/null")?;
        let error = unsent_bytes(&file).expect_err("it is a file");
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        Ok(())
    }
}
