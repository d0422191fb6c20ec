//! `compose logs`: what the containers of a project wrote, and what they go on to write.

use super::{
    Compose,
    monitor::{Monitor, What},
    printer::{Look, Printer},
    targets::{self, MADE},
};
use crate::{container::logs::body, error::CliError, times};
use corten_base::{Kind, KindOf};
use corten_client::{Client, stream};
use corten_compose::{ComposeError, plan::Found};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value as J;
use std::pin::Pin;

/// Which part of a log.
#[derive(Debug, Clone, Default)]
pub struct Part {
    /// Goes on as it grows.
    pub follow: bool,
    /// From then on, as the API takes it.
    pub since: String,
    /// Until then.
    pub until: String,
    /// So many last lines; empty or `all` for all.
    pub tail: String,
    /// With the engine's times.
    pub timestamps: bool,
}

/// `compose logs`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (name, project) = compose.project_or_name()?;
    let index = parsed.int("index").unwrap_or(0);
    if index > 0 && parsed.args.len() != 1 {
        return Err(CliError::Text(
            "--index requires one service to be selected".into(),
        ));
    }
    let mut services = parsed.args.clone();
    if let Some(project) = &project {
        let known = |name: &String| {
            project.services().contains_key(name) || project.disabled.contains_key(name)
        };
        if let Some(unknown) = services.iter().find(|name| !known(name)) {
            return Err(ComposeError::NoSuchService(unknown.clone()).into());
        }
        if services.is_empty() {
            services = project.services().keys().cloned().collect();
        }
    }
    let part = Part {
        follow: parsed.is_on("follow"),
        since: times::for_query(parsed.text("since"))?,
        until: times::for_query(parsed.text("until"))?,
        tail: parsed.get("tail").unwrap_or("all").to_owned(),
        timestamps: parsed.is_on("timestamps"),
    };
    let found: Vec<Found> = if index > 0 {
        vec![
            targets::one(compose, &name, &services[0], MADE)
                .await?
                .found,
        ]
    } else {
        let targets = targets::containers(compose, &name, &services, MADE).await?;
        targets.into_iter().map(|target| target.found).collect()
    };
    let printer = Printer::new(compose.call.app, Look::from_flags(compose, false));
    for found in &found {
        printer.register(&targets::short_name(&name, found));
    }
    if part.follow {
        return follow(compose, &name, &services, &found, &part, &printer).await;
    }
    let client = compose.call.client().await?;
    let shown = found.iter().map(|found| {
        let short = targets::short_name(&name, found);
        let (printer, part) = (&printer, &part);
        async move { show(client, printer, &found.id, &short, part).await }
    });
    futures_util::future::try_join_all(shown).await?;
    Ok(0)
}

/// Follows what is there, and containers that start later.
async fn follow(
    compose: &Compose<'_>,
    project: &str,
    services: &[String],
    found: &[Found],
    part: &Part,
    printer: &Printer<'_>,
) -> Result<u8, CliError> {
    let client = compose.call.client().await?;
    let mut monitor = Monitor::begin(compose, project, services).await?;
    type Task<'t> = Pin<Box<dyn Future<Output = Result<(), CliError>> + 't>>;
    let mut tasks: FuturesUnordered<Task<'_>> = FuturesUnordered::new();
    for found in found {
        let short = targets::short_name(project, found);
        tasks.push(Box::pin(async move {
            show(client, printer, &found.id, &short, part).await
        }));
    }
    loop {
        tokio::select! {
            event = monitor.event() => {
                let Some(event) = event? else {
                    break;
                };
                let Some(seen) = monitor.seen(client, &event).await? else {
                    continue;
                };
                match seen.what {
                    What::Recreated(old) => printer.status(&old, "has been recreated")?,
                    What::Exited { code, restarting } => {
                        printer.status(&seen.name, &exit_text(code, restarting))?;
                    }
                    What::Started { .. } => tasks.push(Box::pin(async move {
                        from_start(client, printer, &seen.id, &seen.name, part).await
                    })),
                }
            }
            Some(done) = tasks.next(), if !tasks.is_empty() => done?,
        }
    }
    while let Some(done) = tasks.next().await {
        done?;
    }
    Ok(0)
}

/// `exited with code 1 (restarting)`.
pub fn exit_text(code: i64, restarting: bool) -> String {
    let more = if restarting { " (restarting)" } else { "" };
    format!("exited with code {code}{more}")
}

/// Follows a container from its last start.
pub async fn from_start(
    client: &Client,
    printer: &Printer<'_>,
    id: &str,
    name: &str,
    part: &Part,
) -> Result<(), CliError> {
    let request = client.get(format!("/containers/{id}/json"));
    let container: J = match request.send().await {
        Ok(response) => response.json().await?,
        // It is gone already.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let started = container["State"]["StartedAt"].as_str().unwrap_or_default();
    let part = Part {
        since: times::for_query(started)?,
        ..part.clone()
    };
    show(client, printer, id, name, &part).await
}

/// Shows a part of one container's log.
pub async fn show(
    client: &Client,
    printer: &Printer<'_>,
    id: &str,
    name: &str,
    part: &Part,
) -> Result<(), CliError> {
    let request = client.get(format!("/containers/{id}/json"));
    let container: J = request.send().await?.json().await?;
    let request = client
        .get(format!("/containers/{id}/logs"))
        .query("stdout", "1")
        .query("stderr", "1")
        .query_if("since", &part.since)
        .query_if("until", &part.until)
        .query_if("tail", &part.tail)
        .flag("timestamps", part.timestamps)
        .flag("follow", part.follow);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) if error.kind() == Kind::NotImplemented => {
            printer.line(
                name,
                format!("Can't retrieve logs for {name:?}: {error}").as_bytes(),
                true,
            );
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    let mut reader = body(response);
    let mut sink = printer.sink(name, false);
    let copied = if container["Config"]["Tty"] == true {
        tokio::io::copy(&mut reader, &mut sink).await.map(drop)
    } else {
        // Both streams are shown as one, as Compose does.
        stream::demultiplex(reader, &mut sink, printer.sink(name, false)).await
    };
    drop(sink);
    if printer.is_closed() {
        return Err(CliError::Closed);
    }
    copied.map_err(|error| CliError::Text(error.to_string()))
}
