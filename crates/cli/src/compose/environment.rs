//! From flags, variables and the working directory to what is to be loaded.

use super::remote::{self, Fetcher};
use crate::{app, error::CliError, flags::Parsed};
use corten_compose::{Request, Source, Steps, dotenv, dotenv::Env, normalized_name};
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Names of files that are looked for, the preferred one first, and those of their
/// overrides.
const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];
const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The name that a flag or a variable gives.
pub fn given_name(group: &Parsed) -> Option<String> {
    group
        .get("project-name")
        .map(str::to_owned)
        .or_else(|| app::environment("COMPOSE_PROJECT_NAME"))
        .filter(|name| !name.is_empty())
}

/// What the group's flags and the environment ask to be loaded.
pub fn request(group: &Parsed, steps: Steps, fetcher: &Fetcher<'_>) -> Result<Request, CliError> {
    let here = std::env::current_dir().map_err(|error| CliError::path("getwd", ".", &error))?;
    let mut env: Env = std::env::vars().collect();
    let given_directory = group.get("project-directory").map(|path| here.join(path));
    let base = given_directory.clone().unwrap_or_else(|| here.clone());
    let env_files: Vec<PathBuf> = env_files(group)
        .into_iter()
        .map(|file| here.join(file))
        .collect();
    read_env_files(&mut env, &env_files, &base)?;
    let files = files(group, &env, &here, &base, fetcher)?;
    let directory = match (&given_directory, files.first()) {
        (Some(directory), _) => directory.clone(),
        (None, Some(Source::File(path))) => path.parent().unwrap_or(&here).to_path_buf(),
        (None, _) => here,
    };
    // The project's own `.env` comes after that of the working directory.
    if env_files.is_empty() && directory != base {
        read_env_files(&mut env, &[], &directory)?;
    }
    let name = group
        .get("project-name")
        .map(str::to_owned)
        .or_else(|| env.get("COMPOSE_PROJECT_NAME").cloned())
        .filter(|name| !name.is_empty());
    let mut profiles = group.list("profile");
    if let Some(more) = env.get("COMPOSE_PROFILES") {
        let more = more.split(',').filter(|profile| !profile.is_empty());
        profiles.extend(more.map(str::to_owned));
    }
    let folder = directory.file_name().unwrap_or_default().to_string_lossy();
    Ok(Request {
        files,
        fallback_name: normalized_name(&folder),
        directory,
        name,
        env,
        profiles,
        steps,
    })
}

/// The env files that the flags or the environment name.
pub fn env_files(group: &Parsed) -> Vec<String> {
    let mut files = group.list("env-file");
    files.extend(listed(group, "env-file", "COMPOSE_ENV_FILES", ','));
    files
}

/// Values of a variable that stands for a flag that was not given.
fn listed(group: &Parsed, flag: &str, variable: &str, separator: char) -> Vec<String> {
    if group.given(flag) {
        return Vec::new();
    }
    let text = app::environment(variable).unwrap_or_default();
    text.split(separator)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Adds the variables of env files to those that are not set; by default of `.env`.
fn read_env_files(env: &mut Env, files: &[PathBuf], base: &Path) -> Result<(), CliError> {
    let off = env
        .get("COMPOSE_DISABLE_ENV_FILE")
        .is_some_and(|value| matches!(value.as_str(), "1" | "true" | "TRUE" | "True"));
    let default = base.join(".env");
    let (files, must_exist) = match files {
        [] if off => return Ok(()),
        [] => (std::slice::from_ref(&default), false),
        files => (files, true),
    };
    let mut added = Env::new();
    for file in files {
        let shown = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && must_exist => {
                return Err(CliError::Text(format!("couldn't find env file: {shown}")));
            }
            Err(_) if !must_exist => continue,
            Err(error) => return Err(CliError::open(&shown, &error)),
        };
        let outside = |name: &str| env.get(name).or_else(|| added.get(name)).cloned();
        let more = dotenv::parse(&text, &outside).map_err(|error| {
            CliError::Text(format!(
                "failed to read {shown}: line {}: {}",
                error.line, error.message
            ))
        })?;
        added.extend(more);
    }
    for (name, value) in added {
        env.entry(name).or_insert(value);
    }
    Ok(())
}

fn files(
    group: &Parsed,
    env: &Env,
    here: &Path,
    base: &Path,
    fetcher: &Fetcher<'_>,
) -> Result<Vec<Source>, CliError> {
    let separator = env
        .get("COMPOSE_PATH_SEPARATOR")
        .and_then(|text| text.chars().next())
        .unwrap_or(':');
    let mut named = group.list("file");
    if named.is_empty() {
        let listed = env.get("COMPOSE_FILE").map_or("", String::as_str);
        named.extend(
            listed
                .split(separator)
                .filter(|file| !file.is_empty())
                .map(str::to_owned),
        );
    }
    if named.is_empty() {
        return Ok(found(base).into_iter().map(Source::File).collect());
    }
    named
        .into_iter()
        .map(|file| {
            if remote::is_reference(&file) {
                return Ok(Source::File(fetcher.fetch(&file)?));
            }
            if file != "-" {
                return Ok(Source::File(here.join(file)));
            }
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| CliError::path("read", "-", &error))?;
            let name = "-".to_owned();
            Ok(Source::Text { name, text })
        })
        .collect()
}

/// The files of the nearest directory, upwards, that has any.
fn found(base: &Path) -> Vec<PathBuf> {
    let first = |directory: &Path, names: &[&str]| {
        names
            .iter()
            .map(|name| directory.join(name))
            .find(|path| path.is_file())
    };
    base.ancestors()
        .find_map(|directory| {
            let main = first(directory, &NAMES)?;
            let over = first(directory, &OVERRIDES);
            Some([Some(main), over].into_iter().flatten().collect())
        })
        .unwrap_or_default()
}
