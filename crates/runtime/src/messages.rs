//! The sentences of a failed start, runc's where users know them.

use crate::{Stage, StartError};
use std::fmt;

/// The kernel's text for `errno` in Go's spelling (lower case, no number).
pub fn errno_text(errno: i32) -> String {
    corten_base::errno_text(&std::io::Error::from_raw_os_error(errno))
}

pub(crate) fn write(error: &StartError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let StartError {
        stage,
        errno,
        path,
        detail,
    } = error;
    match stage {
        Stage::LookUp if *errno == libc::ENOENT && !path.contains('/') => {
            write!(f, "exec: {path:?}: executable file not found in $PATH")
        }
        Stage::LookUp if *errno == libc::ENOENT => {
            write!(f, "exec: {path:?}: stat {path}: no such file or directory")
        }
        // Go's wrapped error, whose second part is the one that clients search.
        Stage::LookUp if *errno == libc::EISDIR => {
            write!(f, "exec: {path:?}: is a directory: permission denied")
        }
        Stage::LookUp => write!(f, "exec: {path:?}: {}", errno_text(*errno)),
        Stage::Exec => write!(f, "exec {path}: {}", errno_text(*errno)),
        Stage::WorkingDirectory if *errno != 0 => write!(
            f,
            "chdir to cwd ({path:?}) set in config.json failed: {}",
            errno_text(*errno)
        ),
        Stage::Rlimit if *errno != 0 => {
            let (number, reason) = (crate::limits::number(path), errno_text(*errno));
            f.write_str("error setting rlimits for ready process: ")?;
            write!(f, "error setting rlimit type {number}: {reason}")
        }
        Stage::Mount if *errno != 0 => write!(
            f,
            "error mounting {detail:?} to rootfs at {path:?}: {}",
            errno_text(*errno)
        ),
        _ if *errno == 0 => f.write_str(detail),
        _ if path.is_empty() => write!(f, "{detail}: {}", errno_text(*errno)),
        _ => write!(f, "{detail} {path:?}: {}", errno_text(*errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentences_that_clients_search_are_there() {
        let say = |stage, errno, path| StartError::new(stage, errno, path, "").to_string();
        assert_eq!(
            say(Stage::LookUp, libc::ENOENT, "foo"),
            "exec: \"foo\": executable file not found in $PATH"
        );
        assert_eq!(
            say(Stage::LookUp, libc::ENOENT, "/foo"),
            "exec: \"/foo\": stat /foo: no such file or directory"
        );
        assert_eq!(
            say(Stage::LookUp, libc::EACCES, "/etc/passwd"),
            "exec: \"/etc/passwd\": permission denied"
        );
        assert_eq!(
            say(Stage::LookUp, libc::EISDIR, "/etc"),
            "exec: \"/etc\": is a directory: permission denied"
        );
        assert_eq!(
            say(Stage::Exec, libc::ENOEXEC, "/x"),
            "exec /x: exec format error"
        );
        assert_eq!(errno_text(libc::EIO), "input/output error");
    }
}
