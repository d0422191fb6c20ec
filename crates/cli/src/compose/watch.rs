//! `compose watch` and `up --watch`: what changes here changes in the containers.

use super::{
    Compose, build,
    delegate::{Line, words},
    images,
    printer::{Look, Printer},
    targets::{self, Choice, MADE},
    up::{self, Wanted},
    watch_files::Files,
};
use crate::{error::CliError, flags::Parsed};
use corten_client::{Client, Method};
use corten_compose::{
    Node, Project, Target, Value,
    apply::read_state,
    labels,
    plan::{self, Recreate},
};
use corten_dockerfile::Patterns;
use serde_json::{Value as J, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tokio::sync::Notify;

/// Files that editors and tools make in passing.
const EPHEMERAL: [&str; 14] = [
    "**/.git",
    "**/.idea",
    "**/*___jb_old___",
    "**/*___jb_tmp___",
    "**/.#*",
    "**/#*#",
    "**/4913",
    "**/*~",
    "**/.*.swp",
    "**/.*.swx",
    "**/.*.swo",
    "**/.*.swn",
    "**/.*.kate-swp",
    "**/*-go-tmp-umask",
];

/// No service says what is to be done.
const NOT_CONFIGURED: &str =
    "none of the selected services is configured for watch, consider setting a 'develop' section";

/// What is done when a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Rebuild,
    Restart,
    Sync,
    SyncRestart,
    SyncExec,
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "rebuild" => Self::Rebuild,
            "restart" => Self::Restart,
            "sync" => Self::Sync,
            "sync+restart" => Self::SyncRestart,
            "sync+exec" => Self::SyncExec,
            _ => return None,
        })
    }

    fn syncs(self) -> bool {
        !matches!(self, Self::Rebuild | Self::Restart)
    }
}

/// One trigger of a service.
struct Rule {
    service: String,
    action: Action,
    path: PathBuf,
    target: String,
    include: Option<Patterns>,
    ignore: Patterns,
    /// Of the service's build, with the directory that it stands in.
    docker_ignore: Option<(PathBuf, Patterns)>,
    exec: Option<Node>,
}

impl Rule {
    /// Whether a path is none of this rule's.
    fn ignores(&self, path: &Path) -> bool {
        let below = |base: &Path, patterns: &Patterns| {
            let inside = path.strip_prefix(base).ok();
            inside.is_some_and(|inside| patterns.excludes(&inside.to_string_lossy()))
        };
        let built = self.docker_ignore.as_ref();
        below(&self.path, &self.ignore)
            || built.is_some_and(|(base, patterns)| below(base, patterns))
    }

    /// Where in the container a changed path is, if the rule is about it.
    fn place(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(&self.path).ok()?;
        let included = |patterns: &Patterns| patterns.fits(&inside.to_string_lossy());
        if self.ignores(path) || !self.include.as_ref().is_none_or(included) {
            return None;
        }
        Some(match inside.as_os_str().is_empty() {
            true => self.target.clone(),
            false => format!(
                "{}/{}",
                self.target.trim_end_matches('/'),
                inside.to_string_lossy()
            ),
        })
    }
}

/// A file here and its place in the containers.
type Pair = (PathBuf, String);

/// A project being watched.
pub struct Watch<'a> {
    compose: &'a Compose<'a>,
    project: &'a Project,
    printer: &'a Printer<'a>,
    rules: Vec<Rule>,
    prune: bool,
    quiet: bool,
}

/// `compose watch`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let mut project = compose.lazy_project()?;
    let services = super::selection::ready(&mut project, &parsed.args, false)?;
    project.choose_platforms(&services, Target::Here)?;
    let look = Look {
        prefix: false,
        colour: false,
        timestamps: false,
    };
    let printer = Printer::new(compose.call.app, look);
    // Wrong rules are told before anything is done.
    Watch::new(compose, &project, &services, &printer)?;
    if !parsed.is_on("no-up") {
        let wanted = Wanted {
            named: parsed.args.clone(),
            recreate_dependencies: Recreate::Never,
            images: images::Wanted {
                build: true,
                quiet_build: parsed.is_on("quiet"),
                ..images::Wanted::default()
            },
            ..Wanted::default()
        };
        up::bring_up(compose, &mut project, &wanted).await?;
    }
    if compose.is_dry() {
        return Ok(0);
    }
    let watch = Watch::new(compose, &project, &services, &printer)?;
    watch.run(&Notify::new()).await?;
    Ok(0)
}

