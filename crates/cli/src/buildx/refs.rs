//! Where builds of this machine's user had their files: what the engine is not told, and
//! lists of builds are made readable by. The form and the place are buildx's own
//! (`docker/buildx localstate`), so that either client shows the builds of both.

use crate::app::{self, App};
use corten_client::build::BuildHistoryRecord;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// The builder that the engine has.
const BUILDER: &str = "default/default";
/// Standard input.
pub(super) const INPUT: &str = "-";
const DOCKERFILE: &str = "Dockerfile";

/// What is kept of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Place {
    /// What was built, for who builds several things at once.
    target: String,
    /// The context: a directory, a URL, or [`INPUT`].
    pub local_path: String,
    /// The Dockerfile, where one was named.
    pub dockerfile_path: String,
}

impl Place {
    /// That of a build of `context` with `file`, as the line names them.
    pub fn of(target: &str, context: &str, file: &str) -> Self {
        let whole = |text: &str| match text {
            "" | INPUT => text.to_owned(),
            url if crate::build::is_remote(url) => url.to_owned(),
            path => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
                clean(&path).display().to_string()
            }
        };
        let dockerfile_path = match crate::build::is_remote(context) {
            true => file.to_owned(),
            false => whole(file),
        };
        Self {
            target: target.to_owned(),
            local_path: whole(context),
            dockerfile_path,
        }
    }

    /// Remembers it. Where that cannot be done, lists say less, and a build goes on.
    pub fn keep(&self, app: &App, reference: &str) {
        let path = file(app, reference);
        let text = serde_json::to_string(self).unwrap_or_default();
        let directory = path.parent().unwrap_or(&path);
        let made = std::fs::create_dir_all(directory);
        let _lost = made.and_then(|()| std::fs::write(&path, text));
    }

    /// What is known of a build.
    pub fn read(app: &App, reference: &str) -> Option<Self> {
        let text = std::fs::read_to_string(file(app, reference)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The directory that was the context.
    fn directory(&self) -> &str {
        match self.local_path.as_str() {
            INPUT => "",
            url if crate::build::is_remote(url) => "",
            path => path,
        }
    }
}

/// A path without `.` and `..`, as its words say.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            other => clean.push(other),
        }
    }
    clean
}

/// Forgets a build.
pub(super) fn forget(app: &App, reference: &str) {
    // It may have been built elsewhere.
    let _absent = std::fs::remove_file(file(app, reference));
}

fn file(app: &App, reference: &str) -> PathBuf {
    let own = || app.config_directory.join("buildx");
    let root = app::environment("BUILDX_CONFIG").map_or_else(own, PathBuf::from);
    // Records come from the engine: a name is one component.
    let name = reference.replace(['/', '\0'], "_");
    root.join("refs").join(BUILDER).join(name)
}

/// What a build is called: its context or its Dockerfile with the directory that says most,
/// and its target.
pub(super) fn name(record: &BuildHistoryRecord, place: Option<&Place>) -> String {
    let attr = |key: &str| record.frontend_attrs.get(key).map_or("", String::as_str);
    let inside = |key: &str| Some(attr(key)).filter(|it| !matches!(*it, "" | "."));
    let mut dockerfile = match attr("filename") {
        DOCKERFILE => String::new(),
        named => named.to_owned(),
    };
    if let Some(directory) = inside("vcs:localdir:dockerfile") {
        dockerfile = Path::new(directory).join(dockerfile).display().to_string();
    }
    let mut directory = "";
    if let Some(place) = place.filter(|it| !crate::build::is_remote(&it.local_path)) {
        directory = place.directory();
        if !matches!(place.dockerfile_path.as_str(), "" | INPUT | DOCKERFILE) {
            dockerfile.clone_from(&place.dockerfile_path);
        }
    }
    let context = Some(attr("context")).filter(|it| !it.is_empty());
    let context = context.filter(|it| !it.starts_with("http://buildkit-session/"));
    let context = context.or_else(|| inside("vcs:localdir:context"));
    let base = context.map_or_else(|| local_name(directory, &dockerfile), str::to_owned);
    match (base.as_str(), attr("target")) {
        ("", "") => attr("vcs:source").to_owned(),
        (_, "") => base,
        ("", target) => target.to_owned(),
        (_, target) => format!("{base} ({target})"),
    }
}

