//! `compose build`: the images of services that have a `build` section.
//!
//! The context goes to the engine's classic door (`POST /build`); what only BuildKit's
//! sessions can carry is refused by name.

use super::{Compose, build_context::Context, display::Lines, images, selection, up};
use crate::{config::credentials, error::CliError, flags::Parsed, image::pull};
use base64::{Engine, engine::general_purpose::URL_SAFE};
use corten_client::Request;
use corten_compose::{
    Map, Node, Project, Steps, Value,
    apply::{Event, Phase, Progress},
    body, labels,
};
use serde_json::{Value as J, json};
use std::collections::BTreeMap;

/// How images are built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The builder's output is not shown.
    pub quiet: bool,
    /// Nothing is taken from the cache.
    pub no_cache: bool,
    /// Base images are looked for anew.
    pub pull: bool,
    /// Over the files' own.
    pub arguments: BTreeMap<String, Option<String>>,
    /// Bytes that a step may use.
    pub memory: Option<i64>,
}

impl Options {
    fn from_flags(parsed: &Parsed) -> Result<Self, CliError> {
        for flag in ["builder", "check", "print", "provenance", "sbom", "ssh"] {
            if parsed.given(flag) {
                return Err(CliError::Text(format!("--{flag} is not supported yet")));
            }
        }
        let argument = |word: &str| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word.to_owned(), None),
        };
        Ok(Self {
            quiet: parsed.is_on("quiet"),
            no_cache: parsed.is_on("no-cache"),
            pull: parsed.is_on("pull"),
            arguments: parsed.all("build-arg").map(argument).collect(),
            memory: parsed.bytes("memory"),
        })
    }
}

/// `compose build`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let options = Options::from_flags(parsed)?;
    let mut project = compose.project(Steps::default())?;
    let alone = !parsed.is_on("with-dependencies");
    let mut names = selection::select(&mut project, &parsed.args, alone)?;
    names.retain(|name| project.services()[name].get("build").is_some());
    if names.is_empty() {
        compose.warn("No services to build");
        return Ok(0);
    }
    names.sort();
    services(compose, &project, &names, &options).await?;
    if parsed.is_on("push") {
        images::push(compose).await?;
    }
    Ok(0)
}

/// Builds the images of services, one after the other.
pub async fn services(
    compose: &Compose<'_>,
    project: &Project,
    names: &[String],
    options: &Options,
) -> Result<(), CliError> {
    let lines = Lines::new(compose);
    for name in names {
        if !compose.is_dry() {
            one(compose, project, name, options).await?;
        }
        lines.event(Event {
            id: name.clone(),
            phase: Phase::Done,
            text: "Built".into(),
        });
    }
    Ok(())
}

async fn one(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    options: &Options,
) -> Result<(), CliError> {
    let service = &project.services()[name];
    let Some(build) = service.get("build") else {
        return Ok(());
    };
    check(name, build)?;
    let text = |key: &str| build.text_at(&[key]).unwrap_or_default();
    let inline = build.text_at(&["dockerfile_inline"]);
    let dockerfile = match text("dockerfile") {
        "" => "Dockerfile",
        path => path,
    };
    let app = compose.call.app;
    let client = compose.call.client().await?;
    let mut request = client.post("/build").query("rm", "1");
    for tag in images::tags(project, name, service) {
        request = request.query("t", tag);
    }
    let platform = service.text_at(&["platform"]).map(str::to_owned);
    let only = list(build, "platforms").first().cloned();
    request = request
        .query("buildargs", arguments(compose, project, build, options))
        .query("labels", image_labels(project, name, build))
        .query_if("target", text("target"))
        .query_if("networkmode", text("network"))
        .query_if("platform", platform.or(only).unwrap_or_default())
        .query_if("cachefrom", listed(build, "cache_from"))
        .query_if("extrahosts", hosts(build))
        .query_if("ulimits", ulimits(build))
        .query_if("shmsize", number(build, "shm_size"))
        .query_if(
            "memory",
            options
                .memory
                .map_or_else(String::new, |bytes| bytes.to_string()),
        )
        .flag("nocache", options.no_cache || truth(build, "no_cache"))
        .flag("pull", options.pull || truth(build, "pull"))
        .header("x-registry-config", &registries(compose)?);
    request = with_context(request, text("context"), dockerfile, inline)?;
    let mut messages = request.send().await?.lines();
    pull::show(&mut messages, options.quiet, std::io::stdout(), |_| {}).await?;
    let image = body::image_name(&project.name, name, service);
    if options.quiet && compose.call.command.path == "compose build" {
        let path = format!("/images/{}/json", corten_client::Client::segment(&image));
        let built: J = client.get(path).send().await?.json().await?;
        app.line(built["Id"].as_str().unwrap_or_default())?;
    }
    Ok(())
}

