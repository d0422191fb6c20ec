//! A service's container as the body of `POST /containers/create`: what stock Compose
//! sends, so that containers of either tool are the same.

mod mounts;
mod networks;
mod resources;
mod view;

use crate::contents;
use crate::error::ComposeError;
use crate::hash;
use crate::labels;
use crate::node::{Node, Value};
use crate::project::Project;
pub(crate) use mounts::ignored;
pub use mounts::{Content, contents};
pub(crate) use networks::{network, network_name, volume};
use serde_json::{Map as Json, Value as J, json};
use std::collections::BTreeMap;
pub(crate) use view::View;

/// What tells the engine whose names and ports a container takes over; other engines make
/// nothing of it.
const SUCCEEDS: &str = "corten.succeeds";

/// A mount of the container that this one replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldMount {
    /// `volume` or `bind`.
    pub kind: String,
    /// A volume's name or a path of the host.
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// Whether it may be written.
    pub writable: bool,
}

/// What a container needs to know beyond its project.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The ID of the image, for the label that tells when it has changed.
    pub image_id: Option<String>,
    /// The first container of other services, by service: whose namespaces and volumes
    /// this one may share.
    pub containers: BTreeMap<String, String>,
    /// The names of all containers of other services, by service, for links.
    pub names: BTreeMap<String, Vec<String>>,
    /// Mounts of the replaced container whose data goes on in this one.
    pub inherited: Vec<OldMount>,
    /// Volumes that the image declares.
    pub image_volumes: Vec<String>,
    /// The name of the container that this one takes the place of.
    pub replaces: Option<String>,
    /// The ID of the container that runs on beside this one until this one takes its place.
    pub succeeds: Option<String>,
    /// The mark of what its configs and secrets hold.
    pub contents: Option<String>,
    /// Variables of the client's proxy configuration; the service's own come first.
    pub proxy: BTreeMap<String, String>,
    /// Labels beyond the service's own.
    pub labels: BTreeMap<String, String>,
    /// Whether the service's name and aliases lead to this container.
    pub aliases: bool,
}

/// The networks that the services of a project are on, by key.
pub(crate) fn used_networks<'p, 's>(
    project: &'p Project,
    services: impl Iterator<Item = &'s Node>,
) -> BTreeMap<&'p String, &'p Node> {
    networks::used(project, services)
}

/// The image of a service: its own, or the one that is built for it.
pub fn image_name(project: &Project, name: &str, service: &Node) -> String {
    match service.text_at(&["image"]) {
        Some(image) if !image.is_empty() => image.to_owned(),
        _ => format!("{}{}{name}", project.name, project.separator),
    }
}

/// The name of the `number`-th container of a service.
pub fn container_name(project: &Project, name: &str, service: &Node, number: u32) -> String {
    match service.text_at(&["container_name"]) {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => {
            let separator = project.separator;
            format!("{}{separator}{name}{separator}{number}", project.name)
        }
    }
}

/// A service whose shared namespaces and volumes name containers instead of services.
pub fn with_references(
    name: &str,
    service: &Node,
    containers: &BTreeMap<String, String>,
) -> Result<Node, ComposeError> {
    let mut service = service.clone();
    let missing = |what: &str, other: &str, at: &Node| ComposeError::Inconsistent {
        place: Some(at.place.clone()),
        message: format!(
            "service {name:?} cannot share {what} with service {other}: container missing"
        ),
    };
    let Some(map) = service.map_mut() else {
        return Ok(service);
    };
    for (key, what) in [
        ("network_mode", "network namespace"),
        ("ipc", "IPC namespace"),
        ("pid", "PID namespace"),
    ] {
        let Some(mode) = map.get_mut(key) else {
            continue;
        };
        if let Some(other) = mode.text().and_then(|text| text.strip_prefix("service:")) {
            let id = containers
                .get(other)
                .ok_or_else(|| missing(what, other, mode))?;
            *mode = mode.text_here(format!("container:{id}"));
        }
    }
    if let Some(Value::List(items)) = map.get_mut("volumes_from").map(|node| &mut node.value) {
        for item in items {
            let text = item.text().unwrap_or_default();
            let (first, rest) = text.split_once(':').unwrap_or((text, ""));
            let named = if first == "container" {
                rest.split(':').next().unwrap_or(rest).to_owned()
            } else {
                containers
                    .get(first)
                    .cloned()
                    .ok_or_else(|| missing("volume", first, item))?
            };
            *item = item.text_here(named);
        }
    }
    Ok(service)
}

