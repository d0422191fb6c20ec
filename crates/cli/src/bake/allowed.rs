//! What a definition may do beyond the directory it is baked in: `--allow`.

use super::error;
use crate::{app::Call, error::CliError, terminal};
use corten_bake::{Plan, Target, is_remote};
use std::{
    collections::BTreeSet,
    io::BufRead,
    path::{Path, PathBuf},
};

/// What is granted, or asked for.
#[derive(Default)]
struct Rights {
    /// `network.host`, `security.insecure`.
    named: BTreeSet<String>,
    ssh: bool,
    read: BTreeSet<PathBuf>,
    write: BTreeSet<PathBuf>,
    /// `*`.
    read_all: bool,
    write_all: bool,
}

/// Refuses what nobody allowed, or asks whether it may be.
pub(super) fn check(call: &Call<'_>, plan: &Plan) -> Result<(), CliError> {
    let directory = std::env::current_dir().unwrap_or_default();
    let granted = granted(call, &directory)?;
    let asked = asked(plan, call, &directory);
    let outside = |wanted: &BTreeSet<PathBuf>, all: bool, list: &BTreeSet<PathBuf>| {
        let inside = |path: &PathBuf| list.iter().any(|it| path.starts_with(it));
        let missing = wanted.iter().filter(|it| !all && !inside(it));
        missing.cloned().collect::<Vec<_>>()
    };
    let named: Vec<&String> = asked.named.difference(&granted.named).collect();
    let checks_files = crate::app::environment("BUILDX_BAKE_ENTITLEMENTS_FS")
        .is_none_or(|it| corten_bake::truth(&it) != Some(false));
    let (read, write) = match checks_files {
        true => (
            outside(&asked.read, granted.read_all, &granted.read),
            outside(&asked.write, granted.write_all, &granted.write),
        ),
        false => Default::default(),
    };
    let ssh = checks_files && asked.ssh && !granted.ssh;
    if named.is_empty() && read.is_empty() && write.is_empty() && !ssh {
        return Ok(());
    }
    let mut lines = Vec::new();
    for name in named {
        let about = match name.as_str() {
            "network.host" => "Running build containers that can access host network".to_owned(),
            "security.insecure" => {
                "Running privileged containers that can make system changes".to_owned()
            }
            other => format!("Using the entitlement {other}"),
        };
        lines.push((about, name.clone()));
    }
    if ssh {
        lines.push(("Forwarding default SSH agent socket".into(), "ssh".into()));
    }
    for (paths, about, flag) in [
        (&read, "Read access to path", "fs.read"),
        (&write, "Write access to path", "fs.write"),
    ] {
        for path in paths {
            let path = relative(path, &directory);
            lines.push((format!("{about} {path}"), format!("{flag}={path}")));
        }
    }
    ask(
        call,
        &lines,
        checks_files && !(read.is_empty() && write.is_empty() && !ssh),
    )
}

fn ask(call: &Call<'_>, lines: &[(String, String)], files: bool) -> Result<(), CliError> {
    let flags: Vec<String> = lines
        .iter()
        .map(|(_, flag)| format!("--allow={flag}"))
        .collect();
    let flags = flags.join(" ");
    let mut text =
        "Your build is requesting privileges for following possibly insecure capabilities:\n\n"
            .to_owned();
    for (about, _) in lines {
        text.push_str(&format!(" - {about}\n"));
    }
    let asks = terminal::terminals().input;
    match asks {
        true => text.push_str(&format!("\nIn order to not see this message in the future pass {flags:?} to grant requested privileges.\n")),
        false => text.push_str(&format!("\nPass {flags:?} to grant requested privileges.\n")),
    }
    if files && crate::app::environment("BUILDX_BAKE_ENTITLEMENTS_FS").is_none() {
        text.push_str("To disable filesystem entitlements checks, you can set BUILDX_BAKE_ENTITLEMENTS_FS=0 .\n");
    }
    call.app.warn(&text);
    if asks {
        call.app
            .out("Do you want to grant requested privileges and continue? [y/N] ")?;
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_ok() && answer.trim().eq_ignore_ascii_case("y") {
            return Ok(());
        }
    }
    Err(error("additional privileges requested"))
}