fn local_name(directory: &str, dockerfile: &str) -> String {
    let usual = dockerfile.strip_suffix("/Dockerfile");
    let path = usual.unwrap_or(dockerfile);
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_below = path.len() > directory.len() && path.starts_with(directory);
    match path.rsplit_once('/') {
        _ if path.is_empty() => last(directory),
        // With the context's own name in front.
        _ if is_below && !directory.is_empty() => {
            let from = directory.rfind('/').map_or(0, |slash| slash + 1);
            path[from..].to_owned()
        }
        Some((above, name)) if usual.is_none() => format!("{}/{name}", last(above)),
        _ => last(path),
    }
}

/// The context and the Dockerfile as they are to be shown in `working`.
pub(super) fn shown(place: &Place, working: &Path) -> (String, String) {
    let relative = |from: &Path, to: &str| {
        let to = Path::new(to);
        let inner = to.strip_prefix(from).ok()?;
        Some(match inner.as_os_str().is_empty() {
            true => ".".to_owned(),
            false => inner.display().to_string(),
        })
    };
    let directory = place.directory();
    let context = match (directory, working.parent()) {
        ("", _) => place.local_path.clone(),
        (path, Some(above)) if Path::new(path) == above => "..".to_owned(),
        (path, _) => relative(working, path).unwrap_or_else(|| path.to_owned()),
    };
    let file = place.dockerfile_path.as_str();
    let inside = match directory {
        "" => None,
        directory => relative(Path::new(directory), file),
    };
    let file = match file {
        "" => DOCKERFILE.to_owned(),
        file => inside.unwrap_or_else(|| file.to_owned()),
    };
    (context, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(context: &str, file: &str) -> Place {
        Place {
            local_path: context.into(),
            dockerfile_path: file.into(),
            ..Place::default()
        }
    }

    fn named(attrs: &[(&str, &str)], place: Option<Place>) -> String {
        let attrs = attrs
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        let record = BuildHistoryRecord {
            frontend_attrs: attrs.collect(),
            ..BuildHistoryRecord::default()
        };
        name(&record, place.as_ref())
    }

    // As buildx 0.29 showed them.
    #[test]
    fn a_build_has_the_name_that_says_most() {
        let other = [("filename", "Other")];
        let target = [("filename", "Other"), ("target", "one")];
        for (attrs, here, wanted) in [
            (&[][..], Some(place("/w/x", "")), "x"),
            (&[], Some(place("/w/x", "/w/y/Dockerfile")), "y"),
            (&[], Some(place("/w/x/sub", "/w/x/Dockerfile")), "x"),
            (&other, Some(place("/w/x", "/w/y/Far")), "y/Far"),
            (&other, Some(place("/w/x", "/w/x/sub/Other")), "x/sub/Other"),
            (
                &target,
                Some(place("/w/x/sub", "/w/x/sub/Other")),
                "sub/Other (one)",
            ),
            (&[], Some(place("/w/x/sub", "-")), "sub"),
            (&[], Some(place("-", "")), ""),
            (
                &[("context", "https://h.test/r.git")],
                None,
                "https://h.test/r.git",
            ),
            (
                &[("vcs:source", "https://h.test/r.git")],
                None,
                "https://h.test/r.git",
            ),
            (&[("vcs:localdir:context", "deep")], None, "deep"),
            (&other, None, "Other"),
        ] {
            assert_eq!(named(attrs, here.clone()), wanted, "{attrs:?} {here:?}");
        }
    }

    #[test]
    fn what_is_near_is_shown_from_where_the_user_is() {
        let seen = |context: &str, file: &str, from: &str| {
            let (context, file) = shown(&place(context, file), Path::new(from));
            format!("{context} {file}")
        };
        assert_eq!(seen("/w/x", "", "/w/x"), ". Dockerfile");
        assert_eq!(seen("/w/x", "/w/x/sub/Other", "/w/x/sub"), ".. sub/Other");
        assert_eq!(
            seen("/w/x/sub", "/w/x/Dockerfile", "/w/x"),
            "sub /w/x/Dockerfile"
        );
        assert_eq!(seen("/w/x", "/w/y/Far", "/tmp"), "/w/x /w/y/Far");
        assert_eq!(seen("-", "", "/w"), "- Dockerfile");
        assert_eq!(seen("/w/x", "-", "/w/x"), ". -");
    }
}