/// The body that makes the `number`-th container of a service; `service` has its
/// references to other containers resolved ([`with_references`]).
pub fn create(
    project: &Project,
    name: &str,
    service: &Node,
    number: u32,
    around: &Surroundings,
) -> Result<J, ComposeError> {
    let view = View(service);
    let mut body = Json::new();
    let mut put = |key: &str, value: J| {
        if !is_nothing(&value) {
            body.insert(key.to_owned(), value);
        }
    };
    put("Hostname", view.text("hostname"));
    put("Domainname", view.text("domainname"));
    put("User", view.text("user"));
    put("ExposedPorts", networks::exposed(&view));
    put("Tty", view.truth("tty"));
    put("OpenStdin", view.truth("stdin_open"));
    put("AttachStdout", true.into());
    put("AttachStderr", true.into());
    put("Image", image_name(project, name, service).into());
    put("WorkingDir", view.text("working_dir"));
    put("StopSignal", view.text("stop_signal"));
    put("Env", environment(&view, &around.proxy));
    put("Healthcheck", healthcheck(&view));
    put("Labels", all_labels(project, name, service, number, around));
    if let Some(nanos) = view.nanos("stop_grace_period") {
        put("StopTimeout", seconds(nanos).into());
    }
    // An empty list clears the image's command, none keeps it.
    for (key, ours) in [("Cmd", "command"), ("Entrypoint", "entrypoint")] {
        if let Some(words) = view.words(ours) {
            body.insert(key.to_owned(), words);
        }
    }
    let links = networks::links(project, name, service, number, &around.names);
    let (mode, endpoints) =
        networks::endpoints(project, name, service, number, &links, around.aliases);
    let host = host_config(project, name, &view, &mode, &links, around)?;
    body.insert("HostConfig".into(), host);
    if let Some(endpoints) = endpoints {
        let config = json!({ "EndpointsConfig": endpoints });
        body.insert("NetworkingConfig".into(), config);
    }
    Ok(J::Object(body))
}

fn host_config(
    project: &Project,
    name: &str,
    view: &View<'_>,
    network_mode: &str,
    links: &[String],
    around: &Surroundings,
) -> Result<J, ComposeError> {
    let mut host = resources::of(view);
    let mut put = |key: &str, value: J| {
        if !is_nothing(&value) {
            host.insert(key.to_owned(), value);
        }
    };
    put("NetworkMode", network_mode.into());
    put("Links", json!(links));
    put("RestartPolicy", restart_policy(view));
    put("LogConfig", log_config(view));
    put("Tmpfs", mounts::tmpfs(view));
    let (security, unconfined) = security_options(project, view)?;
    put("SecurityOpt", json!(security));
    for (key, ours) in [
        ("IpcMode", "ipc"),
        ("CgroupnsMode", "cgroup"),
        ("UsernsMode", "userns_mode"),
        ("UTSMode", "uts"),
        ("PidMode", "pid"),
        ("Isolation", "isolation"),
        ("Runtime", "runtime"),
    ] {
        put(key, view.text(ours));
    }
    for (key, ours) in [
        ("VolumesFrom", "volumes_from"),
        ("Dns", "dns"),
        ("DnsSearch", "dns_search"),
        ("DnsOptions", "dns_opt"),
        ("GroupAdd", "group_add"),
    ] {
        put(key, view.texts(ours));
    }
    put("CapAdd", capabilities(&view.texts("cap_add")));
    put("CapDrop", capabilities(&view.texts("cap_drop")));
    for (key, ours) in [("Sysctls", "sysctls"), ("StorageOpt", "storage_opt")] {
        put(key, view.mapping(ours));
    }
    let ours = [
        (SUCCEEDS, &around.succeeds),
        (contents::ANNOTATION, &around.contents),
    ];
    let mut annotations = view.mapping("annotations");
    for (key, value) in ours {
        if let Some(value) = value {
            annotations[key] = value.as_str().into();
        }
    }
    put("Annotations", annotations);
    put("ReadonlyRootfs", view.truth("read_only"));
    put("Privileged", view.truth("privileged"));
    put("ShmSize", view.number("shm_size"));
    put("OomScoreAdj", view.number("oom_score_adj"));
    let (binds, mounted) = mounts::of(project, name, view, around)?;
    put("Binds", json!(binds));
    put("Mounts", json!(mounted));
    // Sent also where there are none, as `docker inspect` shows the difference.
    let or = |value: J, empty: J| if value.is_null() { empty } else { value };
    let bindings = or(networks::bindings(view), json!({}));
    host.insert("PortBindings".into(), bindings);
    host.insert(
        "ExtraHosts".into(),
        or(view.hosts("extra_hosts"), json!([])),
    );
    if let Some(init) = view.given_truth("init") {
        host.insert("Init".into(), init.into());
    }
    if unconfined {
        host.insert("MaskedPaths".into(), json!([]));
        host.insert("ReadonlyPaths".into(), json!([]));
    }
    Ok(J::Object(host))
}

