//! JSON files that are whole at every moment.

use crate::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// How temporary names end.
const TEMPORARY: &str = ".tmp";

/// Replaces `path` by `value` as JSON. A reader sees the old file or the new one.
///
/// `durable`: the new file is on disk when this returns. Without it a power cut may leave
/// the old one, or on a file system without journal none; use it for what can be made
/// again from a record.
///
/// The temporary name is fixed (`.<name>.tmp`), so that a crash leaves at most one, which
/// the next call overwrites and [`clear_unfinished`] removes; two calls for one path must not run at the same time.
pub fn replace_json<T: Serialize>(path: &Path, value: &T, durable: bool) -> Result<(), StoreError> {
    let failed = |operation| {
        move |source| StoreError::File {
            operation,
            path: path.to_owned(),
            source,
        }
    };
    let mut body = serde_json::to_vec(value)
        .map_err(|error| failed("writing")(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    body.push(b'\n');
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed("writing")(io::ErrorKind::InvalidInput.into()));
    };
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(TEMPORARY);
    let temporary = directory.join(temporary_name);
    corten_base::step("file.create");
    let mut file = File::create(&temporary).map_err(failed("writing"))?;
    file.write_all(&body).map_err(failed("writing"))?;
    if durable {
        file.sync_all().map_err(failed("flushing"))?;
    }
    corten_base::step("file.rename");
    fs::rename(&temporary, path).map_err(failed("renaming"))?;
    corten_base::step("file.done");
    if durable {
        File::open(directory)
            .and_then(|it| it.sync_all())
            .map_err(failed("flushing"))?;
    }
    Ok(())
}

/// Removes what a [`replace_json`] in `directory` has left that was killed midway. Nobody
/// may write there meanwhile.
pub fn clear_unfinished(directory: &Path) -> Result<(), StoreError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File {
            operation,
            path,
            source,
        }
    };
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("reading", directory))?,
    };
    for entry in entries {
        let entry = entry.map_err(failed("reading", directory))?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(b".") && name.ends_with(TEMPORARY.as_bytes()) {
            let path = entry.path();
            fs::remove_file(&path).map_err(failed("removing", &path))?;
        }
    }
    Ok(())
}

/// The value in `path`, or `None` when there is no such file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let failed = |source| StoreError::File {
        operation: "reading",
        path: path.to_owned(),
        source,
    };
    match fs::read(path) {
        Ok(body) => serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}
