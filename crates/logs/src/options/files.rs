//! `json-file` and `local`.

use super::Given;
use super::values::{go_bool, human_size};
use crate::OptionError;

/// The options of files.
pub(super) const NAMES: [&str; 3] = ["max-size", "max-file", "compress"];

/// What `local` keeps at most, as Docker's does.
const LOCAL_FILE_BYTES: u64 = 20_000_000;
const LOCAL_FILES: u32 = 5;

/// How files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOptions {
    /// `max-size`: begin a new file at so many bytes.
    pub max_size_bytes: Option<u64>,
    /// `max-file`: how many files are kept, at least 1.
    pub max_files: u32,
    /// `compress`: older files are compressed.
    pub compress: bool,
}

impl FileOptions {
    /// What `local` does where nobody says: 100 MB, all but the newest 20 compressed.
    pub const fn local() -> Self {
        Self {
            max_size_bytes: Some(LOCAL_FILE_BYTES),
            max_files: LOCAL_FILES,
            compress: true,
        }
    }
}

pub(super) fn json_file(options: &Given) -> Result<FileOptions, OptionError> {
    let mut parsed = FileOptions {
        max_size_bytes: None,
        max_files: 1,
        compress: false,
    };
    if let Some(text) = options.get("max-size").filter(|text| !text.is_empty()) {
        let bytes = human_size(text).ok_or_else(|| OptionError::Size(text.clone()))?;
        if bytes == 0 {
            return Err(OptionError::SizeNotPositive);
        }
        parsed.max_size_bytes = Some(bytes);
    }
    if let Some(text) = options.get("max-file") {
        let files: i64 = text
            .parse()
            .map_err(|_| OptionError::NotANumber(text.clone()))?;
        parsed.max_files = match u32::try_from(files) {
            Ok(files @ 1..) => files,
            _ if files < 1 => return Err(OptionError::TooFewFiles),
            _ => u32::MAX,
        };
    }
    if let Some(text) = options.get("compress") {
        parsed.compress = go_bool(text).ok_or_else(|| OptionError::NotABool(text.clone()))?;
        if parsed.compress && (parsed.max_files == 1 || parsed.max_size_bytes.is_none()) {
            return Err(OptionError::NothingToCompress);
        }
    }
    Ok(parsed)
}

pub(super) fn local(options: &Given) -> Result<FileOptions, OptionError> {
    let mut parsed = FileOptions::local();
    if let Some(text) = options.get("max-size") {
        let bytes = human_size(text).ok_or_else(|| OptionError::LocalSize(text.clone()))?;
        // dockerd accepts zero, and never rotates then.
        parsed.max_size_bytes = (bytes > 0).then_some(bytes);
    }
    if let Some(text) = options.get("max-file") {
        let files: i64 = text
            .parse()
            .map_err(|_| OptionError::LocalFiles(text.clone()))?;
        parsed.max_files = u32::try_from(files.max(1)).unwrap_or(u32::MAX);
    }
    if let Some(text) = options.get("compress") {
        parsed.compress = go_bool(text).ok_or_else(|| OptionError::LocalCompress(text.clone()))?;
    }
    if parsed.compress && parsed.max_files == 1 {
        return Err(OptionError::LocalNothingToCompress);
    }
    Ok(parsed)
}