/// Names with `CAP_` in front but for `ALL`, sorted, each once.
fn capabilities(names: &J) -> J {
    let names = names.as_array().into_iter().flatten().filter_map(J::as_str);
    let names = names.map(|name| {
        let name = name.to_uppercase();
        match name == "ALL" || name.starts_with("CAP_") {
            true => name,
            false => format!("CAP_{name}"),
        }
    });
    let names: std::collections::BTreeSet<String> = names.collect();
    json!(names)
}

/// What need not be sent: the engine takes it for the same when it is absent.
fn is_nothing(value: &J) -> bool {
    match value {
        J::Null | J::Bool(false) => true,
        J::Number(number) => number.as_i64() == Some(0),
        J::String(text) => text.is_empty(),
        J::Array(items) => items.is_empty(),
        J::Object(entries) => entries.is_empty(),
        J::Bool(true) => false,
    }
}

/// Whole seconds, rounded up.
fn seconds(nanos: i64) -> i64 {
    (nanos + 999_999_999) / 1_000_000_000
}

fn environment(view: &View<'_>, proxy: &BTreeMap<String, String>) -> J {
    let own = view.entries("environment");
    let mut lines: Vec<String> = own
        .iter()
        .map(|(key, value)| match value.text() {
            Some(value) => format!("{key}={value}"),
            None => (*key).clone(),
        })
        .collect();
    let unset = proxy
        .iter()
        .filter(|(key, _)| !own.iter().any(|(own, _)| own == key));
    lines.extend(unset.map(|(key, value)| format!("{key}={value}")));
    lines.sort();
    json!(lines)
}

fn healthcheck(view: &View<'_>) -> J {
    let Some(check) = view.below("healthcheck") else {
        return J::Null;
    };
    if check.given_truth("disable") == Some(true) {
        return json!({ "Test": ["NONE"] });
    }
    let mut body = Json::new();
    let test = check.texts("test");
    if !is_nothing(&test) {
        body.insert("Test".into(), test);
    }
    for (key, ours) in [
        ("Interval", "interval"),
        ("Timeout", "timeout"),
        ("StartPeriod", "start_period"),
        ("StartInterval", "start_interval"),
    ] {
        if let Some(nanos) = check.nanos(ours) {
            body.insert(key.into(), nanos.into());
        }
    }
    let retries = check.number("retries");
    if !is_nothing(&retries) {
        body.insert("Retries".into(), retries);
    }
    J::Object(body)
}

