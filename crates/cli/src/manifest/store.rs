//! Lists on this machine: a directory a list, a file a manifest, in the stock client's
//! places, so that either client goes on with the other's.

use super::entry::Entry;
use crate::{app::App, error::CliError};
use corten_oci::Reference;
use std::{io, path::PathBuf};

/// Lists of manifests below the client's directory.
pub(super) struct Store(PathBuf);

impl Store {
    /// The lists of this client's directory.
    pub fn of(app: &App) -> Self {
        Self(app.config_directory.join("manifests"))
    }

    fn directory(&self, list: &Reference) -> PathBuf {
        self.0.join(file_name(list))
    }

    /// A list's manifests in the order of their files' names; `None` without such a list.
    pub fn list(&self, list: &Reference) -> Result<Option<Vec<Entry>>, CliError> {
        let directory = self.directory(list);
        let shown = directory.display().to_string();
        let failed = |error: &io::Error| CliError::open(&shown, error);
        let found = match std::fs::read_dir(&directory) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        let mut paths = Vec::new();
        for entry in found {
            paths.push(entry.map_err(|error| failed(&error))?.path());
        }
        paths.sort();
        let entries = paths
            .into_iter()
            .map(|path| read(&path)?.ok_or_else(|| not_found(list)));
        entries.collect::<Result<_, _>>().map(Some)
    }

    /// One manifest of a list.
    pub fn get(&self, list: &Reference, name: &Reference) -> Result<Option<Entry>, CliError> {
        read(&self.directory(list).join(file_name(name)))
    }

    /// Keeps a manifest under a name in a list.
    pub fn save(&self, list: &Reference, name: &Reference, entry: &Entry) -> Result<(), CliError> {
        let directory = self.directory(list);
        std::fs::create_dir_all(&directory)
            .map_err(|error| CliError::open(&directory.display().to_string(), &error))?;
        let path = directory.join(file_name(name));
        std::fs::write(&path, entry.json().compact(true))
            .map_err(|error| CliError::open(&path.display().to_string(), &error))
    }

    /// Forgets a list.
    pub fn remove(&self, list: &Reference) -> Result<(), CliError> {
        let directory = self.directory(list);
        std::fs::remove_dir_all(&directory)
            .map_err(|error| CliError::open(&directory.display().to_string(), &error))
    }
}

fn read(path: &std::path::Path) -> Result<Option<Entry>, CliError> {
    let shown = path.display();
    match std::fs::read(path) {
        Ok(text) => Entry::parse(&text)
            .map(Some)
            .map_err(|why| CliError::Text(format!("invalid manifest file {shown}: {why}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::open(&shown.to_string(), &error)),
    }
}

/// A name without `/` and `:`.
fn file_name(reference: &Reference) -> String {
    reference.to_string().replace(':', "-").replace('/', "_")
}

/// The sentence for a list or manifest that is not on this machine.
pub(super) fn not_found(name: &Reference) -> CliError {
    CliError::Text(format!("No such manifest: {name}"))
}
