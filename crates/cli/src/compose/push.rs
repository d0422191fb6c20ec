//! `compose push`: the images that are built, under all their names.

use super::{
    Compose,
    display::Lines,
    images,
    pull::{self, amount, drawn},
};
use crate::{error::CliError, image, output::progress::bar};
use corten_api::progress::{Message, ProgressDetail};
use corten_client::Client;
use corten_compose::{
    Project,
    apply::{Event, Phase, Progress},
};
use futures_util::{StreamExt, stream};

/// `compose push`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (project, services) = pull::services(compose)?;
    let ignores = parsed.is_on("ignore-push-failures");
    built(compose, &project, &services, ignores).await?;
    Ok(0)
}

/// Pushes the images of those services that are built; `ignores`: failures are only told.
pub async fn built(
    compose: &Compose<'_>,
    project: &Project,
    services: &[String],
    ignores: bool,
) -> Result<(), CliError> {
    let lines = &Lines::new(compose);
    let mut pushes = Vec::new();
    for name in services {
        let service = &project.services()[name];
        if service.get("build").is_none() || service.text_at(&["image"]).is_none() {
            lines.event(Event::of(name, Phase::Done).text("Skipped"));
            continue;
        }
        let tags = images::tags(project, name, service).into_iter();
        pushes.extend(tags.map(|image| (name, image)));
    }
    let parallel = super::up::settings(compose)
        .parallel
        .min(pushes.len().max(1));
    let work = pushes
        .into_iter()
        .map(|(name, image)| async move { (name, one(compose, lines, &image).await) });
    let mut running = stream::iter(work).buffer_unordered(parallel);
    while let Some((name, result)) = running.next().await {
        match result {
            Err(error) if ignores => lines.note(&format!("Pushing {name}: {error}")),
            other => other?,
        }
    }
    Ok(())
}

async fn one(compose: &Compose<'_>, lines: &Lines<'_>, name: &str) -> Result<(), CliError> {
    let reference = image::pull::reference(name)?.or_latest();
    if compose.is_dry() {
        lines.event(would_push(name));
        return Ok(());
    }
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
            &image::pull::authorization(compose.call.app, &reference)?,
        )
        .send()
        .await?
        .lines();
    let quiet = compose.call.parsed.is_on("quiet");
    while let Some(message) = pull::next(&mut messages).await? {
        if let Some(event) = layer(name, &message).filter(|_| !quiet) {
            lines.event(event);
        }
    }
    Ok(())
}

/// What a dry run tells: all of the image, as one.
fn would_push(name: &str) -> Event {
    let all = ProgressDetail {
        current: 100,
        total: 100,
        units: "Mb".into(),
        ..ProgressDetail::default()
    };
    let mut event = Event::of(format!("Pushing {name}: {name}"), Phase::Done)
        .text("Pushed")
        .status(bar(&all, usize::MAX));
    event.amount = amount(&all);
    event
}

/// What a message says of a layer of the image `name`.
fn layer(name: &str, message: &Message) -> Option<Event> {
    if message.id.is_empty() {
        return None;
    }
    let is_done = ["pushed", "layer already exists"].contains(&&*message.status.to_lowercase());
    let phase = if is_done { Phase::Done } else { Phase::Working };
    let mut event = Event::of(format!("Pushing {name}: {}", message.id), phase)
        .text(&message.status)
        .status(drawn(message));
    event.amount.percent = if is_done { 100 } else { 0 };
    if let Some(detail) = message.progress_detail.as_ref().filter(|it| it.total > 0) {
        event.amount = amount(detail);
    }
    Some(event)
}
