//! How images come to be there before containers are made from them; `compose pull` and
//! `compose push`.

use super::{Compose, build, display::Lines, selection};
use crate::{error::CliError, flags::Parsed, image::pull};
use corten_api::progress::Message;
use corten_client::Client;
use corten_compose::{
    Node, Project,
    apply::{Event, Phase, Progress, read_state},
    body,
    plan::State,
};
use futures_util::{StreamExt, stream};
use serde_json::Value as J;
use std::collections::BTreeMap;

/// What the flags say about images.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `always`, `missing`, `never` or `build`; empty for each service's own policy.
    pub pull: String,
    /// Pulls are not shown.
    pub quiet_pull: bool,
    /// What can be built is built.
    pub build: bool,
    /// Nothing is built.
    pub no_build: bool,
    /// Builds are not shown.
    pub quiet_build: bool,
}

impl Wanted {
    /// From the flags of `up`, `create` and `run`.
    pub fn from_flags(parsed: &Parsed) -> Result<Self, CliError> {
        let pull = match parsed.text("pull") {
            "policy" => "",
            known @ ("" | "always" | "missing" | "if_not_present" | "never" | "build") => known,
            other => {
                return Err(CliError::Text(format!("invalid --pull option {other:?}")));
            }
        };
        Ok(Self {
            pull: pull.to_owned(),
            quiet_pull: parsed.is_on("quiet-pull"),
            build: parsed.is_on("build"),
            no_build: parsed.is_on("no-build"),
            quiet_build: parsed.is_on("quiet-build"),
        })
    }

    fn policy<'a>(&'a self, service: &'a Node) -> &'a str {
        if self.pull.is_empty() {
            service.text_at(&["pull_policy"]).unwrap_or_default()
        } else {
            &self.pull
        }
    }
}

/// Pulls and builds what the services need; the state with the images' IDs.
pub async fn ensure(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
    state: State,
    wanted: &Wanted,
) -> Result<State, CliError> {
    let mut pulls: BTreeMap<String, Pull> = BTreeMap::new();
    for name in services {
        let Some(service) = project.services().get(name) else {
            continue;
        };
        let here = state.images.contains_key(name);
        if let Some(pull) = needed(compose, project, name, service, here, wanted).await? {
            pulls.entry(pull.image.clone()).or_insert(pull);
        }
    }
    let pulled = !pulls.is_empty();
    let lines = Lines::new(compose);
    if compose.is_dry() {
        for pull in pulls.values() {
            tell(&lines, &pull.id, Phase::Done, "Pulled");
        }
    } else {
        all(
            compose,
            &lines,
            pulls.into_values().collect(),
            wanted.quiet_pull,
        )
        .await?;
    }
    let client = compose.call.client().await?;
    let state = if pulled && !compose.is_dry() {
        read_state(client, &project.name, Some(project)).await?
    } else {
        state
    };
    let must_build = |name: &&String| {
        let Some(service) = project.services().get(*name) else {
            return false;
        };
        let asked = wanted.build || wanted.policy(service) == "build";
        service.get("build").is_some() && (asked || !state.images.contains_key(*name))
    };
    let builds: Vec<String> = services.iter().filter(must_build).cloned().collect();
    if builds.is_empty() || wanted.no_build {
        return Ok(state);
    }
    let options = build::Options {
        quiet: wanted.quiet_build,
        ..build::Options::default()
    };
    build::services(compose, project, &builds, &options).await?;
    if compose.is_dry() {
        return Ok(state);
    }
    Ok(read_state(client, &project.name, Some(project)).await?)
}

/// One image to pull.
struct Pull {
    /// What it is shown as: the service that needs it.
    id: String,
    image: String,
    platform: String,
    /// A failure is only told, as the image can be built.
    buildable: bool,
}

impl Pull {
    fn of(project: &Project, name: &str, service: &Node, image: &str) -> Self {
        let default = project.env.get("DOCKER_DEFAULT_PLATFORM");
        let platform = service.text_at(&["platform"]).map(str::to_owned);
        Self {
            id: name.to_owned(),
            image: image.to_owned(),
            platform: platform.or_else(|| default.cloned()).unwrap_or_default(),
            buildable: service.get("build").is_some(),
        }
    }
}

/// Whether a service's policy wants its image to be pulled.
async fn needed(
    compose: &Compose<'_>,
    project: &Project,
    name: &str,
    service: &Node,
    here: bool,
    wanted: &Wanted,
) -> Result<Option<Pull>, CliError> {
    let Some(image) = service
        .text_at(&["image"])
        .filter(|image| !image.is_empty())
    else {
        return Ok(None);
    };
    if service.get("provider").is_some() {
        return Ok(None);
    }
    let policy = wanted.policy(service);
    let wanted = match policy {
        "always" => true,
        "never" | "build" => false,
        _ if !here => true,
        _ => match refresh_seconds(policy) {
            Some(seconds) => is_older(compose.call.client().await?, image, seconds).await?,
            None => false,
        },
    };
    Ok(wanted.then(|| Pull::of(project, name, service, image)))
}

