//! `context export` and `context import`: a context as a tar, the stock client's layout:
//! `meta.json`, and its keys and certificates below `tls/`.

use crate::{
    app::Call,
    config::contexts::{self, Context, DEFAULT},
    error::CliError,
    output::Json,
};
use std::{
    fs::{self, File},
    io::{self, IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Component, Path, PathBuf},
};

/// The largest archive that is read, and the largest file in one.
const MAX_BYTES: u64 = 10 << 20;

/// `context export`.
pub async fn export(call: &Call<'_>) -> Result<u8, CliError> {
    let name = call.arg(0);
    let directory = &call.app.config_directory;
    let context = match name {
        DEFAULT => Context {
            name: DEFAULT.into(),
            description: String::new(),
            host: call.app.default_host(),
            skip_tls_verify: false,
        },
        name => contexts::get(directory, name)?,
    };
    let archive = pack(&context, directory)
        .map_err(|error| CliError::Text(format!("exporting the context {name:?}: {error}")))?;
    let file = match call.parsed.args.get(1).map(String::as_str) {
        Some("-") => {
            let mut stdout = io::stdout().lock();
            if stdout.is_terminal() {
                return Err(CliError::Text(
                    "cowardly refusing to export to a terminal, specify a file path".into(),
                ));
            }
            let written = stdout.write_all(&archive).and_then(|()| stdout.flush());
            return written.map(|()| 0).map_err(|_| CliError::Closed);
        }
        Some(path) => path.to_owned(),
        None => format!("{name}.dockercontext"),
    };
    // It may hold a key; what is there already is not replaced.
    let opened = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&file);
    opened
        .and_then(|mut out| out.write_all(&archive))
        .map_err(|error| CliError::open(&file, &error))?;
    call.app.warn(&format!("Written file {file:?}"));
    Ok(0)
}

/// `context import`.
pub async fn import(call: &Call<'_>) -> Result<u8, CliError> {
    let (name, file) = (call.arg(0), call.arg(1));
    let directory = &call.app.config_directory;
    contexts::check_name(name)?;
    if contexts::get(directory, name).is_ok() {
        return Err(CliError::Text(format!("context {name:?} already exists")));
    }
    let input: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin()),
        path => Box::new(File::open(path).map_err(|error| CliError::open(path, &error))?),
    };
    let (meta, keys) = unpack(input)?;
    let tls = contexts::tls_directory(directory, name);
    for (path, bytes) in keys {
        contexts::write_key(&tls.join(path), &bytes)?;
    }
    let context = Context {
        name: name.to_owned(),
        description: meta.text(&["Metadata", "Description"]).to_owned(),
        host: meta.text(&["Endpoints", "docker", "Host"]).to_owned(),
        skip_tls_verify: meta.bool(&["Endpoints", "docker", "SkipTLSVerify"]),
    };
    contexts::put_over(directory, &context, meta)?;
    call.app.line(name)?;
    call.app
        .warn(&format!("Successfully imported context {name:?}"));
    Ok(0)
}

fn pack(context: &Context, config: &Path) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, mode: u32, bytes: Option<&[u8]>| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_mtime(0);
        let bytes = match bytes {
            Some(bytes) => bytes,
            None => {
                header.set_entry_type(tar::EntryType::Directory);
                &[]
            }
        };
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, path, bytes)
    };
    let meta = contexts::document(config, context).compact(true);
    add("meta.json", 0o644, Some(meta.as_bytes()))?;
    let keys = contexts::tls_directory(config, &context.name).join("docker");
    add("tls", 0o700, None)?;
    if let Ok(entries) = fs::read_dir(&keys) {
        add("tls/docker", 0o700, None)?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        for name in names {
            let bytes = fs::read(keys.join(&name))?;
            let path = format!("tls/docker/{}", name.to_string_lossy());
            add(&path, 0o600, Some(&bytes))?;
        }
    }
    archive.into_inner()
}

/// Files by their path.
type Keys = Vec<(PathBuf, Vec<u8>)>;

/// The record, and keys by their path below `tls/`. No path leads elsewhere.
fn unpack(input: impl Read) -> Result<(Json, Keys), CliError> {
    let unreadable = |error: io::Error| CliError::Text(error.to_string());
    let mut archive = tar::Archive::new(input.take(MAX_BYTES));
    let (mut meta, mut keys) = (None, Vec::new());
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.into_owned();
        if entry.header().entry_type() == tar::EntryType::Directory {
            continue;
        }
        let plain = entry.header().entry_type() == tar::EntryType::Regular;
        let inside = path
            .components()
            .all(|it| matches!(it, Component::Normal(_)));
        let below = path.strip_prefix("tls").ok().map(Path::to_owned);
        let mut bytes = Vec::new();
        match (path == Path::new("meta.json"), below) {
            (true, _) if plain => {
                entry.read_to_end(&mut bytes).map_err(unreadable)?;
                let parsed = serde_json::from_slice(&bytes)
                    .map_err(|error| CliError::Text(format!("invalid context: {error}")))?;
                meta = Some(parsed);
            }
            (false, Some(below)) if plain && inside && below.components().count() == 2 => {
                entry.read_to_end(&mut bytes).map_err(unreadable)?;
                keys.push((below, bytes));
            }
            _ => {
                return Err(CliError::Text(format!(
                    "{}: unexpected context file",
                    path.display()
                )));
            }
        }
    }
    let meta = meta.ok_or_else(|| CliError::Text("invalid context: no metadata found".into()))?;
    Ok((meta, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            // As an attacker writes it: the crate's own setters refuse such names.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(text.len() as u64);
            header.set_cksum();
            archive.append(&header, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn an_archive_reads_as_it_was_packed_and_its_paths_stay_inside() {
        use tar::EntryType::{Regular, Symlink};
        let good = [
            ("meta.json", Regular, "{\"Name\":\"x\"}"),
            ("tls/docker/ca.pem", Regular, "CA"),
        ];
        let (meta, keys) = unpack(&archive(&good)[..]).unwrap();
        assert_eq!(meta.text(&["Name"]), "x");
        assert_eq!(keys, [(PathBuf::from("docker/ca.pem"), b"CA".to_vec())]);
        for (path, kind) in [
            ("evil", Regular),
            ("tls/../../x", Regular),
            ("tls/docker/../../x", Regular),
            ("/tls/docker/x", Regular),
            ("tls/docker/link", Symlink),
            ("meta.json", Symlink),
        ] {
            let bad = [good[0], (path, kind, "")];
            let error = unpack(&archive(&bad)[..]).err().map(|it| it.to_string());
            assert!(
                error.is_some_and(|it| it.ends_with("unexpected context file")),
                "{path}"
            );
        }
        let nothing = unpack(&archive(&[])[..]).unwrap_err().to_string();
        assert_eq!(nothing, "invalid context: no metadata found");
    }
}