impl<'a> Watch<'a> {
    /// Reads the rules of the services.
    pub fn new(
        compose: &'a Compose<'a>,
        project: &'a Project,
        services: &[String],
        printer: &'a Printer<'a>,
    ) -> Result<Self, CliError> {
        let mut rules = Vec::new();
        for name in services {
            rules.extend(read_rules(compose, name, &project.services()[name])?);
        }
        if rules.is_empty() {
            return Err(CliError::Text(NOT_CONFIGURED.into()));
        }
        let parsed: &Parsed = &compose.call.parsed;
        Ok(Self {
            compose,
            project,
            printer,
            rules,
            prune: parsed.flag_or("prune", true),
            quiet: parsed.is_on("quiet"),
        })
    }

    /// Watches until `off` says that it is enough, or something goes wrong that cannot be
    /// gone on from. What a change has set off is brought to its end.
    pub async fn run(&self, off: &Notify) -> Result<(), CliError> {
        self.initial().await?;
        let paths: BTreeSet<PathBuf> = self.rules.iter().map(|rule| rule.path.clone()).collect();
        let left_out = |path: &Path| {
            let mut about = self
                .rules
                .iter()
                .filter(|rule| path.starts_with(&rule.path));
            about.all(|rule| rule.ignores(path))
        };
        let mut files = Files::new(&paths, &left_out)?;
        self.printer.watch("Watch enabled");
        loop {
            let changed = tokio::select! {
                changed = files.batch() => changed?,
                () = off.notified() => {
                    self.printer.watch("Watch disabled");
                    return Ok(());
                }
            };
            // Builds and restarts draw for themselves.
            let above = self.printer.above();
            // What fails this time may go well with the next edit.
            if let Err(error) = self.handle(&changed).await {
                self.compose
                    .warn(&format!("Error handling changed files: {error}"));
            }
            drop(above);
            if self.printer.is_closed() {
                return Err(CliError::Closed);
            }
        }
    }

    async fn handle(&self, changed: &BTreeSet<PathBuf>) -> Result<(), CliError> {
        let mut rebuild: BTreeSet<&String> = BTreeSet::new();
        let mut restart: BTreeSet<&String> = BTreeSet::new();
        let mut pairs: BTreeMap<&String, Vec<Pair>> = BTreeMap::new();
        let mut exec: Vec<&Rule> = Vec::new();
        for rule in &self.rules {
            let places = changed
                .iter()
                .filter_map(|path| Some((path.clone(), rule.place(path)?)));
            let places: Vec<Pair> = places.collect();
            if places.is_empty() {
                continue;
            }
            match rule.action {
                Action::Rebuild => {
                    rebuild.insert(&rule.service);
                }
                Action::Restart | Action::SyncRestart => {
                    restart.insert(&rule.service);
                }
                Action::SyncExec => exec.push(rule),
                Action::Sync => {}
            }
            if rule.action.syncs() {
                pairs.entry(&rule.service).or_default().extend(places);
            }
        }
        if !rebuild.is_empty() {
            self.rebuild(&rebuild).await?;
        }
        for (service, pairs) in pairs {
            self.printer.watch(&format!(
                "Syncing service {service:?} after {} changes were detected",
                pairs.len()
            ));
            self.sync(service, &pairs).await?;
        }
        if !restart.is_empty() {
            let names: Vec<String> = restart.into_iter().cloned().collect();
            self.restart(&names).await?;
            self.printer
                .watch(&format!("service(s) {} restarted", go_list(&names)));
        }
        for rule in exec {
            self.exec(rule).await?;
        }
        Ok(())
    }

    /// Copies files into all containers of a service; those that are gone here go there.
    async fn sync(&self, service: &str, pairs: &[Pair]) -> Result<(), CliError> {
        let (there, gone): (Vec<&Pair>, Vec<&Pair>) = pairs
            .iter()
            .partition(|(path, _)| fs::symlink_metadata(path).is_ok());
        let archive = archive(&there)
            .map_err(|error| CliError::Text(format!("packing changed files: {error}")))?;
        let client = self.compose.call.client().await?;
        let name = &self.project.name;
        let services = [service.to_owned()];
        let targets = targets::containers(self.compose, name, &services, MADE).await?;
        for target in &targets {
            let id = &target.found.id;
            if !gone.is_empty() && target.found.is_up() {
                let mut line = words(["exec"]);
                line.push(id.clone());
                line.extend(words(["rm", "-rf", "--"]));
                line.extend(gone.iter().map(|(_, place)| place.clone()));
                Line::new(line)?.run(self.compose.call.app).await?;
            }
            if !there.is_empty() {
                put(client, id, archive.clone()).await?;
            }
        }
        Ok(())
    }

    async fn restart(&self, services: &[String]) -> Result<(), CliError> {
        let client = self.compose.call.client().await?;
        let state = read_state(client, &self.project.name, Some(self.project)).await?;
        let plan = plan::restart(Some(self.project), &state, services, false);
        let settings = up::settings(self.compose);
        up::carry_out(self.compose, Some(self.project), &state, &plan, &settings).await
    }