/// Seconds after which `daily`, `weekly` and `every_12h` want an image anew.
fn refresh_seconds(policy: &str) -> Option<i64> {
    const DAY: i64 = 24 * 60 * 60;
    match policy {
        "daily" => Some(DAY),
        "weekly" => Some(7 * DAY),
        _ => {
            let text = policy.strip_prefix("every_")?;
            let mut seconds = 0;
            let mut number = 0;
            for c in text.chars() {
                let unit = match c {
                    'w' => 7 * DAY,
                    'd' => DAY,
                    'h' => 3600,
                    'm' => 60,
                    's' => 1,
                    digit => {
                        number = number * 10 + i64::from(digit.to_digit(10)?);
                        continue;
                    }
                };
                seconds += number * unit;
                number = 0;
            }
            Some(seconds)
        }
    }
}

/// Whether an image got its name longer ago than so many seconds.
async fn is_older(client: &Client, image: &str, seconds: i64) -> Result<bool, CliError> {
    let path = format!("/images/{}/json", Client::segment(image));
    let found: J = client.get(path).send().await?.json().await?;
    let text = found["Metadata"]["LastTagTime"]
        .as_str()
        .unwrap_or_default();
    let tagged: Option<jiff::Timestamp> = text.parse().ok();
    let age = tagged.map(|tagged| jiff::Timestamp::now().as_second() - tagged.as_second());
    Ok(age.is_none_or(|age| age > seconds))
}

fn tell(lines: &Lines<'_>, id: &str, phase: Phase, text: &str) {
    lines.event(Event {
        id: id.to_owned(),
        phase,
        text: text.to_owned(),
    });
}

/// Pulls at the same time, as many as `--parallel` allows. The first failure ends it.
async fn all(
    compose: &Compose<'_>,
    lines: &Lines<'_>,
    pulls: Vec<Pull>,
    quiet: bool,
) -> Result<(), CliError> {
    let parallel = super::up::settings(compose)
        .parallel
        .min(pulls.len().max(1));
    let work = pulls.into_iter().map(|pull| async move {
        match one(compose, lines, &pull, quiet).await {
            Err(_) if pull.buildable => Ok(()),
            other => other,
        }
    });
    let mut done = stream::iter(work).buffer_unordered(parallel);
    while let Some(result) = done.next().await {
        result?;
    }
    Ok(())
}

async fn one(
    compose: &Compose<'_>,
    lines: &Lines<'_>,
    wanted: &Pull,
    quiet: bool,
) -> Result<(), CliError> {
    tell(lines, &wanted.id, Phase::Working, "Pulling");
    let result = fetch(compose, lines, wanted, quiet).await;
    match &result {
        Ok(()) => tell(lines, &wanted.id, Phase::Done, "Pulled"),
        Err(error) if wanted.buildable => {
            tell(
                lines,
                &wanted.id,
                Phase::Warning,
                &format!("Warning {error}"),
            );
        }
        Err(error) => tell(lines, &wanted.id, Phase::Error, &format!("Error {error}")),
    }
    result
}

async fn fetch(
    compose: &Compose<'_>,
    lines: &Lines<'_>,
    wanted: &Pull,
    quiet: bool,
) -> Result<(), CliError> {
    let reference = pull::reference(&wanted.image)?;
    let tag = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    };
    let mut messages = compose
        .call
        .client()
        .await?
        .post("/images/create")
        .query("fromImage", reference.name())
        .query("tag", tag)
        .query_if("platform", &wanted.platform)
        .header(
            "x-registry-auth",
            &pull::authorization(compose.call.app, &reference)?,
        )
        .send()
        .await?
        .lines();
    show(lines, &mut messages, quiet).await
}

/// What is told of a layer when nothing follows.
const DONE: [&str; 4] = [
    "Already exists",
    "Layer already exists",
    "Pull complete",
    "Pushed",
];

/// What becomes of each layer, a line a change.
async fn show(
    lines: &Lines<'_>,
    messages: &mut corten_client::Lines,
    quiet: bool,
) -> Result<(), CliError> {
    while let Some(message) = messages.next::<Message>().await? {
        if let Some(error) = &message.error_detail {
            return Err(CliError::Text(error.message.clone()));
        }
        if !message.error.is_empty() {
            return Err(CliError::Text(message.error.clone()));
        }
        if !quiet && !message.id.is_empty() && message.progress_detail.is_some() {
            let done = DONE.contains(&message.status.as_str());
            let phase = if done { Phase::Done } else { Phase::Working };
            tell(lines, &message.id, phase, &message.status);
        }
    }
    Ok(())
}

/// The services of `pull` and `push`: with `--include-deps` what they depend on, too.
fn services(compose: &Compose<'_>) -> Result<(Project, Vec<String>), CliError> {
    let parsed = &compose.call.parsed;
    let mut project = compose.lazy_project()?;
    let alone = !parsed.is_on("include-deps");
    let services = selection::select(&mut project, &parsed.args, alone)?;
    Ok((project, services))
}

