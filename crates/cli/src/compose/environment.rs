//! From flags, variables and the working directory to what is to be loaded.

use super::{
    Compose,
    remote::{self, Fetcher},
};
use crate::{app, error::CliError, flags::Parsed, flags::parse_bool};
use corten_compose::{Request, Source, Steps, dotenv, dotenv::Env, normalized_name};
use std::{
    io::{self, Read},
    os::unix::fs::MetadataExt,
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

/// Variables that are Compose's own begin so.
const OWN: &str = "COMPOSE_";

/// The name that a flag or a variable gives.
pub fn given_name(compose: &Compose<'_>) -> Option<String> {
    let variable = || compose.env.get("COMPOSE_PROJECT_NAME").cloned();
    let name = compose.group.get("project-name").map(str::to_owned);
    name.or_else(variable).filter(|name| !name.is_empty())
}

/// The process's variables, and Compose's own of the env files that are known before any
/// other file is. What is wrong with those files is told when the project is read.
pub fn own(group: &Parsed) -> Env {
    let mut env: Env = std::env::vars().collect();
    let Ok(here) = here() else {
        return env;
    };
    let base = base(group, &here);
    let mut all = env.clone();
    if read_env_files(&mut all, &env_files(group, &here), &base).is_ok() {
        let own = all.into_iter().filter(|(name, _)| name.starts_with(OWN));
        env.extend(own);
    }
    env
}

/// The working directory as the user's shell calls it, which may be by a symbolic link, as
/// Go's `os.Getwd` has it: the project is named after it.
pub fn here() -> io::Result<PathBuf> {
    let same = |path: &Path| -> io::Result<bool> {
        let (one, other) = (std::fs::metadata(path)?, std::fs::metadata(".")?);
        Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
    };
    match app::environment("PWD").map(PathBuf::from) {
        Some(path) if path.is_absolute() && same(&path).unwrap_or(false) => Ok(path),
        _ => std::env::current_dir(),
    }
}

/// A project that only its directory names has another name by another way to that.
fn tell_of_link(compose: &Compose<'_>, directory: &Path, folder: &str) {
    let Ok(real) = directory.canonicalize() else {
        return;
    };
    let is_link = real.file_name().is_some_and(|name| name != folder);
    if is_link && !compose.told_of_link.replace(true) {
        compose.warn(&format!(
            "project has been loaded without an explicit name from a symlink. Using name {folder:?}"
        ));
    }
}

/// The directory that is asked for, or that of the first file that a flag names.
fn base(group: &Parsed, here: &Path) -> PathBuf {
    if let Some(directory) = project_directory(group) {
        return absolute(here, directory);
    }
    let files: Vec<&str> = group.all("file").collect();
    let file = files.into_iter().find(|file| *file != "-");
    match file.filter(|file| !remote::is_reference(file)) {
        Some(file) => absolute(here, file).parent().unwrap_or(here).to_path_buf(),
        None => here.to_path_buf(),
    }
}

fn project_directory(group: &Parsed) -> Option<&str> {
    let old = group.get("workdir").filter(|path| !path.is_empty());
    let given = group.get("project-directory");
    old.or(given.filter(|path| !path.is_empty()))
}

/// A path without `.` and `..`, as Go's `filepath.Abs` has it.
fn absolute(here: &Path, path: &str) -> PathBuf {
    corten_bake::clean(&here.join(path).to_string_lossy()).into()
}

/// What the group's flags and the environment ask to be loaded.
pub fn request(
    compose: &Compose<'_>,
    steps: Steps,
    fetcher: &Fetcher<'_>,
) -> Result<Request, CliError> {
    let group = &compose.group;
    let here = here().map_err(|error| CliError::path("getwd", ".", &error))?;
    let mut env = compose.env.clone();
    // Not every caller's shell says it, and files may ask for it.
    let pwd = here.to_string_lossy().into_owned();
    env.entry("PWD".into()).or_insert(pwd);
    let given_directory = project_directory(group).map(|path| absolute(&here, path));
    let base = base(group, &here);
    let env_files = env_files(group, &here);
    read_env_files(&mut env, &env_files, &base)?;
    let files = files(compose, &env, &here, &base, fetcher)?;
    let first = files.iter().find_map(|file| match file {
        Source::File(path) => path.parent(),
        Source::Text { .. } => None,
    });
    let directory = match (&given_directory, first) {
        (Some(directory), _) => directory.clone(),
        (None, Some(directory)) => directory.to_path_buf(),
        (None, None) => here,
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
    if let Some(variable) = env.get("COMPOSE_PROFILES").filter(|_| profiles.is_empty()) {
        let named = variable.split(',').map(|profile| profile.trim().to_owned());
        profiles.extend(named.filter(|profile| !profile.is_empty()));
    }
    let folder = directory.file_name().unwrap_or_default().to_string_lossy();
    if name.is_none() {
        tell_of_link(compose, &directory, &folder);
    }
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

/// The env files that the flags or the process's environment name.
pub fn env_files(group: &Parsed, here: &Path) -> Vec<PathBuf> {
    let mut files = group.list("env-file");
    if !group.given("env-file") {
        let text = app::environment("COMPOSE_ENV_FILES").unwrap_or_default();
        let named = text.split(',').filter(|file| !file.is_empty());
        files.extend(named.map(str::to_owned));
    }
    files.iter().map(|file| absolute(here, file)).collect()
}

/// Adds the variables of env files to those that are not set; by default of `.env`.
fn read_env_files(env: &mut Env, files: &[PathBuf], base: &Path) -> Result<(), CliError> {
    let off = match env.get("COMPOSE_DISABLE_ENV_FILE") {
        Some(value) if files.is_empty() => parse_bool(value).ok_or_else(|| {
            let value = crate::flags::go_quote(value);
            CliError::Text(format!(
                "strconv.ParseBool: parsing {value}: invalid syntax"
            ))
        })?,
        _ => false,
    };
    let default = base.join(".env");
    let (files, must_exist) = match files {
        [] if off => return Ok(()),
        [] => (std::slice::from_ref(&default), false),
        files => (files, true),
    };
    let mut added = Env::new();
    for file in files {
        let shown = file.display().to_string();
        if file.is_dir() {
            match must_exist {
                true => return Err(CliError::Text(format!("{shown} is a directory"))),
                false => continue,
            }
        }
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
    compose: &Compose<'_>,
    env: &Env,
    here: &Path,
    base: &Path,
    fetcher: &Fetcher<'_>,
) -> Result<Vec<Source>, CliError> {
    let separator = env.get("COMPOSE_PATH_SEPARATOR");
    let separator = separator.filter(|text| !text.is_empty());
    let mut named = compose.group.list("file");
    if let Some(listed) = env.get("COMPOSE_FILE").filter(|_| named.is_empty()) {
        let separator = separator.map_or(":", String::as_str);
        let local = |file: &&str| *file != "-" && !remote::is_reference(file);
        for file in listed.split(separator).filter(local) {
            let path = absolute(here, file);
            let shown = path.display().to_string();
            let there = std::fs::metadata(&path);
            there.map_err(|error| CliError::path("stat", &shown, &error))?;
        }
        named.extend(listed.split(separator).map(str::to_owned));
    }
    if named.is_empty() {
        return Ok(found(compose, base).into_iter().map(Source::File).collect());
    }
    named
        .into_iter()
        .map(|file| {
            if remote::is_reference(&file) {
                return Ok(Source::File(fetcher.fetch(&file)?));
            }
            if file != "-" {
                return file_at(absolute(here, &file));
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

fn file_at(path: PathBuf) -> Result<Source, CliError> {
    match path.is_dir() {
        true => Err(CliError::Text(format!(
            "read {}: is a directory",
            path.display()
        ))),
        false => Ok(Source::File(path)),
    }
}

/// The files of the nearest directory, upwards, that has any.
fn found(compose: &Compose<'_>, base: &Path) -> Vec<PathBuf> {
    let first = |directory: &Path, names: &[&str], kind: &str| {
        let paths = names.iter().map(|name| directory.join(name));
        let paths: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
        if let [used, _, ..] = &paths[..] {
            let all: Vec<String> = paths.iter().map(|it| it.display().to_string()).collect();
            let all = all.join(", ");
            compose.warn(&format!(
                "Found multiple {kind} files with supported names: {all}"
            ));
            compose.warn(&format!("Using {}", used.display()));
        }
        paths.into_iter().next()
    };
    base.ancestors()
        .find_map(|directory| {
            let main = first(directory, &NAMES, "config")?;
            let over = first(directory, &OVERRIDES, "override");
            Some([Some(main), over].into_iter().flatten().collect())
        })
        .unwrap_or_default()
}
