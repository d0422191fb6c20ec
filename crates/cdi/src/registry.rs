//! What the directories describe.

use crate::error::FileError;
use crate::spec::{Edits, File};
use crate::{CdiError, yaml};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file beyond this describes no devices.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// Devices by their qualified names.
#[derive(Debug, Default)]
pub struct Registry {
    devices: BTreeMap<String, Described>,
}

#[derive(Debug, Clone)]
struct Described {
    /// Of the directory; the higher wins.
    rank: usize,
    file: PathBuf,
    /// Two files of the same rank describe it: nobody gets it.
    conflicts: bool,
    edits: Edits,
    /// Of the whole file, once for all its devices.
    common: Edits,
}

impl Registry {
    /// Reads `*.json` and `*.yaml` in `directories`, the later of which win. What cannot
    /// be read is said in the log and left out.
    pub fn load(directories: &[PathBuf]) -> Self {
        let mut registry = Self::default();
        for (rank, directory) in directories.iter().enumerate() {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            files.sort();
            for path in files {
                let extension = path.extension().and_then(|it| it.to_str());
                let Some(kind @ ("json" | "yaml")) = extension else {
                    continue;
                };
                match read(&path, kind == "yaml") {
                    Ok(file) => registry.add(rank, &path, file),
                    Err(error) => {
                        let error = chain(&error);
                        tracing::warn!(path = %path.display(), error, "a CDI file is left out");
                    }
                }
            }
        }
        registry
    }

    fn add(&mut self, rank: usize, path: &Path, file: File) {
        for device in file.devices {
            let name = format!("{}={}", file.kind, device.name);
            let conflicts = self.devices.get(&name).is_some_and(|it| it.rank == rank);
            let described = Described {
                rank,
                file: path.to_owned(),
                conflicts,
                edits: device.container_edits,
                common: file.container_edits.clone(),
            };
            self.devices.insert(name, described);
        }
    }

    /// Every device that can be had, sorted.
    pub fn names(&self) -> Vec<String> {
        let fine = self.devices.iter().filter(|(_, it)| !it.conflicts);
        fine.map(|(name, _)| name.clone()).collect()
    }

    /// The edits of these devices in their order, those of a file before its first device.
    pub(crate) fn edits(&self, names: &[String]) -> Result<Vec<Edits>, CdiError> {
        let find = |name: &String| self.devices.get(name).filter(|it| !it.conflicts);
        let missing: Vec<String> = names
            .iter()
            .filter(|name| find(name).is_none())
            .cloned()
            .collect();
        if !missing.is_empty() {
            return Err(CdiError::Unresolvable(missing));
        }
        let mut files = BTreeSet::new();
        let mut edits = Vec::new();
        for device in names.iter().filter_map(find) {
            if files.insert(&device.file) {
                edits.push(device.common.clone());
            }
            edits.push(device.edits.clone());
        }
        Ok(edits)
    }
}

fn read(path: &Path, is_yaml: bool) -> Result<File, FileError> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(FileError::Read)?;
    let read = file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text);
    if read.map_err(FileError::Read)? as u64 > FILE_MAX_BYTES {
        return Err(FileError::TooLarge(FILE_MAX_BYTES));
    }
    let file: File = if is_yaml {
        serde_json::from_value(yaml::parse(&text)?).map_err(FileError::Json)?
    } else {
        serde_json::from_str(&text).map_err(FileError::Json)?
    };
    file.check()?;
    Ok(file)
}

fn chain(error: &FileError) -> String {
    corten_base::chain(error)
}
