//! Contexts: named engines below `contexts/meta/<sha256 of the name>/meta.json`.

use crate::{
    config::file::set,
    error::{CliError, errno_text},
    output::Json,
};
use corten_client::TlsFiles;
use corten_oci::Digest;
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The context that is always there.
pub const DEFAULT: &str = "default";

/// One stored context.
pub struct Context {
    pub name: String,
    pub description: String,
    pub host: String,
    pub skip_tls_verify: bool,
}

fn id(name: &str) -> String {
    Digest::of(name.as_bytes()).hex().to_owned()
}

/// Directory of a context's record.
pub fn meta_directory(config: &Path, name: &str) -> PathBuf {
    config.join("contexts/meta").join(id(name))
}

/// Directory of a context's keys and certificates.
pub fn tls_directory(config: &Path, name: &str) -> PathBuf {
    config.join("contexts/tls").join(id(name))
}

/// Names of contexts: letters, digits and `_.-`, beginning with a letter or digit.
pub fn check_name(name: &str) -> Result<(), CliError> {
    let right = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() > 1
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.+-".contains(&b));
    if name == DEFAULT {
        return Err(CliError::Text(
            "\"default\" is a reserved context name".into(),
        ));
    }
    if right {
        return Ok(());
    }
    Err(CliError::Text(format!(
        "context name {name:?} is invalid, names are validated against regexp \"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\""
    )))
}

fn read(path: &Path) -> Option<Context> {
    let json: Json = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(Context {
        name: json.text(&["Name"]).to_owned(),
        description: json.text(&["Metadata", "Description"]).to_owned(),
        host: json.text(&["Endpoints", "docker", "Host"]).to_owned(),
        skip_tls_verify: json.bool(&["Endpoints", "docker", "SkipTLSVerify"]),
    })
}

/// All stored contexts by name.
pub fn all(config: &Path) -> Vec<Context> {
    let entries = fs::read_dir(config.join("contexts/meta"));
    let mut list: Vec<Context> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| read(&entry.path().join("meta.json")))
        .collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

/// A stored context.
pub fn get(config: &Path, name: &str) -> Result<Context, CliError> {
    read(&meta_directory(config, name).join("meta.json")).ok_or_else(|| {
        CliError::Text(format!(
            "context {name:?}: context not found: open {}: no such file or directory",
            meta_directory(config, name).join("meta.json").display()
        ))
    })
}

/// Address and TLS files of a context.
pub fn endpoint(config: &Path, name: &str) -> Result<(String, Option<TlsFiles>), CliError> {
    let context = get(config, name)?;
    let directory = tls_directory(config, name).join("docker");
    let file = |name: &str| Some(directory.join(name)).filter(|path| path.is_file());
    let files = TlsFiles {
        authority: file("ca.pem"),
        certificate: file("cert.pem"),
        key: file("key.pem"),
        verify: !context.skip_tls_verify,
    };
    let tls = files.authority.is_some() || files.certificate.is_some();
    Ok((context.host, tls.then_some(files)))
}

/// Writes a context's record. What others have put into one that is there stays.
pub fn put(config: &Path, context: &Context) -> Result<(), CliError> {
    put_over(config, context, stored(config, &context.name))
}

/// As [`put`], over what `document` holds.
pub fn put_over(config: &Path, context: &Context, document: Json) -> Result<(), CliError> {
    let directory = meta_directory(config, &context.name);
    let failed = |error: std::io::Error| {
        CliError::Text(format!("{}: {}", directory.display(), errno_text(&error)))
    };
    let document = filled_in(document, context);
    fs::create_dir_all(&directory).map_err(failed)?;
    fs::write(directory.join("meta.json"), document.compact(true)).map_err(failed)
}

/// The record of a context as it stands.
pub fn document(config: &Path, context: &Context) -> Json {
    filled_in(stored(config, &context.name), context)
}

fn stored(config: &Path, name: &str) -> Json {
    let bytes = fs::read(meta_directory(config, name).join("meta.json")).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| Json::Object(Vec::new()))
}

fn filled_in(mut document: Json, context: &Context) -> Json {
    set(&mut document, &["Name"], Some(context.name.as_str().into()));
    if document.at(&["Metadata"]).is_none() {
        set(&mut document, &["Metadata"], Some(Json::Object(Vec::new())));
    }
    let description = Some(context.description.as_str()).filter(|text| !text.is_empty());
    set(
        &mut document,
        &["Metadata", "Description"],
        description.map(Json::from),
    );
    let endpoint = ["Endpoints", "docker"];
    let host = Json::from(context.host.as_str());
    set(
        &mut document,
        &[endpoint[0], endpoint[1], "Host"],
        Some(host),
    );
    let skip = Json::Bool(context.skip_tls_verify);
    set(
        &mut document,
        &[endpoint[0], endpoint[1], "SkipTLSVerify"],
        Some(skip),
    );
    document
}

/// Writes a file of keys or certificates, for its owner only.
pub fn write_key(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::open(&path.display().to_string(), &error);
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    // An old one may have other rights.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(bytes).map_err(failed)
}

/// Takes a context away.
pub fn remove(config: &Path, name: &str) -> Result<(), CliError> {
    let directory = meta_directory(config, name);
    if !directory.exists() {
        return Err(CliError::Text(format!("context {name:?}: not found")));
    }
    let failed = |error: std::io::Error| CliError::Text(format!("{name}: {}", errno_text(&error)));
    fs::remove_dir_all(&directory).map_err(failed)?;
    match fs::remove_dir_all(tls_directory(config, name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}
