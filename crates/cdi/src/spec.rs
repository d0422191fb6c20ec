//! A file's contents (SPEC.md § CDI JSON Specification).

use crate::error::FileError;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct File {
    /// `vendor.com/class`.
    pub kind: String,
    pub devices: Vec<Device>,
    /// For every device of the file.
    pub container_edits: Edits,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Device {
    pub name: String,
    pub container_edits: Edits,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Edits {
    pub env: Vec<String>,
    pub device_nodes: Vec<Node>,
    pub mounts: Vec<Mount>,
    pub hooks: Vec<Hook>,
    pub additional_gids: Vec<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Node {
    pub path: PathBuf,
    /// Empty: as in the container.
    pub host_path: PathBuf,
    /// `c`, `b`, `u`, `p`; empty: as on the host.
    #[serde(rename = "type")]
    pub kind: String,
    pub major: Option<i64>,
    pub minor: Option<i64>,
    pub file_mode: Option<u32>,
    /// Some of `rwm`; empty: all.
    pub permissions: String,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mount {
    pub host_path: PathBuf,
    pub container_path: PathBuf,
    pub options: Vec<String>,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Hook {
    pub hook_name: String,
    pub path: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub timeout: Option<u64>,
}

impl File {
    /// Names as SPEC.md has them: a vendor like a domain, a class and devices without
    /// blanks; no device twice.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        let word = |text: &str| {
            let inside = |it: char| it.is_ascii_alphanumeric() || "_-.".contains(it);
            text.starts_with(|it: char| it.is_ascii_alphabetic()) && text.chars().all(inside)
        };
        let kind = self.kind.split_once('/');
        if !kind.is_some_and(|(vendor, class)| word(vendor) && word(class)) {
            return Err(FileError::Kind(self.kind.clone()));
        }
        let mut names = BTreeSet::new();
        for device in &self.devices {
            let inside = |it: char| it.is_ascii_alphanumeric() || "_-.:".contains(it);
            if device.name.is_empty() || !device.name.chars().all(inside) {
                return Err(FileError::Name(device.name.clone()));
            }
            if !names.insert(&device.name) {
                return Err(FileError::Twice(device.name.clone()));
            }
        }
        Ok(())
    }
}
