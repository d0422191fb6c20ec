//! JSON files that are whole at every moment.

use crate::StoreError;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Replaces `path` by `value` as JSON. A reader sees the old file or the new one.
///
/// `durable`: the new file is on disk when this returns. Without it a power cut may leave
/// the old one, or on a file system without journal none; use it for what can be made
/// again from a record.
///
/// The temporary name is fixed (`.<name>.tmp`), so that a crash leaves at most one, which
/// the next call overwrites; two calls for one path must not run at the same time.
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
    temporary_name.push(".tmp");
    let temporary = directory.join(temporary_name);
    let mut file = File::create(&temporary).map_err(failed("writing"))?;
    file.write_all(&body).map_err(failed("writing"))?;
    if durable {
        file.sync_all().map_err(failed("flushing"))?;
    }
    fs::rename(&temporary, path).map_err(failed("renaming"))?;
    if durable {
        File::open(directory)
            .and_then(|it| it.sync_all())
            .map_err(failed("flushing"))?;
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
