//! `compose ps`.

use super::Compose;
use crate::{
    container,
    error::CliError,
    output::{
        Json,
        list::{Look, render},
    },
};
use corten_compose::labels;

const LOOK: Look = Look {
    go_type: "*formatter.ContainerContext",
    headings: &[
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("Names", "NAMES"),
        ("Service", "SERVICE"),
        ("Project", "PROJECT"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Health", "HEALTH"),
        ("ExitCode", "EXIT CODE"),
        ("Publishers", "PUBLISHERS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
    ],
    table: "{{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
};

/// Lists a project's containers.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (name, project) = compose.project_or_name()?;
    for service in &parsed.args {
        if let Some(project) = &project
            && !project.services().contains_key(service)
            && !project.disabled.contains_key(service)
        {
            return Err(corten_compose::ComposeError::NoSuchService(service.clone()).into());
        }
    }
    let mut statuses = parsed.list("status");
    if let Some(filter) = parsed.get("filter") {
        match filter.split_once('=') {
            Some(("status", status)) => statuses.push(status.to_owned()),
            Some((key, _)) => {
                return Err(CliError::Text(format!("unknown filter {key}")));
            }
            None => {
                let sentence = "arguments to --filter should be in form KEY=VAL";
                return Err(CliError::Text(sentence.into()));
            }
        }
    }
    let all = parsed.is_on("all") || !statuses.is_empty();
    let filters = format!("{{\"label\":[\"{}={name}\"]}}", labels::PROJECT);
    let answer: Json = compose
        .call
        .client()
        .await?
        .get("/containers/json")
        .flag("all", all)
        .query("filters", filters)
        .send()
        .await?
        .json()
        .await?;
    let label = |container: &Json, key: &str| container.text(&["Labels", key]).to_owned();
    let service = |container: &Json| label(container, labels::SERVICE);
    let mut containers: Vec<&Json> = answer
        .list(&[])
        .iter()
        .filter(|found| all || label(found, labels::ONE_OFF) != "True")
        .filter(|found| parsed.args.is_empty() || parsed.args.contains(&service(found)))
        .filter(|found| {
            let state = found.text(&["State"]);
            statuses.is_empty() || statuses.iter().any(|status| status == state)
        })
        .filter(|found| {
            let known = project
                .as_ref()
                .is_none_or(|project| project.services().contains_key(&service(found)));
            known || parsed.flag_or("orphans", true)
        })
        .collect();
    containers.sort_by_key(|found| {
        found
            .texts(&["Names"])
            .first()
            .map(|name| (*name).to_owned())
    });
    if parsed.is_on("services") {
        let mut names: Vec<String> = containers.iter().map(|found| service(found)).collect();
        names.sort();
        names.dedup();
        compose.call.app.line(&names.join("\n"))?;
        return Ok(0);
    }
    if parsed.is_on("quiet") {
        let text: String = containers
            .iter()
            .map(|found| format!("{}\n", found.text(&["Id"])))
            .collect();
        compose.call.app.out(&text)?;
        return Ok(0);
    }
    let rows = containers
        .into_iter()
        .map(|found| {
            let name = found.texts(&["Names"]);
            let name = name.first().map_or("", |name| name.trim_start_matches('/'));
            container::list::shown_row(found, parsed.is_on("no-trunc"))
                .without("Platform")
                .field("Health", health(found.text(&["Status"])))
                .field("ExitCode", exit_code(found.text(&["Status"])))
                .typed("Publishers", "[]api.PortPublisher", publishers(found))
                .field("Name", name)
                .field("Service", service(found))
                .field("Project", label(found, labels::PROJECT))
        })
        .collect();
    compose
        .call
        .app
        .out(&render(&LOOK, parsed.text("format"), rows)?)?;
    Ok(0)
}

/// `healthy`, from `Up 3 seconds (healthy)`; nothing where there is no check.
fn health(status: &str) -> &str {
    let inside = status.strip_suffix(')').and_then(|it| it.rsplit_once('('));
    match inside.map(|(_, word)| word) {
        Some("health: starting") => "starting",
        Some(word @ ("healthy" | "unhealthy")) => word,
        _ => "",
    }
}

/// From `Exited (137) 3 seconds ago`; 0 while the container runs.
fn exit_code(status: &str) -> Json {
    let code = status
        .split_once(" (")
        .filter(|(word, _)| matches!(*word, "Exited" | "Restarting"))
        .and_then(|(_, rest)| rest.split(')').next()?.parse().ok());
    Json::Int(code.unwrap_or(0))
}

/// The ports as Compose lists them in JSON.
fn publishers(found: &Json) -> Json {
    let publisher = |port: &Json| {
        let fields = [
            ("URL", Json::from(port.text(&["IP"]))),
            ("TargetPort", Json::Int(port.int(&["PrivatePort"]))),
            ("PublishedPort", Json::Int(port.int(&["PublicPort"]))),
            ("Protocol", Json::from(port.text(&["Type"]))),
        ];
        Json::Object(fields.map(|(key, value)| (key.to_owned(), value)).into())
    };
    Json::List(found.list(&["Ports"]).iter().map(publisher).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_tell_health_and_exit_code() {
        for (status, healthy, code) in [
            ("Up 3 seconds (healthy)", "healthy", 0),
            ("Up 1 second (health: starting)", "starting", 0),
            ("Up 2 hours", "", 0),
            ("Up 2 hours (Paused)", "", 0),
            ("Exited (137) 3 seconds ago", "", 137),
            ("Restarting (1) 2 seconds ago", "", 1),
        ] {
            assert_eq!(health(status), healthy, "{status}");
            assert_eq!(exit_code(status), Json::Int(code), "{status}");
        }
    }
}
