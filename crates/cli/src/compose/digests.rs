//! Images by their digests, as registries say them: `config --resolve-image-digests` and
//! `--lock-image-digests`, `publish --resolve-image-digests`.

use super::Compose;
use crate::{error::CliError, image::pull};
use corten_client::Client;
use corten_compose::{Map, Node, Project, Value};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value as J;

/// Registries asked at the same time.
const AT_ONCE: usize = 8;

/// Gives each service's image its digest; one that has a digest keeps it.
pub async fn resolve(compose: &Compose<'_>, project: &mut Project) -> Result<(), CliError> {
    let client = compose.call.client().await?;
    let services = project.services().iter();
    let images = services.filter_map(|(name, service)| {
        let image = service.text_at(&["image"]).filter(|it| !it.is_empty())?;
        Some((name.clone(), image.to_owned()))
    });
    let images: Vec<_> = images.collect();
    let pinned = stream::iter(images).map(|(name, image)| async move {
        let pinned = pin(compose, client, &image).await?;
        Ok::<_, CliError>((name, pinned))
    });
    let pinned: Vec<_> = pinned.buffered(AT_ONCE).try_collect().await?;
    let services = project
        .tree
        .map_mut()
        .and_then(|map| map.get_mut("services"))
        .and_then(Node::map_mut);
    let Some(services) = services else {
        return Ok(());
    };
    for (name, pinned) in pinned {
        let service = services.get_mut(&name).and_then(Node::map_mut);
        if let Some(image) = service.and_then(|service| service.get_mut("image")) {
            image.value = Value::Text(pinned);
        }
    }
    Ok(())
}

async fn pin(compose: &Compose<'_>, client: &Client, image: &str) -> Result<String, CliError> {
    let reference = pull::reference(image)?.or_latest();
    if reference.digest().is_some() {
        return Ok(reference.to_string());
    }
    let familiar = reference.familiar();
    let path = format!("/distribution/{}/json", Client::segment(&familiar));
    let authorization = pull::authorization(compose.call.app, &reference)?;
    let request = client.get(path).header("x-registry-auth", &authorization);
    let answer = async { request.send().await?.json::<J>().await };
    let answer = answer.await.map_err(|error| {
        CliError::Text(format!("failed to resolve digest for {reference}: {error}"))
    })?;
    let digest = answer["Descriptor"]["digest"].as_str().unwrap_or_default();
    Ok(format!("{reference}@{digest}"))
}

/// A file that says nothing but the services' images.
pub fn images_only(project: &Project) -> Node {
    let services = project.services().iter().map(|(name, service)| {
        let image = service.get("image").into_iter();
        let entries = image.map(|image| ("image".to_owned(), image.clone()));
        let entries = Value::Map(entries.collect());
        (name.clone(), Node::at(&service.place, entries))
    });
    let place = &project.tree.place;
    let services = Node::at(place, Value::Map(services.collect()));
    let tree = Map::from([("services".to_owned(), services)]);
    Node::at(place, Value::Map(tree))
}
