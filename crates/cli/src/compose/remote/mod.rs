//! Projects from elsewhere: git repositories and OCI artifacts, named with `-f`, `include`
//! or `extends`, brought into a cache of this user before they are read.
//!
//! What they hold is foreign: a path in them never leads out of their own directory
//! (CVE-2025-62725), and what a reference says never becomes an option of git.

pub mod git;
pub mod oci;

use crate::{
    app::App,
    error::CliError,
    flags::{go_quote, parse_bool},
};
use corten_compose::Files;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// Files of this host, and those of references to elsewhere.
pub struct Fetcher<'a> {
    app: &'a App,
    /// What was fetched already, by reference.
    known: RefCell<BTreeMap<String, PathBuf>>,
}

/// Whether a file's name is a reference to elsewhere.
pub fn is_reference(name: &str) -> bool {
    name.starts_with(oci::PREFIX) || git::Reference::parse(name).is_some()
}

impl<'a> Fetcher<'a> {
    /// Nothing is fetched yet.
    pub fn new(app: &'a App) -> Self {
        Self {
            app,
            known: RefCell::default(),
        }
    }

    /// What was fetched.
    pub fn references(&self) -> Vec<String> {
        self.known.borrow().keys().cloned().collect()
    }

    /// The local file of a reference.
    pub fn fetch(&self, reference: &str) -> Result<PathBuf, CliError> {
        if let Some(path) = self.known.borrow().get(reference) {
            return Ok(path.clone());
        }
        let path = match reference.strip_prefix(oci::PREFIX) {
            Some(name) => {
                check_wanted("OCI", "COMPOSE_EXPERIMENTAL_OCI_REMOTE")?;
                oci::fetch(self.app, name, &cache()?)?
            }
            None => {
                check_wanted("git", "COMPOSE_EXPERIMENTAL_GIT_REMOTE")?;
                git::fetch(reference, &cache()?)?
            }
        };
        let mut known = self.known.borrow_mut();
        known.insert(reference.to_owned(), path.clone());
        Ok(path)
    }
}

impl Files for Fetcher<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn fetched(&self, reference: &str) -> Option<io::Result<PathBuf>> {
        is_reference(reference).then(|| {
            self.fetch(reference)
                .map_err(|error| io::Error::other(error.to_string()))
        })
    }
}

/// Refuses what a variable turns off.
fn check_wanted(kind: &str, variable: &str) -> Result<(), CliError> {
    let Some(value) = crate::app::environment(variable) else {
        return Ok(());
    };
    match parse_bool(&value) {
        Some(true) => Ok(()),
        Some(false) => Err(CliError::Text(format!(
            "{kind} remote resource is disabled by {variable:?}"
        ))),
        None => Err(CliError::Text(format!(
            "{variable} environment variable expects boolean value: strconv.ParseBool: parsing {}: \
             invalid syntax",
            go_quote(&value)
        ))),
    }
}

/// The cache's directory, which is the user's alone.
fn cache() -> Result<PathBuf, CliError> {
    use std::os::unix::fs::DirBuilderExt;
    let home = crate::app::environment("XDG_CACHE_HOME")
        .map_or_else(|| crate::app::home().join(".cache"), PathBuf::from);
    let cache = home.join("docker-compose");
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&cache);
    made.map_err(|error| CliError::path("mkdir", &cache.display().to_string(), &error))?;
    Ok(cache)
}

/// Fills a directory of the cache by `work`, whole or not at all.
fn filled(
    cache: &Path,
    name: &str,
    work: impl FnOnce(&Path) -> Result<(), CliError>,
) -> Result<PathBuf, CliError> {
    let target = cache.join(name);
    if target.is_dir() {
        return Ok(target);
    }
    let failed = |error: io::Error| CliError::path("mkdir", &target.display().to_string(), &error);
    let staged = tempfile::tempdir_in(cache).map_err(failed)?;
    work(staged.path())?;
    // Somebody else may have been quicker: theirs is the same.
    if let Err(error) = std::fs::rename(staged.path(), &target)
        && !target.is_dir()
    {
        return Err(failed(error));
    }
    Ok(target)
}
