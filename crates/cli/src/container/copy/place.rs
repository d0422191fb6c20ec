//! Where a copy goes: what the target's name is, and in which directory.
//!
//! Docker's rules (docker cp, "DESCRIPTION"): a directory that is there takes the source
//! in; a name that is not there becomes the source; `SRC/.` means the contents.

use crate::error::{CliError, errno_text};
use std::path::{Path, PathBuf};

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Link,
}

/// A target on this machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Local {
    /// The directory that is extracted into; it is there.
    pub directory: PathBuf,
    /// Whether names of the archive begin with the source's own name, which is cut off.
    pub rooted: bool,
    /// What stands in front of the names instead.
    pub name: Option<String>,
}

/// A target in a container.
#[derive(Debug, PartialEq, Eq)]
pub struct Inside {
    /// Directory for the engine.
    pub directory: String,
    /// Name of the archive's root; empty for contents only.
    pub name: String,
}

fn contents_only(path: &str) -> bool {
    path == "." || path.ends_with("/.")
}

fn is_directory_name(path: &str) -> bool {
    path.ends_with('/') || contents_only(path)
}

fn base(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or("").to_owned()
}

fn parent(path: &str) -> String {
    let trimmed = path.trim_end_matches("/.").trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some(("", _)) => "/".into(),
        Some((parent, _)) => parent.into(),
        None => ".".into(),
    }
}

/// A link's target, relative to the link's own directory.
pub fn joined_link(path: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    format!("{}/{target}", parent(path).trim_end_matches('/'))
}

/// A path as error messages show it.
pub fn absolute(path: &Path) -> String {
    std::path::absolute(path)
        .unwrap_or_else(|_| path.to_owned())
        .display()
        .to_string()
}

/// The place on this machine for `source` of a container.
pub fn local(source: &str, kind: Kind, target: &str) -> Result<Local, CliError> {
    let path = Path::new(target);
    // The engine sends `SRC/.` and `/` without a name in front.
    let rooted = !contents_only(source) && !base(source).is_empty();
    let there = std::fs::metadata(path).ok();
    match there {
        Some(meta) if meta.is_dir() => Ok(Local {
            directory: path.to_owned(),
            rooted,
            name: rooted.then(|| base(source)),
        }),
        Some(_) if kind == Kind::Directory => Err(CliError::Text("cannot copy directory".into())),
        Some(_) if is_directory_name(target) => Err(CliError::Text("not a directory".into())),
        other => {
            if other.is_none() && is_directory_name(target) && kind != Kind::Directory {
                return Err(CliError::Text("no such directory".into()));
            }
            let directory = PathBuf::from(parent(target));
            if let Err(error) = std::fs::metadata(&directory) {
                return Err(CliError::Text(format!(
                    "invalid output path: directory {:?} does not exist{}",
                    absolute(&directory),
                    if error.kind() == std::io::ErrorKind::NotFound {
                        String::new()
                    } else {
                        format!(": {}", errno_text(&error))
                    }
                )));
            }
            Ok(Local {
                directory,
                rooted,
                name: Some(base(target.trim_end_matches("/."))),
            })
        }
    }
}

/// The place in a container for a local `source`.
pub fn inside(
    source: &str,
    kind: Kind,
    target: &str,
    there: Option<Kind>,
) -> Result<Inside, CliError> {
    match there {
        Some(Kind::Directory) => Ok(Inside {
            directory: target.to_owned(),
            name: if contents_only(source) && kind == Kind::Directory {
                String::new()
            } else {
                local_name(source)
            },
        }),
        Some(_) if kind == Kind::Directory => Err(CliError::Text("cannot copy directory".into())),
        Some(_) if is_directory_name(target) => Err(CliError::Text("not a directory".into())),
        None if is_directory_name(target) && kind != Kind::Directory => {
            Err(CliError::Text("no such directory".into()))
        }
        _ => Ok(Inside {
            directory: parent(target),
            name: base(target.trim_end_matches("/.")),
        }),
    }
}

/// A local source's own name, also for `.` and `..`.
fn local_name(source: &str) -> String {
    let name = base(source.trim_end_matches("/."));
    if matches!(name.as_str(), "" | "." | "..") {
        return std::fs::canonicalize(source)
            .ok()
            .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_goes_into_a_directory_or_becomes_the_name() {
        for (source, kind, target, there, directory, name) in [
            ("a", Kind::File, "/etc", Some(Kind::Directory), "/etc", "a"),
            (
                "d/.",
                Kind::Directory,
                "/etc",
                Some(Kind::Directory),
                "/etc",
                "",
            ),
            ("d", Kind::Directory, "/new", None, "/", "new"),
            ("a", Kind::File, "/etc/b", None, "/etc", "b"),
            ("a", Kind::File, "/etc/b", Some(Kind::File), "/etc", "b"),
        ] {
            let placed = inside(source, kind, target, there).unwrap();
            assert_eq!(
                (placed.directory.as_str(), placed.name.as_str()),
                (directory, name)
            );
        }
        assert_eq!(
            inside("a", Kind::File, "/no/", None)
                .unwrap_err()
                .to_string(),
            "no such directory"
        );
        assert_eq!(
            inside("d", Kind::Directory, "/f", Some(Kind::File))
                .unwrap_err()
                .to_string(),
            "cannot copy directory"
        );
    }

    #[test]
    fn a_relative_link_starts_at_its_own_directory() {
        assert_eq!(joined_link("/a/link", "x"), "/a/x");
        assert_eq!(joined_link("/link", "/y"), "/y");
    }
}
