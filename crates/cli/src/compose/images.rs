//! How images come to be there before containers are made from them.

use super::{
    Compose, build,
    display::Lines,
    pull::{self, Pull},
};
use crate::{error::CliError, flags::Parsed};
use corten_client::Client;
use corten_compose::{Node, Project, apply::read_state, body, plan::State};
use serde_json::Value as J;
use std::collections::{BTreeMap, btree_map::Entry};

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
            match pulls.entry(pull.image.clone()) {
                Entry::Vacant(entry) => drop(entry.insert(pull)),
                Entry::Occupied(mut entry) => entry.get_mut().ids.extend(pull.ids),
            }
        }
    }
    let pulled = !pulls.is_empty();
    let lines = Lines::new(compose);
    let pulls: Vec<Pull> = pulls.into_values().collect();
    pull::all(compose, &lines, &pulls, wanted.quiet_pull)
        .await
        .failed?;
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
    let policy = match service.get("build") {
        Some(_) if wanted.build => "build",
        _ => wanted.policy(service),
    };
    let wanted = match policy {
        "always" => true,
        "never" | "build" => false,
        _ if !here => true,
        _ => match refresh_seconds(policy, service) {
            Some(seconds) => is_older(compose.call.client().await?, image, seconds).await?,
            None => false,
        },
    };
    Ok(wanted.then(|| Pull::of(project, name, service, image)))
}

/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

/// Seconds after which `daily`, `weekly`, `every_12h`, and `refresh` beside its
/// `pull_refresh_after`, want an image anew.
fn refresh_seconds(policy: &str, service: &Node) -> Option<i64> {
    match policy {
        "daily" => Some(DAY),
        "weekly" => Some(7 * DAY),
        // Compose specification, § pull_refresh_after. Stock Compose 2.40 takes this policy
        // for `missing`, and so it is without a time.
        "refresh" => window_seconds(service.text_at(&["pull_refresh_after"])?),
        _ => window_seconds(policy.strip_prefix("every_")?),
    }
}

/// `1w2d`, `12h` and the like in seconds.
fn window_seconds(text: &str) -> Option<i64> {
    let (mut seconds, mut number) = (0_i64, 0_i64);
    for c in text.chars() {
        let unit = match c {
            'w' => 7 * DAY,
            'd' => DAY,
            'h' => 3600,
            'm' => 60,
            's' => 1,
            digit => {
                let digit = i64::from(digit.to_digit(10)?);
                number = number.saturating_mul(10).saturating_add(digit);
                continue;
            }
        };
        seconds = seconds.saturating_add(number.saturating_mul(unit));
        number = 0;
    }
    Some(seconds)
}

/// Whether an image got its name longer ago than so many seconds.
async fn is_older(client: &Client, image: &str, seconds: i64) -> Result<bool, CliError> {
    let path = format!("/images/{}/json", Client::segment(image));
    let found: J = client.get(path).send().await?.json().await?;
    let text = found["Metadata"]["LastTagTime"]
        .as_str()
        .unwrap_or_default();
    let tagged: Option<jiff::Timestamp> = text.parse().ok();
    let now = jiff::Timestamp::now().as_millisecond();
    let age = tagged.map(|tagged| now - tagged.as_millisecond());
    Ok(age.is_none_or(|age| age > seconds.saturating_mul(1000)))
}

/// All names that a built image gets.
pub fn tags(project: &Project, name: &str, service: &Node) -> Vec<String> {
    let more = service.find(&["build", "tags"]).and_then(Node::list);
    let more = more.into_iter().flatten().filter_map(Node::text);
    let mut tags = vec![body::image_name(project, name, service)];
    tags.extend(more.map(str::to_owned));
    tags
}
