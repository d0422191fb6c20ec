//! A project of a git repository: `https://host/repo.git#ref:directory`, fetched by the
//! program git.

use super::filled;
use crate::error::{CliError, errno_text};
use std::{
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

/// The files that a directory is searched for.
const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Where something is in a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    remote: String,
    /// A branch, a tag or a commit; the default branch if empty.
    revision: String,
    /// A directory or file in the repository; its root if empty.
    path: String,
}

impl Reference {
    /// Reads a reference; `None` where the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (remote, fragment) = text.split_once('#').unwrap_or((text, ""));
        let is_http = remote.starts_with("https://") || remote.starts_with("http://");
        let is_git = remote.starts_with("git://")
            || remote.starts_with("ssh://")
            || (remote.starts_with("git@") && remote.contains(':'))
            || (is_http && remote.ends_with(".git"));
        let is_short = remote.starts_with("github.com/") && remote.split('/').count() >= 3;
        if !is_git && !is_short {
            return None;
        }
        let remote = match is_short {
            true => format!("https://{remote}"),
            false => remote.to_owned(),
        };
        let (revision, path) = fragment.split_once(':').unwrap_or((fragment, ""));
        Some(Self {
            remote,
            revision: revision.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// The Compose file that a reference names, below the cache.
pub fn fetch(text: &str, cache: &Path) -> Result<PathBuf, CliError> {
    let Some(reference) = Reference::parse(text) else {
        return Err(CliError::Text(format!("{text} names no git repository")));
    };
    let inside = inside(&reference.path)?;
    let commit = resolve(&reference)?;
    let root = filled(cache, &commit, |directory| {
        check_out(&reference.remote, &commit, directory)
    })?;
    let found = find(&root.join(inside));
    // A link of the repository must not lead out of it either.
    let real = found.as_deref().and_then(|path| path.canonicalize().ok());
    let real_root = root.canonicalize().ok();
    match (real, real_root) {
        (Some(real), Some(root)) if real.starts_with(&root) => Ok(real),
        (Some(_), _) => Err(CliError::Text(format!(
            "git subdirectory escapes base directory: {}",
            reference.path
        ))),
        (None, _) => Err(CliError::Text(format!("{text} has no Compose file"))),
    }
}

/// A path that stays below where it begins.
fn inside(path: &str) -> Result<&Path, CliError> {
    let path = Path::new(path);
    let stays = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(stays) {
        return Ok(path);
    }
    let shown = path.display();
    Err(CliError::Text(if path.is_absolute() {
        format!("git subdirectory must be relative, got: {shown}")
    } else {
        format!("git subdirectory path traversal detected: {shown}")
    }))
}

fn find(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    let names = NAMES.iter().map(|name| path.join(name));
    names.into_iter().find(|path| path.is_file())
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The commit of a branch or tag.
fn resolve(reference: &Reference) -> Result<String, CliError> {
    let Reference {
        remote, revision, ..
    } = reference;
    if is_commit(revision) {
        return Ok(revision.clone());
    }
    let revision = match revision.as_str() {
        "" => "HEAD",
        revision => revision,
    };
    let output = git(&["ls-remote", "--exit-code", "--", remote, revision], None)?;
    let text = String::from_utf8_lossy(&output);
    let commit = text.get(..40).unwrap_or_default();
    if !is_commit(commit) {
        return Err(CliError::Text(format!("unexpected git output: {text:?}")));
    }
    Ok(commit.to_owned())
}

fn check_out(remote: &str, commit: &str, directory: &Path) -> Result<(), CliError> {
    git(&["init", "--quiet"], Some(directory))?;
    let fetch = ["fetch", "--quiet", "--depth=1", "--", remote, commit];
    git(&fetch, Some(directory))?;
    git(&["checkout", "--quiet", commit], Some(directory))?;
    Ok(())
}

/// Runs git without questions and without the transports that run other programs.
fn git(words: &[&str], directory: Option<&Path>) -> Result<Vec<u8>, CliError> {
    let mut command = Command::new("git");
    command
        .args(["-c", "protocol.allow=never"])
        .args(["-c", "core.symlinks=true", "-c", "core.hooksPath=/dev/null"])
        .stdin(Stdio::null());
    for transport in ["https", "http", "ssh", "git"] {
        command.args(["-c", &format!("protocol.{transport}.allow=always")]);
    }
    command.args(words);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    if std::env::var_os("GIT_TERMINAL_PROMPT").is_none() {
        command.env("GIT_TERMINAL_PROMPT", "0");
    }
    let asked = ["GIT_SSH", "GIT_SSH_COMMAND"];
    if asked.iter().all(|name| std::env::var_os(name).is_none()) {
        command.env(
            "GIT_SSH_COMMAND",
            "ssh -o ControlMaster=no -o BatchMode=yes",
        );
    }
    let output = command
        .output()
        .map_err(|error| CliError::Text(format!("git: {}", errno_text(&error))))?;
    if !output.status.success() {
        return Err(CliError::Text(format!(
            "git {} failed: {}",
            words[0],
            String::from_utf8_lossy(&output.stderr).trim_end()
        )));
    }
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_files() {
        let parsed = |text| {
            Reference::parse(text).map(|it| format!("{} {} {}", it.remote, it.revision, it.path))
        };
        for (text, expected) in [
            ("https://h/r.git", Some("https://h/r.git  ")),
            ("https://h/r.git#main:a/b", Some("https://h/r.git main a/b")),
            ("git@h:o/r.git#:a", Some("git@h:o/r.git  a")),
            ("github.com/o/r", Some("https://github.com/o/r  ")),
            ("https://h/compose.yaml", None),
            ("./git/compose.yaml", None),
            ("/srv/r.git", None),
        ] {
            assert_eq!(parsed(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_path_that_leads_out_of_the_repository_is_refused() {
        for path in ["..", "../x", "a/../../x", "/etc", "a/.."] {
            assert!(inside(path).is_err(), "{path}");
        }
        for path in ["", "a", "a/b.yaml", "./a"] {
            assert!(inside(path).is_ok(), "{path}");
        }
    }
}
