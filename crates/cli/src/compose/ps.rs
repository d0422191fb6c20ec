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
    let (name, project) = compose.project_name()?;
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
            None => return Err(CliError::Text(format!("wrong filter {filter:?}"))),
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
        .filter(|found| parsed.is_on("all") || label(found, labels::ONE_OFF) != "True")
        .filter(|found| parsed.args.is_empty() || parsed.args.contains(&service(found)))
        .filter(|found| {
            let state = found.text(&["State"]);
            statuses.is_empty() || statuses.iter().any(|status| status == state)
        })
        .filter(|found| {
            let known = project.as_ref().is_none_or(|project| {
                project.services().contains_key(&service(found))
                    || project.disabled.contains_key(&service(found))
            });
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
        let text: String = names.into_iter().map(|name| name + "\n").collect();
        compose.call.app.out(&text)?;
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
