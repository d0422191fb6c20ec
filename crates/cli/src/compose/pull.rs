//! `compose pull`: images of services, several at the same time, each under the names of the
//! services that need it.

use super::{Compose, display::Lines, selection};
use crate::{error::CliError, image::pull, output::progress::bar, terminal};
use corten_api::progress::{Message, ProgressDetail};
use corten_client::Client;
use corten_compose::{
    Node, Project,
    apply::{Amount, Event, Phase, Progress, read_state},
};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;

/// Columns for a bar where there is no terminal.
const COLUMNS: usize = 200;

/// One image to pull.
pub struct Pull {
    /// What it is shown as: the services that need it.
    pub ids: Vec<String>,
    /// Its name, as the file has it.
    pub image: String,
    platform: String,
    /// A failure is only told, as the image can be built.
    buildable: bool,
    /// A failure is only told, as the user wants it so.
    optional: bool,
}

impl Pull {
    /// The image that a service says it runs.
    pub fn of(project: &Project, name: &str, service: &Node, image: &str) -> Self {
        let default = project.env.get("DOCKER_DEFAULT_PLATFORM");
        let platform = service.text_at(&["platform"]).map(str::to_owned);
        Self {
            ids: vec![name.to_owned()],
            image: image.to_owned(),
            platform: platform.or_else(|| default.cloned()).unwrap_or_default(),
            buildable: service.get("build").is_some(),
            optional: false,
        }
    }

    fn tell(&self, lines: &Lines<'_>, phase: Phase, text: &str, status: &str) {
        for id in &self.ids {
            lines.event(Event::of(id, phase).text(text).status(status));
        }
    }
}

/// What became of pulls.
pub struct Pulled {
    /// The first failure of an image that must be there.
    pub failed: Result<(), CliError>,
    /// Services whose images could not be pulled but can be built, and why.
    to_build: Vec<(String, String)>,
}

/// Pulls at the same time, as many as `--parallel` allows. The first failure interrupts the
/// others, unless that image can be built or may be missing.
pub async fn all(compose: &Compose<'_>, lines: &Lines<'_>, pulls: &[Pull], quiet: bool) -> Pulled {
    let parallel = super::up::settings(compose)
        .parallel
        .min(pulls.len().max(1));
    let work = pulls.iter().map(|pull| async move {
        pull.tell(lines, Phase::Working, "Pulling", "");
        (pull, fetch(compose, lines, pull, quiet).await)
    });
    let mut running = stream::iter(work).buffer_unordered(parallel);
    let mut left: Vec<&Pull> = pulls.iter().collect();
    let mut to_build = Vec::new();
    while let Some((pull, result)) = running.next().await {
        left.retain(|other| other.image != pull.image);
        let Err(error) = result else {
            pull.tell(lines, Phase::Done, "Pulled", "");
            continue;
        };
        let sentence = error.to_string();
        let why = sentence.trim_start_matches("Error response from daemon: ");
        if pull.buildable {
            pull.tell(lines, Phase::Warning, "Warning", why);
            to_build.extend(pull.ids.iter().map(|id| (id.clone(), sentence.clone())));
            continue;
        }
        pull.tell(lines, Phase::Error, "Error", why);
        if pull.optional {
            continue;
        }
        if compose.is_dry() {
            let text = format!(" - Pull error for image: {}", pull.image);
            pull.tell(lines, Phase::Error, &text, "");
        }
        for pull in left {
            pull.tell(lines, Phase::Warning, "", "Interrupted");
        }
        return Pulled {
            failed: Err(error),
            to_build,
        };
    }
    Pulled {
        failed: Ok(()),
        to_build,
    }
}

