//! `compose down`: nothing of a project is left but its volumes and images, and these go
//! where that is asked for.

use super::{Compose, provider, up};
use crate::error::CliError;
use corten_client::Client;
use corten_compose::{
    ComposeError, Project,
    apply::{Settings, read_state},
    body, labels,
    plan::{self, Down},
};
use serde_json::{Value as J, json};
use std::collections::BTreeSet;

/// `compose down`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    if let Some(other) = parsed
        .get("rmi")
        .filter(|it| !["all", "local"].contains(it))
    {
        return Err(CliError::Text(format!(
            "invalid value for --rmi: {other:?}"
        )));
    }
    let options = Down {
        services: parsed.args.clone(),
        volumes: parsed.is_on("volumes"),
        remove_orphans: parsed
            .flag_or("remove-orphans", compose.says_yes("COMPOSE_REMOVE_ORPHANS")),
        images: Vec::new(),
    };
    take_down(compose, options, parsed.int("timeout")).await?;
    Ok(0)
}

/// The same with the orphans, as `wait --down-project` wants it.
pub async fn everything(compose: &Compose<'_>) -> Result<(), CliError> {
    let options = Down {
        remove_orphans: true,
        ..Down::default()
    };
    take_down(compose, options, None).await
}

async fn take_down(
    compose: &Compose<'_>,
    mut options: Down,
    timeout: Option<i64>,
) -> Result<(), CliError> {
    let (name, mut project) = compose.project_or_name()?;
    if let Some(project) = &mut project {
        project.enable(&options.services);
        let known = |name: &String| {
            project.services().contains_key(name) || project.disabled.contains_key(name)
        };
        if let Some(unknown) = options.services.iter().find(|name| !known(name)) {
            return Err(ComposeError::NoSuchService(unknown.clone()).into());
        }
    }
    let client = compose.call.client().await?;
    let state = read_state(client, &name, project.as_ref()).await?;
    if options.services.is_empty() {
        options.images = images(compose, &name, project.as_ref(), &options).await?;
    }
    let plan = plan::down(project.as_ref(), &state, &options);
    if let Some(project) = &project {
        provider::down(compose, project, &options.services)?;
    }
    let has_networks = project
        .as_ref()
        .is_some_and(|project| !project.networks().is_empty());
    if plan.steps.is_empty() && !has_networks {
        compose.warn(&format!(
            "Warning: No resource found to remove for project {name:?}."
        ));
    }
    let settings = Settings {
        stop_timeout: timeout,
        ..up::settings(compose)
    };
    up::carry_out(compose, project.as_ref(), &state, &plan, &settings).await
}

/// The images that `--rmi` is about: with `all` every image of the services, with `local`
/// those that were built for them and bear no name of their own.
async fn images(
    compose: &Compose<'_>,
    name: &str,
    project: Option<&Project>,
    options: &Down,
) -> Result<Vec<String>, CliError> {
    let all = match compose.call.parsed.get("rmi") {
        None => return Ok(Vec::new()),
        Some("all") => true,
        Some(_) => false,
    };
    let client = compose.call.client().await?;
    let filters = json!({
        "label": [format!("{}={name}", labels::PROJECT)],
        "dangling": ["false"],
    });
    let request = client
        .get("/images/json")
        .query("filters", filters.to_string());
    let built: Vec<J> = request.send().await?.json().await?;
    let mut images = BTreeSet::new();
    for image in &built {
        let service = image["Labels"][labels::SERVICE]
            .as_str()
            .unwrap_or_default();
        let known = project.is_none_or(|project| project.services().contains_key(service));
        if let Some(tag) = image["RepoTags"][0].as_str()
            && (known || options.remove_orphans)
        {
            images.insert(tag.to_owned());
        }
    }
    let services = project.into_iter().flat_map(|project| {
        let services = project.services().iter();
        services.map(move |(service, node)| (project, service, node))
    });
    for (project, service, node) in services {
        let named = node
            .text_at(&["image"])
            .is_some_and(|image| !image.is_empty());
        if all || !named {
            let image = body::image_name(project, service, node);
            if is_here(client, &image).await? {
                let full = crate::image::pull::reference(&image)?.or_latest();
                images.insert(full.familiar());
            }
        }
    }
    Ok(images.into_iter().collect())
}

async fn is_here(client: &Client, image: &str) -> Result<bool, CliError> {
    let path = format!("/images/{}/json", Client::segment(image));
    match client.get(path).send().await {
        Ok(response) => {
            response.bytes().await?;
            Ok(true)
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
