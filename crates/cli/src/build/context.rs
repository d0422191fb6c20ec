//! Where the build's files and its Dockerfile come from.

use super::caches;
use crate::{app::Call, error::CliError, files};
use corten_client::build::{Build, Offer};
use std::{
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::PoisonError,
};

/// Bytes that tell an archive from a Dockerfile.
const HEAD_BYTES: usize = 512;
/// Bytes of a Dockerfile.
const DOCKERFILE_BYTES_MAX: u64 = 16 << 20;

pub(super) fn read(call: &Call<'_>, build: &mut Build, offer: &mut Offer) -> Result<(), CliError> {
    let source = call.arg(0);
    let file = call.parsed.text("file");
    if source == "-" && file == "-" {
        return Err(CliError::Text(
            "invalid argument: can't use stdin for both build context and dockerfile".into(),
        ));
    }
    named(call, build, offer)?;
    if source == "-" {
        return standard_input(call, build, offer);
    }
    if is_remote(source) {
        build.options.insert("context".into(), source.to_owned());
        if !file.is_empty() {
            build.options.insert("filename".into(), file.to_owned());
        }
        return Ok(());
    }
    let directory = Path::new(source);
    if !directory.is_dir() {
        return Err(CliError::Text(format!(
            "unable to prepare context: path {source:?} not found"
        )));
    }
    offer.directories.insert("context".into(), directory.into());
    build.shared_key = shared_key(directory);
    build.options.insert("filename".into(), "Dockerfile".into());
    match file {
        "-" => {
            let text = dockerfile(std::io::stdin().lock())?;
            given(build, offer, text)
        }
        "" => {
            offer
                .directories
                .insert("dockerfile".into(), directory.into());
            Ok(())
        }
        file => {
            let path = Path::new(file);
            let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            build.options.insert("filename".into(), name.into_owned());
            let parent = parent.unwrap_or(Path::new("."));
            offer.directories.insert("dockerfile".into(), parent.into());
            Ok(())
        }
    }
}

pub(crate) fn is_remote(text: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@"];
    schemes.iter().any(|it| text.starts_with(it))
        || (text.starts_with("github.com/") && !Path::new(text).exists())
}

/// `--build-context name=…`.
fn named(call: &Call<'_>, build: &mut Build, offer: &mut Offer) -> Result<(), CliError> {
    for text in call.parsed.all("build-context") {
        let Some((name, value)) = text.split_once('=') else {
            return Err(CliError::Text(format!(
                "invalid context value: {text}, expected key=value"
            )));
        };
        let key = format!("context:{name}");
        if is_remote(value) || value.starts_with("docker-image:") {
            build.options.insert(key, value.to_owned());
            continue;
        }
        if let Some(place) = value.strip_prefix("oci-layout://") {
            let context = caches::context(value, place, offer)?;
            build.options.insert(key, context);
            continue;
        }
        if value.starts_with("target:") || value.starts_with("oci-layout:") {
            return Err(CliError::Text(format!(
                "the context {value} is not supported by corten build"
            )));
        }
        let path = Path::new(value);
        if !path.is_dir() {
            return Err(CliError::Text(format!(
                "failed to get build context path {text}: {value} is not a directory"
            )));
        }
        let local = format!("named-{}", offer.directories.len());
        build.options.insert(key, format!("local:{local}"));
        offer.directories.insert(local, path.into());
    }
    Ok(())
}

/// An archive, which is passed on as it comes, or a Dockerfile without further files.
fn standard_input(call: &Call<'_>, build: &mut Build, offer: &mut Offer) -> Result<(), CliError> {
    let mut head = Vec::new();
    let mut input = std::io::stdin();
    let read = input
        .by_ref()
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head);
    read.map_err(|error| {
        CliError::Text(format!("failed to read build context from stdin: {error}"))
    })?;
    if !is_archive(&head) {
        let text = dockerfile(std::io::Cursor::new(head).chain(input))?;
        given(build, offer, text)?;
        let empty = empty_directory()?;
        offer.temporary.push(empty.clone());
        offer.directories.insert("context".into(), empty);
        return Ok(());
    }
    let name = corten_base::Id::random().to_string();
    let url = format!("http://buildkit-session/{name}");
    build.options.insert("context".into(), url);
    let file = call.parsed.text("file");
    if !file.is_empty() {
        build.options.insert("filename".into(), file.to_owned());
    }
    let stream = std::io::Cursor::new(head).chain(input);
    let streams = offer
        .streams
        .get_mut()
        .unwrap_or_else(PoisonError::into_inner);
    streams.insert(name, Box::new(stream));
    Ok(())
}

/// tar, or what gzip, bzip2, xz and zstd write.
fn is_archive(head: &[u8]) -> bool {
    /// Offset of `ustar` in a header.
    const MAGIC: usize = 257;
    let compressed: [&[u8]; 4] = [
        &[0x1f, 0x8b, 0x08],
        b"BZh",
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    compressed.iter().any(|magic| head.starts_with(magic))
        || head.get(MAGIC..MAGIC + 5) == Some(b"ustar")
}

fn dockerfile(input: impl Read) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    let read = input.take(DOCKERFILE_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|error| {
        CliError::Text(format!("failed to read the Dockerfile from stdin: {error}"))
    })?;
    Ok(text)
}

/// A Dockerfile that lies nowhere: a directory of this process has it until the end.
pub(super) fn given(build: &mut Build, offer: &mut Offer, text: Vec<u8>) -> Result<(), CliError> {
    let directory = empty_directory()?;
    let path = directory.join("Dockerfile");
    std::fs::write(&path, text)
        .map_err(|error| CliError::Text(format!("writing {}: {error}", path.display())))?;
    build.options.insert("filename".into(), "Dockerfile".into());
    build
        .options
        .insert("dockerfilekey".into(), "dockerfile".into());
    offer
        .directories
        .insert("dockerfile".into(), directory.clone());
    offer.temporary.push(directory);
    Ok(())
}

fn empty_directory() -> Result<PathBuf, CliError> {
    Ok(files::private_directory()?.keep())
}

/// The same directory has the same name in every build, another one never.
fn shared_key(directory: &Path) -> String {
    let path = std::fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let Ok(metadata) = std::fs::metadata(&path) else {
        return String::new();
    };
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    format!(
        "corten {} {}:{} {}",
        machine.trim(),
        metadata.dev(),
        metadata.ino(),
        path.to_string_lossy()
    )
}