    async fn rebuild(&self, services: &BTreeSet<&String>) -> Result<(), CliError> {
        let names: Vec<String> = services.iter().map(|name| (*name).clone()).collect();
        let shown = go_list(&names);
        self.printer.watch(&format!(
            "Rebuilding service(s) {shown} after changes were detected..."
        ));
        let options = build::Options {
            quiet: self.quiet,
            ..build::Options::default()
        };
        let built = build::services(self.compose, self.project, &names, &options).await;
        if let Err(error) = built {
            self.printer.watch(&format!("Build failed. Error: {error}"));
            return Err(error);
        }
        self.printer
            .watch(&format!("service(s) {shown} successfully built"));
        let wanted = Wanted {
            named: names,
            alone: true,
            recreate: Recreate::Always,
            ..Wanted::default()
        };
        let mut project = self.project.clone();
        up::bring_up(self.compose, &mut project, &wanted).await?;
        if self.prune {
            self.prune().await?;
        }
        Ok(())
    }

    /// Removes the project's images that have lost their names to newer ones.
    async fn prune(&self) -> Result<(), CliError> {
        let client = self.compose.call.client().await?;
        let label = format!("{}={}", labels::PROJECT, self.project.name);
        let filters = json!({ "label": [label], "dangling": ["true"] });
        let request = client
            .get("/images/json")
            .query("filters", filters.to_string());
        let images: Vec<J> = request.send().await?.json().await?;
        for image in &images {
            let id = image["Id"].as_str().unwrap_or_default();
            let path = format!("/images/{}", Client::segment(id));
            // One that is still in use stays.
            if let Ok(response) = client.delete(path).send().await {
                response.bytes().await?;
            }
        }
        Ok(())
    }

    async fn exec(&self, rule: &Rule) -> Result<(), CliError> {
        let Some(hook) = &rule.exec else {
            return Ok(());
        };
        let texts = |key: &str| -> Vec<String> {
            let items = hook.get(key).and_then(Node::list).unwrap_or_default();
            let texts = items.iter().filter_map(Node::text);
            texts.map(str::to_owned).collect()
        };
        let mut flags = Vec::new();
        for (flag, key) in [("user", "user"), ("workdir", "working_dir")] {
            if let Some(value) = hook.text_at(&[key]).filter(|value| !value.is_empty()) {
                flags.push(format!("--{flag}={value}"));
            }
        }
        if hook
            .get("privileged")
            .is_some_and(|node| node.value == Value::Bool(true))
        {
            flags.push("--privileged".into());
        }
        let variables = hook.get("environment").and_then(Node::map);
        for (key, value) in variables.into_iter().flatten() {
            let value = value.value.scalar_text().unwrap_or_default();
            flags.push(format!("--env={key}={value}"));
        }
        let name = &self.project.name;
        let services = [rule.service.clone()];
        let running = Choice::default();
        for target in targets::containers(self.compose, name, &services, running).await? {
            let mut line = words(["exec"]);
            line.extend(flags.clone());
            line.push(target.found.id);
            line.extend(texts("command"));
            Line::new(line)?.run(self.compose.call.app).await?;
        }
        Ok(())
    }

    /// `initial_sync`: what is newer than the image goes into the containers at once.
    async fn initial(&self) -> Result<(), CliError> {
        for rule in &self.rules {
            let service = &self.project.services()[&rule.service];
            let triggers = service.find(&["develop", "watch"]).and_then(Node::list);
            let wanted = triggers.into_iter().flatten().any(|trigger| {
                let path = trigger.text_at(&["path"]).unwrap_or_default();
                let initial = trigger.get("initial_sync");
                real(Path::new(path)) == rule.path
                    && initial.is_some_and(|node| node.value == Value::Bool(true))
            });
            if !wanted || !rule.action.syncs() {
                continue;
            }
            let since = self.image_made(&rule.service).await?;
            let mut pairs = Vec::new();
            newer(rule, &rule.path, since, &mut pairs);
            if !pairs.is_empty() {
                self.sync(&rule.service, &pairs).await?;
            }
        }
        Ok(())
    }

    /// When the image of a service's containers was made.
    async fn image_made(&self, service: &str) -> Result<SystemTime, CliError> {
        let name = &self.project.name;
        let targets = targets::containers(self.compose, name, &[service.to_owned()], MADE).await?;
        let unknown = || CliError::Text("could not get created time for service's image".into());
        let target = targets.first().ok_or_else(unknown)?;
        let id = target.summary["ImageID"].as_str().unwrap_or_default();
        let client = self.compose.call.client().await?;
        let path = format!("/images/{}/json", Client::segment(id));
        let image: J = client.get(path).send().await?.json().await?;
        let created = image["Created"].as_str().unwrap_or_default();
        let created: jiff::Timestamp = created.parse().map_err(|_| unknown())?;
        Ok(created.into())
    }
}

