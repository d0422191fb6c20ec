//! CLI plugins: programs `docker-NAME` in the plugin directories.

use crate::{
    app::App,
    error::{CliError, errno_text},
};
use std::{
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

const SYSTEM_DIRECTORIES: [&str; 4] = [
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

fn directories(app: &App) -> impl Iterator<Item = PathBuf> {
    std::iter::once(app.config_directory.join("cli-plugins"))
        .chain(SYSTEM_DIRECTORIES.iter().map(PathBuf::from))
        .filter(|directory| is_trusted(directory))
}

/// CVE-2025-15558 class: a directory that others may write to is not searched.
fn is_trusted(directory: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    std::fs::metadata(directory)
        .is_ok_and(|m| m.is_dir() && (m.uid() == 0 || m.uid() == user) && m.mode() & 0o022 == 0)
}

/// Names of the installed plugins.
pub fn names(app: &App) -> Vec<String> {
    let mut names: Vec<String> = directories(app)
        .filter_map(|directory| std::fs::read_dir(directory).ok())
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("docker-")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The program of a plugin.
pub fn find(app: &App, name: &str) -> Option<PathBuf> {
    let right = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !right {
        return None;
    }
    directories(app)
        .map(|d| d.join(format!("docker-{name}")))
        .find(|p| p.is_file())
}

/// Becomes the plugin, with the whole line and the address of the engine.
pub fn run(app: &App, path: &Path, words: &[String]) -> Result<u8, CliError> {
    let mut command = Command::new(path);
    command.args(words);
    if app.context_name() == crate::config::contexts::DEFAULT {
        command.env("DOCKER_HOST", app.default_host());
    }
    let error = command.exec();
    Err(CliError::Text(format!(
        "running {}: {}",
        path.display(),
        errno_text(&error)
    )))
}