/// What cannot be sent through this door.
fn check(name: &str, build: &Node) -> Result<(), CliError> {
    for key in [
        "additional_contexts",
        "cache_to",
        "entitlements",
        "isolation",
        "privileged",
        "provenance",
        "sbom",
        "secrets",
        "ssh",
    ] {
        let given = build.get(key).is_some_and(|node| match &node.value {
            Value::Null | Value::Bool(false) => false,
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Text(text) => !text.is_empty(),
            _ => true,
        });
        if given {
            return Err(CliError::Text(format!(
                "services.{name}.build.{key} is not supported yet by this command; \
                 the stock Compose plugin builds it"
            )));
        }
    }
    if list(build, "platforms").len() > 1 {
        return Err(CliError::Text(format!(
            "services.{name}.build.platforms: several platforms at once are not supported yet"
        )));
    }
    Ok(())
}

fn with_context<'c>(
    request: Request<'c>,
    context: &str,
    dockerfile: &str,
    inline: Option<&str>,
) -> Result<Request<'c>, CliError> {
    let remote = [
        "http://",
        "https://",
        "git://",
        "ssh://",
        "git@",
        "github.com/",
    ];
    if remote.iter().any(|prefix| context.starts_with(prefix)) {
        return Ok(request
            .query("remote", context)
            .query("dockerfile", dockerfile));
    }
    let context = Context::new(context, dockerfile, inline)?;
    let request = request.query("dockerfile", &context.dockerfile);
    let stream = context
        .stream()
        .map_err(|error| CliError::Text(format!("packing the build context: {error}")))?;
    Ok(request.stream(stream, "application/x-tar"))
}

/// The arguments of the files, of the flags and of the client's proxies; those without a
/// value have that of the project's environment, if it has one.
fn arguments(compose: &Compose<'_>, project: &Project, build: &Node, options: &Options) -> String {
    let mut all: BTreeMap<String, Option<String>> = up::settings(compose)
        .proxy
        .into_iter()
        .map(|(key, value)| (key, Some(value)))
        .collect();
    for (key, node) in build.get("args").and_then(Node::map).into_iter().flatten() {
        all.insert(key.clone(), node.value.scalar_text());
    }
    all.extend(options.arguments.clone());
    let filled: BTreeMap<&String, &String> = all
        .iter()
        .filter_map(|(key, value)| {
            let value = value.as_ref().or_else(|| project.env.get(key))?;
            Some((key, value))
        })
        .collect();
    json!(filled).to_string()
}

fn image_labels(project: &Project, name: &str, build: &Node) -> String {
    let own = build.get("labels").and_then(Node::map);
    let mut all: BTreeMap<String, String> = own
        .into_iter()
        .flatten()
        .map(|(key, node)| (key.clone(), node.value.scalar_text().unwrap_or_default()))
        .collect();
    all.insert(labels::PROJECT.into(), project.name.clone());
    all.insert(labels::SERVICE.into(), name.to_owned());
    all.insert(labels::VERSION.into(), env!("CARGO_PKG_VERSION").into());
    json!(all).to_string()
}

/// Credentials of every registry that the client has logged in at.
fn registries(compose: &Compose<'_>) -> Result<String, CliError> {
    let config = compose.call.app.config();
    let mut all = BTreeMap::new();
    for (server, _) in config.document().members(&["auths"]) {
        all.insert(server.clone(), credentials::get(config, server)?);
    }
    Ok(URL_SAFE.encode(json!(all).to_string()))
}

fn list(build: &Node, key: &str) -> Vec<String> {
    let items = build.get(key).and_then(Node::list).unwrap_or_default();
    let texts = items.iter().filter_map(Node::text);
    texts.map(str::to_owned).collect()
}

/// A JSON list, or nothing.
fn listed(build: &Node, key: &str) -> String {
    match list(build, key) {
        items if items.is_empty() => String::new(),
        items => json!(items).to_string(),
    }
}

fn truth(build: &Node, key: &str) -> bool {
    build
        .get(key)
        .is_some_and(|node| node.value == Value::Bool(true))
}

fn number(build: &Node, key: &str) -> String {
    let value = build.get(key).and_then(|node| node.value.scalar_text());
    value.unwrap_or_default()
}

/// `host:address` lines as a JSON list.
fn hosts(build: &Node) -> String {
    let hosts = build.get("extra_hosts").and_then(Node::map);
    let lines: Vec<String> = hosts
        .into_iter()
        .flatten()
        .flat_map(|(host, addresses)| {
            let addresses = addresses.list().unwrap_or_default().iter();
            addresses.map(move |address| format!("{host}:{}", address.text().unwrap_or_default()))
        })
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => json!(lines).to_string(),
    }
}

fn ulimits(build: &Node) -> String {
    let ulimits = build.get("ulimits").and_then(Node::map);
    let int = |node: Option<&Node>| match node.map(|node| &node.value) {
        Some(Value::Int(number)) => *number,
        _ => 0,
    };
    let all: Vec<J> = ulimits
        .unwrap_or(&Map::new())
        .iter()
        .map(|(name, node)| match node.map() {
            Some(map) => json!({
                "Name": name,
                "Soft": int(map.get("soft")),
                "Hard": int(map.get("hard")),
            }),
            None => json!({ "Name": name, "Soft": int(Some(node)), "Hard": int(Some(node)) }),
        })
        .collect();
    match all.is_empty() {
        true => String::new(),
        false => J::from(all).to_string(),
    }
}
