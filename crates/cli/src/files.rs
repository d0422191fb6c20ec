//! Archives on their way between the engine and files or standard streams.

use crate::{
    error::{CliError, errno_text},
    terminal,
};
use bytes::Bytes;
use corten_client::Response;
use futures_util::Stream;
use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// At most so much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// A directory among everybody's temporary files that only its user can look into: secrets
/// and Dockerfiles lie there (CVE-2025-4953).
pub fn private_directory() -> Result<tempfile::TempDir, CliError> {
    tempfile::Builder::new()
        .prefix("corten-build-")
        .permissions(PermissionsExt::from_mode(0o700))
        .tempdir()
        .map_err(|error| CliError::Text(format!("creating a directory: {error}")))
}

/// An archive is not written to a terminal.
pub fn refuse_terminal(output: &str) -> Result<(), CliError> {
    if output.is_empty() && terminal::terminals().output {
        return Err(CliError::Text(
            "cowardly refusing to save to a terminal. Use the -o flag or redirect".into(),
        ));
    }
    Ok(())
}

/// The directory of an output file must be there, and the file must not be something else.
pub fn check_output(output: &str) -> Result<(), String> {
    if output.is_empty() {
        return Ok(());
    }
    let path = Path::new(output);
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if let Err(error) = std::fs::metadata(parent) {
        return Err(format!(
            "invalid output path: stat {}: {}",
            parent.display(),
            errno_text(&error)
        ));
    }
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(format!(
            "invalid output path: \"{output}\" must be a regular file, not a directory"
        )),
        _ => Ok(()),
    }
}

/// Writes a body to a file (whole or not at all) or to stdout.
pub async fn write_body(mut response: Response, output: &str) -> Result<(), CliError> {
    if output.is_empty() {
        let mut stdout = io::stdout().lock();
        while let Some(chunk) = response.chunk().await? {
            stdout.write_all(&chunk).map_err(|_| CliError::Closed)?;
        }
        return stdout.flush().map_err(|_| CliError::Closed);
    }
    let path = PathBuf::from(output);
    let failed = |error: &io::Error| CliError::path("write", output, error);
    if std::fs::metadata(&path).is_ok_and(|m| !m.is_file()) {
        // A pipe or device is written as it is.
        let mut file = File::create(&path).map_err(|error| CliError::open(output, &error))?;
        while let Some(chunk) = response.chunk().await? {
            file.write_all(&chunk).map_err(|error| failed(&error))?;
        }
        return Ok(());
    }
    let directory = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".docker_temp_")
        .tempfile_in(directory)
        .map_err(|error| CliError::open(output, &error))?;
    while let Some(chunk) = response.chunk().await? {
        file.write_all(&chunk).map_err(|error| failed(&error))?;
    }
    file.persist(&path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// A reader as pieces for a request's body.
pub fn pieces(
    reader: impl Read + Send + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    // Reading blocks: a thread of its own reads ahead by a few chunks.
    let (sender, receiver) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(4);
    std::thread::spawn(move || {
        let mut reader = reader;
        loop {
            let mut buffer = vec![0; CHUNK_BYTES];
            let piece = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    buffer.truncate(length);
                    Ok(Bytes::from(buffer))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let last = piece.is_err();
            if sender.blocking_send(piece).is_err() || last {
                break;
            }
        }
    });
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
}

/// A file, or stdin for `-`.
pub fn input(path: &str) -> Result<Box<dyn Read + Send>, CliError> {
    if path == "-" || path.is_empty() {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(
        File::open(path).map_err(|error| CliError::open(path, &error))?,
    ))
}