/// `compose pull`.
pub async fn pull(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (project, services) = services(compose)?;
    let client = compose.call.client().await?;
    let state = read_state(client, &project.name, Some(&project)).await?;
    let lines = Lines::new(compose);
    let skip = |name: &str, why: &str| tell(&lines, name, Phase::Done, why);
    let mut pulls: BTreeMap<String, Pull> = BTreeMap::new();
    for name in &services {
        let service = &project.services()[name];
        let Some(image) = service.text_at(&["image"]) else {
            skip(name, "Skipped - No image to be pulled");
            continue;
        };
        let own = service.text_at(&["pull_policy"]).unwrap_or_default();
        let latest = image
            .rsplit_once(':')
            .is_none_or(|(_, tag)| tag == "latest" || tag.contains('/'));
        match parsed.get("policy").unwrap_or(own) {
            "never" | "build" => {
                skip(name, "Skipped");
                continue;
            }
            "missing" | "if_not_present" if state.images.contains_key(name) && !latest => {
                skip(name, "Skipped - Image is already present locally");
                continue;
            }
            _ => {}
        }
        if service.get("build").is_some() && parsed.is_on("ignore-buildable") {
            skip(name, "Skipped - Image can be built");
        } else if let Some(other) = pulls.get(image) {
            let why = format!("Skipped - Image is already being pulled by {}", other.id);
            skip(name, &why);
        } else {
            pulls.insert(image.to_owned(), Pull::of(&project, name, service, image));
        }
    }
    if compose.is_dry() {
        for pull in pulls.values() {
            skip(&pull.id, "Pulled");
        }
        return Ok(0);
    }
    let quiet = parsed.is_on("quiet");
    let mut pulls: Vec<Pull> = pulls.into_values().collect();
    let can_build: Vec<String> = pulls
        .iter()
        .filter(|pull| pull.buildable)
        .map(|pull| pull.id.clone())
        .collect();
    let mut must_build = Vec::new();
    if parsed.is_on("ignore-pull-failures") {
        for pull in &mut pulls {
            pull.buildable = true;
        }
    }
    let lines = &lines;
    let work = pulls
        .iter()
        .map(|pull| async move { (pull, one(compose, lines, pull, quiet).await) });
    let results = futures_util::future::join_all(work).await;
    let mut failures = Vec::new();
    for (pull, result) in results {
        if let Err(error) = result {
            if can_build.contains(&pull.id) {
                must_build.push(pull.id.clone());
            }
            failures.push(error.to_string());
        }
    }
    if !must_build.is_empty() {
        lines.note(&format!(
            "WARNING: Some service image(s) must be built from source by running:\n    {} compose build {}",
            compose.call.app.program,
            must_build.join(" ")
        ));
    }
    if failures.is_empty() || parsed.is_on("ignore-pull-failures") {
        return Ok(0);
    }
    Err(CliError::Text(failures.join("\n")))
}

/// `compose push`: the images that are built, under all their names.
pub async fn push(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (project, services) = services(compose)?;
    let ignores = parsed.is_on("ignore-push-failures");
    push_built(compose, &project, &services, ignores).await?;
    Ok(0)
}

/// Pushes the images of those services that are built; `ignores`: failures are only told.
pub async fn push_built(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
    ignores: bool,
) -> Result<(), CliError> {
    let quiet = compose.call.parsed.is_on("quiet");
    let lines = Lines::new(compose);
    for name in services {
        let service = &project.services()[name];
        let image = service.text_at(&["image"]);
        let (Some(_), Some(_)) = (service.get("build"), image) else {
            tell(&lines, name, Phase::Done, "Skipped");
            continue;
        };
        for image in tags(project, name, service) {
            let id = format!("{name} {image}");
            tell(&lines, &id, Phase::Working, "Pushing");
            if compose.is_dry() {
                tell(&lines, &id, Phase::Done, "Pushed");
                continue;
            }
            match send(compose, &lines, &image, quiet).await {
                Ok(()) => tell(&lines, &id, Phase::Done, "Pushed"),
                Err(error) if ignores => {
                    lines.note(&format!("Pushing {name}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// All names that a built image gets.
pub fn tags(project: &Project, name: &str, service: &Node) -> Vec<String> {
    let more = service.find(&["build", "tags"]).and_then(Node::list);
    let more = more.into_iter().flatten().filter_map(Node::text);
    let mut tags = vec![body::image_name(project, name, service)];
    tags.extend(more.map(str::to_owned));
    tags
}

async fn send(
    compose: &Compose<'_>,
    lines: &Lines<'_>,
    image: &str,
    quiet: bool,
) -> Result<(), CliError> {
    let reference = pull::reference(image)?.or_latest();
    let path = format!(
        "/images/{}/push",
        Client::segment(&reference.familiar_name())
    );
    let mut messages = compose
        .call
        .client()
        .await?
        .post(path)
        .query_if("tag", reference.tag().unwrap_or_default())
        .header(
            "x-registry-auth",
            &pull::authorization(compose.call.app, &reference)?,
        )
        .send()
        .await?
        .lines();
    show(lines, &mut messages, quiet).await
}
