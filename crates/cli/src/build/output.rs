//! `--output` and its shorthands: which exporters, and where their archives go here.

use super::arguments::fields;
use crate::{app::Call, error::CliError, terminal};
use corten_client::build::{Build, Offer};
use std::{
    collections::HashMap,
    fs::File,
    path::{Path, PathBuf},
    sync::PoisonError,
};

/// What is still to be done with what came.
#[derive(Default)]
pub struct Wanted {
    /// Archives that become directories.
    unpack: Vec<(tempfile::NamedTempFile, PathBuf)>,
    /// One of the outputs goes to standard output.
    printed: bool,
}

pub(super) fn read(
    call: &Call<'_>,
    build: &mut Build,
    offer: &mut Offer,
) -> Result<Wanted, CliError> {
    let mut outputs = call.parsed.list("output");
    if call.parsed.is_on("push") {
        outputs.push("type=registry".into());
    }
    if call.parsed.is_on("load") {
        outputs.push("type=docker".into());
    }
    if outputs.is_empty() {
        outputs.push("type=docker".into());
    }
    let mut wanted = Wanted::default();
    for text in &outputs {
        let (kind, attrs) = parsed(text)?;
        check_platforms(call, &kind, &attrs)?;
        one(call, (kind, attrs), (build, offer), &mut wanted)?;
    }
    Ok(wanted)
}

/// An archive of Docker's has one image.
fn check_platforms(
    call: &Call<'_>,
    kind: &str,
    attrs: &HashMap<String, String>,
) -> Result<(), CliError> {
    let platforms = call.parsed.list("platform");
    let several = platforms.iter().flat_map(|it| it.split(',')).count() > 1;
    let given = call.parsed.is_on("load") || call.parsed.given("output");
    if kind != "docker" || !several || !given {
        return Ok(());
    }
    let more = match attrs.contains_key("dest") {
        true => ", use the oci exporter instead",
        false => "",
    };
    Err(CliError::Text(format!(
        "docker exporter does not currently support exporting manifest lists{more}"
    )))
}

/// Adds one exporter, and where its archive goes.
fn one(
    call: &Call<'_>,
    (kind, mut attrs): (String, HashMap<String, String>),
    (build, offer): (&mut Build, &mut Offer),
    wanted: &mut Wanted,
) -> Result<(), CliError> {
    for text in call.parsed.all("annotation") {
        annotation(text, &mut attrs)?;
    }
    let target = attrs.remove("dest");
    let names = call.parsed.list("tag").join(",");
    let place = build.exporters.len();
    let kind = match (kind.as_str(), &target) {
        ("cacheonly", _) => return Ok(()),
        ("image" | "moby", _) | ("docker", None) => "moby",
        ("registry", _) => {
            attrs.insert("push".into(), "true".into());
            "moby"
        }
        ("local", None) => {
            return Err(CliError::Text("dest is required for local exporter".into()));
        }
        ("local", Some(directory)) => {
            // The archive is unpacked here, within that directory.
            let failed =
                |error: std::io::Error| CliError::Text(format!("creating a file: {error}"));
            let archive = tempfile::NamedTempFile::new().map_err(failed)?;
            give(offer, place, archive.reopen().map_err(failed)?);
            wanted.unpack.push((archive, PathBuf::from(directory)));
            // The engine tells it as what it is.
            attrs.insert("corten-directory".into(), "true".into());
            "tar"
        }
        (kind @ ("tar" | "docker" | "oci"), target) => {
            let path = target.as_deref().unwrap_or("-");
            if path == "-" {
                if terminal::terminals().output {
                    return Err(CliError::Text(format!(
                        "dest file is required for {kind} exporter. refusing to write to console"
                    )));
                }
                if std::mem::replace(&mut wanted.printed, true) {
                    let sentence =
                        "only one output can go to standard output: give the others a dest";
                    return Err(CliError::Text(sentence.into()));
                }
                give(offer, place, std::io::stdout());
            } else {
                let file = File::create(path)
                    .map_err(|error| CliError::Text(format!("open {path}: {error}")))?;
                give(offer, place, file);
            }
            kind
        }
        (other, _) => {
            return Err(CliError::Text(format!(
                "exporter {other:?} could not be found"
            )));
        }
    };
    let is_image = matches!(kind, "moby" | "docker" | "oci");
    if is_image && !names.is_empty() {
        attrs.entry("name".into()).or_insert(names);
    }
    if call.parsed.is_on("squash") {
        if !is_image {
            let sentence = format!(
                "--squash makes the layers of an image one: an output of type {kind} has none"
            );
            return Err(CliError::Text(sentence));
        }
        attrs.entry("squash".into()).or_insert("true".into());
    }
    build.exporters.push((kind.to_owned(), attrs));
    Ok(())
}

fn give(offer: &mut Offer, place: usize, output: impl std::io::Write + Send + 'static) {
    let outputs = offer.outputs.get_mut();
    let outputs = outputs.unwrap_or_else(PoisonError::into_inner);
    outputs.insert(place, Box::new(output));
}

/// `[scope[platform],…:]key=value`, as an option of the exporter for each scope.
fn annotation(text: &str, attrs: &mut HashMap<String, String>) -> Result<(), CliError> {
    let invalid = || CliError::Text(format!("invalid annotation {text:?}, expected key=value"));
    let (key, value) = text.split_once('=').ok_or_else(invalid)?;
    let (scopes, key) = match key.split_once(':') {
        Some((scopes, key)) => (scopes, key),
        None => ("manifest", key),
    };
    for scope in scopes.split(',') {
        let bare = scope.split('[').next().unwrap_or_default();
        let known = [
            "manifest",
            "index",
            "manifest-descriptor",
            "index-descriptor",
        ];
        if !known.contains(&bare) {
            return Err(CliError::Text(format!(
                "unknown annotation type: {bare:?} in {text:?}"
            )));
        }
        attrs.insert(format!("annotation-{scope}.{key}"), value.to_owned());
    }
    Ok(())
}

/// `type=…,dest=…`; a path alone is a directory, `-` an archive to standard output.
fn parsed(text: &str) -> Result<(String, HashMap<String, String>), CliError> {
    let list = fields(text);
    if let [(path, None)] = &list[..] {
        let kind = if path == "-" { "tar" } else { "local" };
        let attrs = HashMap::from([("dest".to_owned(), path.clone())]);
        return Ok((kind.into(), attrs));
    }
    let mut kind = String::new();
    let mut attrs = HashMap::new();
    for (key, value) in list {
        let value = value.ok_or_else(|| CliError::Text(format!("invalid value {key}")))?;
        match key.as_str() {
            "type" => kind = value,
            _ => drop(attrs.insert(key, value)),
        }
    }
    match kind.is_empty() {
        true => Err(CliError::Text("type is required for output".into())),
        false => Ok((kind, attrs)),
    }
}

impl Wanted {
    /// Unpacks what is to be a directory.
    pub fn finish(self) -> Result<(), CliError> {
        self.unpack
            .into_iter()
            .try_for_each(|(archive, directory)| {
                unpack(archive.as_file(), &directory).map_err(|error| {
                    CliError::Text(format!("writing {}: {error}", directory.display()))
                })
            })
    }
}

/// Unpacks a tree of the engine: within the directory, owned by who calls.
fn unpack(mut archive: &File, directory: &Path) -> std::io::Result<()> {
    use std::{io::Seek, os::unix::fs::DirBuilderExt};
    // As buildx makes it.
    let mut made = std::fs::DirBuilder::new();
    made.recursive(true).mode(0o700).create(directory)?;
    archive.rewind()?;
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    archive.unpack(directory)
}
