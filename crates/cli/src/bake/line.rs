//! A target as a line of this client's own `build`.

use super::error;
use crate::{
    app::{App, Call},
    error::CliError,
    flags::{self, Grammar},
    tables::{self, Command, Found},
};
use corten_bake::{Field, Plan, Target, clean, flag, is_remote};
use std::path::Path;

/// The line, which its call borrows.
pub(super) struct Line {
    command: Command,
    words: Vec<String>,
}

impl Line {
    /// The words that build a target.
    pub fn of(target: &Target) -> Result<Self, CliError> {
        let build = ["build".to_owned()];
        let Some((Found::Command(command), _)) = tables::find(&build) else {
            return Err(error("this client has no command that builds"));
        };
        Ok(Self {
            command,
            words: words(target),
        })
    }

    /// What the build is called with.
    pub fn call<'a>(&'a self, app: &'a App) -> Result<Call<'a>, CliError> {
        let grammar = Grammar {
            flags: &self.command.flags,
            stops_at_first_argument: false,
            check: crate::container::options::checks::check,
        };
        let parsed = flags::parse(&grammar, &self.words).map_err(|why| error(&why.to_string()))?;
        Ok(Call {
            app,
            command: &self.command,
            parsed,
        })
    }
}

fn words(target: &Target) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |flag: &str, value: &str| words.push(format!("--{flag}={value}"));
    for (flag, list) in [
        ("tag", target.texts("tags")),
        ("annotation", target.texts("annotations")),
        ("platform", target.texts("platforms")),
        ("no-cache-filter", target.texts("no-cache-filter")),
        ("ulimit", target.texts("ulimits")),
        ("allow", target.texts("entitlements")),
    ] {
        list.iter().for_each(|it| add(flag, it));
    }
    for (flag, name) in [("build-arg", "args"), ("label", "labels")] {
        for (key, value) in target.map(name) {
            add(flag, &format!("{key}={value}"));
        }
    }
    for (host, addresses) in target.map("extra-hosts") {
        addresses
            .split(',')
            .for_each(|it| add("add-host", &format!("{host}={it}")));
    }
    for (flag_name, name) in [
        ("cache-from", "cache-from"),
        ("cache-to", "cache-to"),
        ("output", "output"),
        ("attest", "attest"),
    ] {
        target
            .entries(name)
            .iter()
            .for_each(|it| add(flag_name, &flag(it)));
    }
    for (flag, name) in [
        ("target", "target"),
        ("network", "network"),
        ("shm-size", "shm-size"),
    ] {
        if let Some(value) = target.text(name).filter(|it| !it.is_empty()) {
            add(flag, value);
        }
    }
    for flag in ["pull", "no-cache"] {
        if target.is_on(flag) {
            add(flag, "true");
        }
    }
    target
        .secrets()
        .iter()
        .for_each(|it| add("secret", &it.flag()));
    target.ssh().iter().for_each(|it| add("ssh", &it.flag()));
    for (name, value) in target.map("contexts") {
        // A target's result is handed over when it is there.
        if !value.starts_with("target:") {
            add("build-context", &format!("{name}={value}"));
        }
    }
    if let Some(call) = target.text("call").filter(|it| !it.is_empty()) {
        add("call", call);
    }
    let context = target.text("context").unwrap_or(".");
    if target.text("dockerfile-inline").is_none() {
        add(
            "file",
            &dockerfile(context, target.text("dockerfile").unwrap_or("Dockerfile")),
        );
    }
    words.push("--".into());
    words.push(context.to_owned());
    words
}

/// A Dockerfile's path stands below the context; of a context elsewhere it is a part.
fn dockerfile(context: &str, path: &str) -> String {
    if let Some(here) = path.strip_prefix("cwd://") {
        return clean(here);
    }
    match is_remote(context) || Path::new(path).is_absolute() || is_remote(path) {
        true => path.to_owned(),
        false => clean(&format!("{context}/{path}")),
    }
}

/// What stock bake looks at before it prints or builds.
pub(super) fn check(plan: &Plan) -> Result<(), CliError> {
    for target in plan.targets.values() {
        for secret in target.secrets() {
            let named = |name: &str| std::env::var_os(name).is_some();
            let path = match (secret.source.as_str(), secret.env.as_str()) {
                ("", "") if !named(&secret.id) => secret.id.as_str(),
                ("", _) => continue,
                (path, _) => path,
            };
            if let Err(why) = std::fs::metadata(path) {
                let why = crate::error::errno_text(&why);
                return Err(error(&format!("failed to stat {path}: stat {path}: {why}")));
            }
        }
        let call = target.text("call").unwrap_or_default();
        if !["", "build", "check", "lint", "outline", "targets"].contains(&call) {
            return Err(error(&format!("unsupported call {call:?}")));
        }
        if target.get("shm-size").is_some_and(|it| match it {
            Field::Text(text) => corten_base::text::parse_ram_bytes(text).is_none(),
            _ => false,
        }) {
            let size = target.text("shm-size").unwrap_or_default();
            return Err(error(&format!(
                "invalid value {size} for membytes key shm-size: invalid size: '{size}'"
            )));
        }
    }
    Ok(())
}