/// What `--allow` grants; the directory itself always is, and what the line itself names.
fn granted(call: &Call<'_>, directory: &Path) -> Result<Rights, CliError> {
    let mut rights = Rights::default();
    let here = real(directory, directory);
    rights.read.insert(here.clone());
    rights.write.insert(here);
    for text in call.parsed.all("allow") {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        let (read, write) = match key {
            "network.host" | "security.insecure" => {
                rights.named.insert(key.to_owned());
                continue;
            }
            "ssh" => {
                rights.ssh = true;
                continue;
            }
            "fs" => (true, true),
            "fs.read" => (true, false),
            "fs.write" => (false, true),
            "device" => return Err(error("devices in builds are not supported by Corten")),
            // Images are pushed and loaded as the definition says, by either tool.
            "image" | "image.push" | "image.load" => continue,
            other => return Err(error(&format!("unknown entitlement key {other:?}"))),
        };
        rights.read_all |= read && value == "*";
        rights.write_all |= write && value == "*";
        let path = real(Path::new(value), directory);
        if read {
            rights.read.insert(path.clone());
        }
        if write {
            rights.write.insert(path);
        }
    }
    // What `--set` names is named by the user.
    for line in call.parsed.all("set") {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let kind = key
            .split('.')
            .nth(1)
            .unwrap_or_default()
            .trim_end_matches('+');
        match kind {
            "entitlements" => drop(rights.named.insert(value.to_owned())),
            "secrets" | "ssh" | "cache-from" => {
                let paths = value
                    .split([',', '='])
                    .map(|it| real(Path::new(it), directory));
                rights.read.extend(paths);
            }
            "output" | "cache-to" => {
                let paths = value
                    .split([',', '='])
                    .map(|it| real(Path::new(it), directory));
                rights.write.extend(paths);
            }
            _ => {}
        }
    }
    Ok(rights)
}

fn asked(plan: &Plan, call: &Call<'_>, directory: &Path) -> Rights {
    let mut rights = Rights::default();
    // Agents that the line itself names need no further word.
    let named = call.parsed.all("set").any(|it| it.contains(".ssh"));
    for target in plan.targets.values() {
        rights
            .named
            .extend(target.texts("entitlements").iter().cloned());
        let (read, write) = paths(target);
        rights
            .read
            .extend(read.iter().map(|it| real(Path::new(it), directory)));
        rights
            .write
            .extend(write.iter().map(|it| real(Path::new(it), directory)));
        rights.ssh |= target.ssh().iter().any(|it| it.paths.is_empty()) && !named;
    }
    rights
}

/// Paths that a target reads and writes.
fn paths(target: &Target) -> (Vec<String>, Vec<String>) {
    let (mut read, mut write) = (Vec::new(), Vec::new());
    let is_local = |path: &str| {
        let other = ["target:", "docker-image:", "oci-layout:"];
        !path.is_empty() && !is_remote(path) && !other.iter().any(|it| path.starts_with(it))
    };
    let context = target.text("context").unwrap_or(".").to_owned();
    if is_local(&context) {
        let file = target.text("dockerfile").unwrap_or("Dockerfile");
        if target.text("dockerfile-inline").is_none() && is_local(file) {
            read.push(Path::new(&context).join(file).display().to_string());
        }
        read.push(context);
    }
    read.extend(
        target
            .map("contexts")
            .into_values()
            .filter(|it| is_local(it)),
    );
    read.extend(
        target
            .secrets()
            .iter()
            .map(|it| it.source.clone())
            .filter(|it| !it.is_empty()),
    );
    read.extend(target.ssh().iter().flat_map(|it| it.paths.clone()));
    let of = |name: &str, key: &str| {
        let entries = target.entries(name).iter();
        entries
            .filter_map(|it| it.get(key).cloned())
            .collect::<Vec<_>>()
    };
    let local = |name: &str, key: &str| {
        let entries = target.entries(name).iter();
        let entries = entries.filter(|it| it.get("type").is_some_and(|it| it == "local"));
        entries
            .filter_map(|it| it.get(key).cloned())
            .collect::<Vec<_>>()
    };
    read.extend(local("cache-from", "src"));
    write.extend(local("cache-to", "dest"));
    write.extend(of("output", "dest").into_iter().filter(|it| it != "-"));
    (read, write)
}

/// The path without links, as far as it exists: what is below that is not there yet.
fn real(path: &Path, directory: &Path) -> PathBuf {
    let whole = directory.join(path);
    let mut at = whole.as_path();
    loop {
        if let Ok(found) = std::fs::canonicalize(at) {
            return found;
        }
        match at.parent() {
            Some(parent) => at = parent,
            None => return whole,
        }
    }
}

/// A path near the directory is shown from there.
fn relative(path: &Path, directory: &Path) -> String {
    let directory = real(directory, directory);
    if let Ok(inside) = path.strip_prefix(&directory) {
        return inside.display().to_string();
    }
    let Some(parent) = directory.parent() else {
        return path.display().to_string();
    };
    match path.strip_prefix(parent) {
        Ok(rest) if rest.as_os_str().is_empty() => "..".into(),
        Ok(rest) => Path::new("..").join(rest).display().to_string(),
        Err(_) => path.display().to_string(),
    }
}