async fn fetch(
    compose: &Compose<'_>,
    lines: &Lines<'_>,
    wanted: &Pull,
    quiet: bool,
) -> Result<(), CliError> {
    let reference = pull::reference(&wanted.image)?;
    let authorization = pull::authorization(compose.call.app, &reference)?;
    let client = compose.call.client().await?;
    if compose.is_dry() {
        // Whether the registry has it is looked up, as a pull would begin.
        let full = reference.clone().or_latest();
        let path = format!("/distribution/{}/json", Client::segment(&full.familiar()));
        let asked = client.get(path).header("x-registry-auth", &authorization);
        return match asked.send().await {
            Ok(answer) => answer.bytes().await.map(drop).map_err(CliError::from),
            Err(error) if error.is_not_found() => Err(CliError::Text(format!("{full}: not found"))),
            Err(error) => Err(error.into()),
        };
    }
    let tag = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_owned(),
    };
    let mut messages = client
        .post("/images/create")
        .query("fromImage", reference.name())
        .query("tag", tag)
        .query_if("platform", &wanted.platform)
        .header("x-registry-auth", &authorization)
        .send()
        .await?
        .lines();
    while let Some(message) = next(&mut messages).await? {
        let Some(event) = layer(&message).filter(|_| !quiet) else {
            continue;
        };
        for id in &wanted.ids {
            lines.event(Event {
                parent: id.clone(),
                ..event.clone()
            });
        }
    }
    Ok(())
}

/// The engine's next message; one that tells of a failure is this function's error.
pub async fn next(messages: &mut corten_client::Lines) -> Result<Option<Message>, CliError> {
    let Some(message) = messages.next::<Message>().await? else {
        return Ok(None);
    };
    let error = match &message.error_detail {
        Some(error) => &error.message,
        None => &message.error,
    };
    match error.is_empty() {
        true => Ok(Some(message)),
        false => Err(CliError::Text(error.clone())),
    }
}

/// A bar as wide as there is room for.
pub fn drawn(message: &Message) -> String {
    let columns = terminal::size().map_or(COLUMNS, |it| usize::from(it.columns));
    message
        .progress_detail
        .as_ref()
        .map_or_else(String::new, |detail| bar(detail, columns))
}

/// What a message says of a layer.
fn layer(message: &Message) -> Option<Event> {
    let detail = message.progress_detail.as_ref()?;
    if message.id.is_empty() {
        return None;
    }
    let mut event = Event::of(&message.id, Phase::Working)
        .text(&message.status)
        .status(drawn(message));
    match message.status.as_str() {
        "Downloading" | "Extracting" | "Verifying Checksum" => {
            event.amount = amount(detail);
        }
        "Download complete" | "Already exists" | "Pull complete" => {
            event.phase = Phase::Done;
            event.amount.percent = 100;
        }
        _ => {}
    }
    Some(event)
}

/// Of a layer's bytes.
pub fn amount(detail: &ProgressDetail) -> Amount {
    let percent = detail.current.checked_mul(100);
    Amount {
        current: detail.current,
        total: detail.total,
        percent: percent.map_or(0, |it| it.checked_div(detail.total).unwrap_or(0)),
    }
}

/// The services of `pull` and `push`: with `--include-deps` what they depend on, too.
pub fn services(compose: &Compose<'_>) -> Result<(Project, Vec<String>), CliError> {
    let parsed = &compose.call.parsed;
    let mut project = compose.lazy_project()?;
    let alone = !parsed.is_on("include-deps");
    let services = selection::select(&mut project, &parsed.args, alone)?;
    Ok((project, services))
}

/// `compose pull`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (project, services) = services(compose)?;
    let client = compose.call.client().await?;
    let state = read_state(client, &project.name, Some(&project)).await?;
    let lines = Lines::new(compose);
    let skip = |name: &str, why: &str| lines.event(Event::of(name, Phase::Done).text(why));
    let ignores = parsed.is_on("ignore-pull-failures");
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
            let by = other.ids.first().map_or("", String::as_str);
            skip(
                name,
                &format!("Skipped - Image is already being pulled by {by}"),
            );
        } else {
            let mut pull = Pull::of(&project, name, service, image);
            pull.optional = ignores;
            pulls.insert(image.to_owned(), pull);
        }
    }
    let pulls: Vec<Pull> = pulls.into_values().collect();
    let done = all(compose, &lines, &pulls, parsed.is_on("quiet")).await;
    if !done.to_build.is_empty() {
        let names: Vec<&str> = done.to_build.iter().map(|(id, _)| id.as_str()).collect();
        lines.note(&format!(
            "WARNING: Some service image(s) must be built from source by running:\n    {} compose build {}",
            compose.call.app.program,
            names.join(" ")
        ));
    }
    done.failed?;
    let why: Vec<String> = done.to_build.into_iter().map(|(_, why)| why).collect();
    match why.is_empty() || ignores {
        true => Ok(0),
        false => Err(CliError::Text(why.join("\n"))),
    }
}