/// Files below `path` that are newer than `since`.
fn newer(rule: &Rule, path: &Path, since: SystemTime, pairs: &mut Vec<Pair>) {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return;
    };
    if path != rule.path && rule.ignores(path) {
        return;
    }
    if meta.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries {
            newer(rule, &entry.path(), since, pairs);
        }
    } else if meta.modified().is_ok_and(|time| time > since)
        && let Some(place) = rule.place(path)
    {
        pairs.push((path.to_owned(), place));
    }
}

/// A path without symbolic links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Go's `%q` of a list: `["a" "b"]`.
fn go_list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

async fn put(client: &Client, id: &str, archive: Vec<u8>) -> Result<(), CliError> {
    let path = format!("/containers/{id}/archive");
    let request = client.request(Method::PUT, path).query("path", "/");
    let request = request.query("copyUIDGID", "1");
    let request = request.bytes(archive, "application/x-tar");
    request.send().await?.bytes().await?;
    Ok(())
}

fn archive(pairs: &[&Pair]) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    for (path, place) in pairs {
        let name = place.trim_start_matches('/');
        match tar.append_path_with_name(path, name) {
            // It went away meanwhile; its end is an event of its own.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    tar.into_inner()
}

fn read_rules(compose: &Compose<'_>, name: &str, service: &Node) -> Result<Vec<Rule>, CliError> {
    let mut rules = Vec::new();
    let triggers = service.find(&["develop", "watch"]).and_then(Node::list);
    for trigger in triggers.into_iter().flatten() {
        let text = |key: &str| trigger.text_at(&[key]).unwrap_or_default();
        let Some(action) = Action::parse(text("action")) else {
            return Err(CliError::Text(format!(
                "services.{name}.develop.watch: unknown action {:?}",
                text("action")
            )));
        };
        let path = real(Path::new(text("path")));
        if action == Action::Rebuild && service.get("build").is_none() {
            return Err(CliError::Text(format!(
                "can't watch service {name:?} with action rebuild without a build context"
            )));
        }
        if action.syncs() && is_mounted(service, &path) {
            compose.warn(&format!(
                "path '{}' also declared by a bind mount volume, this path won't be monitored!",
                path.display()
            ));
            continue;
        }
        let list = |key: &str| -> Vec<&str> {
            let items = trigger.get(key).and_then(Node::list).unwrap_or_default();
            items.iter().filter_map(Node::text).collect()
        };
        let patterns = |lines: Vec<&str>| {
            Patterns::new(lines)
                .map_err(|error| CliError::Text(format!("services.{name}.develop.watch: {error}")))
        };
        let mut ignore = list("ignore");
        ignore.extend(EPHEMERAL);
        let include = list("include");
        rules.push(Rule {
            service: name.to_owned(),
            action,
            target: text("target").to_owned(),
            include: match include.is_empty() {
                true => None,
                false => Some(patterns(include)?),
            },
            ignore: patterns(ignore)?,
            docker_ignore: docker_ignore(service),
            exec: trigger.get("exec").cloned(),
            path,
        });
    }
    Ok(rules)
}

/// The `.dockerignore` of the service's build.
fn docker_ignore(service: &Node) -> Option<(PathBuf, Patterns)> {
    let context = real(Path::new(service.text_at(&["build", "context"])?));
    let text = fs::read_to_string(context.join(".dockerignore")).ok()?;
    Some((context, Patterns::parse_file(&text).ok()?))
}

/// Whether a bind mount shows the path in the container anyway.
fn is_mounted(service: &Node, path: &Path) -> bool {
    let volumes = service.get("volumes").and_then(Node::list);
    volumes.into_iter().flatten().any(|volume| {
        let source = volume.text_at(&["source"]).unwrap_or_default();
        volume.text_at(&["type"]) == Some("bind") && path.starts_with(real(Path::new(source)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_about_what_it_includes_and_does_not_ignore() {
        let rule = Rule {
            service: "web".into(),
            action: Action::Sync,
            path: "/src".into(),
            target: "/app/".into(),
            include: Some(Patterns::new(["**/*.py", "**/*.html"]).unwrap()),
            ignore: Patterns::new(["tests"].into_iter().chain(EPHEMERAL)).unwrap(),
            docker_ignore: Some(("/".into(), Patterns::new(["src/gen"]).unwrap())),
            exec: None,
        };
        for (path, place) in [
            ("/src/a.py", Some("/app/a.py")),
            ("/src/pages/a.html", Some("/app/pages/a.html")),
            ("/src/a.txt", None),
            ("/src/tests/a.py", None),
            ("/src/gen/a.py", None),
            ("/src/.git/a.py", None),
            ("/src/.a.py.swp", None),
            ("/elsewhere/a.py", None),
        ] {
            assert_eq!(rule.place(Path::new(path)).as_deref(), place, "{path}");
        }
    }
}