fn all_labels(
    project: &Project,
    name: &str,
    service: &Node,
    number: u32,
    around: &Surroundings,
) -> J {
    let view = View(service);
    let mut all: BTreeMap<String, String> = view
        .entries("labels")
        .into_iter()
        .map(|(key, value)| (key.clone(), value.text().unwrap_or_default().to_owned()))
        .collect();
    let dependencies: Vec<String> = view
        .entries("depends_on")
        .into_iter()
        .map(|(other, dependency)| {
            let dependency = View(dependency);
            let restart = dependency.given_truth("restart").unwrap_or(false);
            let condition = dependency.str("condition");
            format!("{other}:{condition}:{restart}")
        })
        .collect();
    let mut set = |key: &str, value: String| {
        all.insert(key.to_owned(), value);
    };
    set(labels::PROJECT, project.name.clone());
    set(labels::SERVICE, name.to_owned());
    set(labels::VERSION, env!("CARGO_PKG_VERSION").to_owned());
    set(labels::WORKING_DIR, project.directory.display().to_string());
    set(labels::CONFIG_FILES, project.files.join(","));
    set(labels::ONE_OFF, "False".into());
    set(labels::CONFIG_HASH, hash::service(service));
    set(labels::DEPENDS_ON, dependencies.join(","));
    if number > 0 {
        set(labels::NUMBER, number.to_string());
    }
    if let Some(image) = &around.image_id {
        set(labels::IMAGE, image.clone());
    }
    if let Some(replaced) = &around.replaces {
        set(labels::REPLACE, replaced.clone());
    }
    all.extend(around.labels.clone());
    json!(all)
}

fn restart_policy(view: &View<'_>) -> J {
    let policy = |name: &str, attempts: i64| {
        let name = match name {
            "none" | "no" => "no",
            "any" | "always" => "always",
            other => other,
        };
        json!({ "Name": name, "MaximumRetryCount": attempts })
    };
    let deploy = view
        .below("deploy")
        .and_then(|deploy| deploy.below("restart_policy"));
    if let Some(deploy) = deploy {
        let attempts = deploy.int("max_attempts").unwrap_or(0);
        return policy(deploy.str("condition"), attempts);
    }
    let restart = view.str("restart");
    if restart.is_empty() {
        return J::Null;
    }
    let (name, attempts) = restart.split_once(':').unwrap_or((restart, "0"));
    policy(name, attempts.parse().unwrap_or(0))
}

fn log_config(view: &View<'_>) -> J {
    match view.below("logging") {
        Some(logging) => json!({
            "Type": logging.str("driver"),
            "Config": logging.mapping("options"),
        }),
        None => J::Null,
    }
}

/// Security options, a seccomp profile's file read into its option; and whether system
/// paths shall be neither masked nor read-only.
fn security_options(
    project: &Project,
    view: &View<'_>,
) -> Result<(Vec<String>, bool), ComposeError> {
    let mut options = Vec::new();
    let mut unconfined = false;
    for item in view.items("security_opt") {
        let option = item.text().unwrap_or_default();
        if option == "systempaths=unconfined" {
            unconfined = true;
            continue;
        }
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some(pair) => pair,
            None if option == "no-new-privileges" => (option, ""),
            None => {
                let message = format!("invalid security-opt: {option:?}");
                return Err(ComposeError::attribute(
                    &item.place,
                    "security_opt",
                    message,
                ));
            }
        };
        if key != "seccomp" || matches!(value, "unconfined" | "builtin") {
            options.push(option.to_owned());
            continue;
        }
        let path = project.directory.join(value);
        let text = std::fs::read_to_string(&path).map_err(|why| ComposeError::Read {
            path: format!("seccomp profile {}", path.display()),
            needed_at: Some(item.place.clone()),
            why,
        })?;
        let profile: J = serde_json::from_str(&text).map_err(|error| {
            let message = format!("seccomp profile ({value}) is no JSON: {error}");
            ComposeError::attribute(&item.place, "security_opt", message)
        })?;
        options.push(format!("seccomp={profile}"));
    }
    Ok((options, unconfined))
}
