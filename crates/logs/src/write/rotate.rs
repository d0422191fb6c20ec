//! Putting a full file aside.

use super::JsonFileConfig;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// More files than this are not looked for; `max-file` may be any number.
const MOST_FILES: u32 = 10_000;

/// The file with `.number` and `extension` behind its name.
pub(crate) fn numbered(path: &Path, number: u32, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}{extension}"));
    name.into()
}

/// Moves every file one number up and the current one to `.1`; what would exceed
/// `max_files` is unlinked. A single file is unlinked too, not truncated as Docker does:
/// whoever reads it still reads it to its end.
pub(super) fn rotate(config: &JsonFileConfig) -> io::Result<()> {
    let path = &config.path;
    let older = config.max_files.min(MOST_FILES) - 1;
    if older == 0 {
        return absent_is_fine(rustix::fs::unlink(path));
    }
    // Both forms of each number are moved: one may not have been compressed before a
    // crash.
    let extensions: &[&str] = if config.compress { &[".gz", ""] } else { &[""] };
    for extension in extensions {
        absent_is_fine(rustix::fs::unlink(numbered(path, older, extension)))?;
        let mut number = older;
        while number > 1 {
            let from = numbered(path, number - 1, extension);
            let to = numbered(path, number, extension);
            absent_is_fine(rustix::fs::rename(from, to))?;
            number -= 1;
        }
    }
    absent_is_fine(rustix::fs::rename(path, numbered(path, 1, "")))
}

fn absent_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::NOENT) => Ok(()),
        result => Ok(result?),
    }
}
