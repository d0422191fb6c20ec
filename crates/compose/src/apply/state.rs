//! Asks the engine what it has of a project.

use crate::body;
use crate::contents;
use crate::labels;
use crate::plan::{Found, FoundNetwork, FoundVolume, State, starts_first};
use crate::project::Project;
use corten_client::{Client, ClientError};
use serde_json::{Value as J, json};
use std::collections::BTreeMap;

/// What the engine has of the project `name`. With `project`, also the networks and
/// volumes it names without having made them, and its images.
pub async fn read(
    client: &Client,
    name: &str,
    project: Option<&Project>,
) -> Result<State, ClientError> {
    let ours = json!({ "label": [format!("{}={name}", labels::PROJECT)] }).to_string();
    let containers = async {
        let request = client.get("/containers/json").flag("all", true);
        let answer: Vec<J> = request.query("filters", &ours).send().await?.json().await?;
        Ok::<_, ClientError>(answer.iter().map(Found::from_summary).collect())
    };
    let networks = async {
        let answer: Vec<J> = client.get("/networks").send().await?.json().await?;
        let all = answer.iter().map(FoundNetwork::from_summary);
        let wanted = named(project.map(Project::networks), name);
        Ok(all
            .filter(|found| is_ours(&found.labels, name) || wanted.contains(&found.name))
            .collect())
    };
    let volumes = async {
        let answer: J = client.get("/volumes").send().await?.json().await?;
        let all = answer["Volumes"].as_array().into_iter().flatten();
        let wanted = named(project.map(Project::volumes), name);
        Ok(all
            .map(FoundVolume::from_summary)
            .filter(|found| is_ours(&found.labels, name) || wanted.contains(&found.name))
            .collect())
    };
    let images = images(client, project);
    let contents = contents(client, project);
    let hands_over = hands_over(client, project);
    let (containers, networks, volumes, images, contents, hands_over) =
        tokio::try_join!(containers, networks, volumes, images, contents, hands_over)?;
    Ok(State {
        containers,
        networks,
        volumes,
        images,
        contents,
        hands_over,
    })
}

/// The marks of what the services' configs and secrets hold.
async fn contents(
    client: &Client,
    project: Option<&Project>,
) -> Result<BTreeMap<String, String>, ClientError> {
    let Some(project) = project.filter(|it| contents::granted(it).next().is_some()) else {
        return Ok(BTreeMap::new());
    };
    let info: J = client.get("/info").send().await?.json().await?;
    let key = info["ID"].as_str().unwrap_or_default();
    let marks = contents::granted(project).filter_map(|(name, service)| {
        let mark = contents::mark(project, service, key)?;
        Some((name.clone(), mark))
    });
    Ok(marks.collect())
}

/// Whether the engine is one that knows what `corten.succeeds` means.
async fn hands_over(client: &Client, project: Option<&Project>) -> Result<bool, ClientError> {
    let mut services = project
        .iter()
        .flat_map(|project| project.services().values());
    if !services.any(starts_first) {
        return Ok(false);
    }
    let version: J = client.get("/version").send().await?.json().await?;
    Ok(version["Platform"]["Name"] == "Corten")
}

fn is_ours(of: &BTreeMap<String, String>, name: &str) -> bool {
    of.get(labels::PROJECT).is_some_and(|label| label == name)
}

/// The names in the engine of a project's networks or volumes.
fn named(section: Option<&crate::node::Map>, project: &str) -> Vec<String> {
    section
        .into_iter()
        .flatten()
        .map(|(key, node)| match node.text_at(&["name"]) {
            Some(name) => name.to_owned(),
            None => format!("{project}_{key}"),
        })
        .collect()
}

/// The IDs of the services' images that the engine has.
async fn images(
    client: &Client,
    project: Option<&Project>,
) -> Result<BTreeMap<String, String>, ClientError> {
    let mut by_image: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(project) = project {
        for (name, service) in project.services() {
            let image = body::image_name(project, name, service);
            by_image.entry(image).or_default().push(name.clone());
        }
    }
    let asked = by_image.into_iter().map(|(image, services)| async move {
        let path = format!("/images/{}/json", Client::segment(&image));
        match client.get(path).send().await {
            Ok(response) => {
                let image: J = response.json().await?;
                let id = image["Id"].as_str().unwrap_or_default().to_owned();
                Ok(services
                    .into_iter()
                    .map(|name| (name, id.clone()))
                    .collect())
            }
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    });
    let found: Vec<Vec<(String, String)>> = futures_util::future::try_join_all(asked).await?;
    Ok(found.into_iter().flatten().collect())
}
