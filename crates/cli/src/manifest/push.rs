//! `manifest push`.

use super::{
    entry::{self, Entry},
    reference,
    registry::{mount, open, put},
    store::{Store, not_found},
};
use crate::{app::Call, error::CliError};
use corten_distribution::{Access, Repository};
use corten_oci::Reference;

/// Pushes a list of this machine. Manifests of other repositories of the registry go to the
/// list's repository first, their blobs are mounted there.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let list = reference(call.arg(0)).map_err(|error| CliError::Text(error.to_string()))?;
    let store = Store::of(call.app);
    let entries = store.list(&list)?.ok_or_else(|| not_found(&list))?;
    if entries.is_empty() {
        return Err(CliError::Text(format!("{list} not found")));
    }
    for entry in &entries {
        let known = entry
            .platform
            .as_ref()
            .is_some_and(|platform| !platform.os.is_empty() && !platform.architecture.is_empty());
        if !known {
            return Err(CliError::Text(format!(
                "manifest {} must have an OS and Architecture to be pushed to a registry",
                entry.reference
            )));
        }
    }
    let (kind, text) = entry::list(&list, &entries)?;
    let insecure = call.parsed.is_on("insecure");
    let repository = open(call.app, &list, insecure, Access::Push).await?;
    let foreign: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.reference.path() != list.path())
        .collect();
    for entry in &foreign {
        mount_blobs(&repository, entry, &list).await?;
    }
    for entry in &foreign {
        let digest = entry.digest.clone();
        let name = list.without_tag_and_digest().with_digest(digest);
        let digest = put(&repository, &name, &entry.kind, entry.raw.clone()).await?;
        call.app
            .line(&format!("Pushed ref {name} with digest: {digest}"))?;
    }
    let digest = put(&repository, &list, &kind, text.into_bytes()).await?;
    call.app.line(&digest.to_string())?;
    if call.parsed.is_on("purge") {
        store.remove(&list)?;
    }
    Ok(0)
}

async fn mount_blobs(
    repository: &Repository,
    entry: &Entry,
    list: &Reference,
) -> Result<(), CliError> {
    let from = entry.reference.path();
    // Layers of Windows may stand elsewhere than in the registry.
    let may_lack = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os == "windows");
    for digest in entry.blobs()? {
        let mounted = mount(repository, &digest, from, list).await?;
        if !mounted && !may_lack {
            return Err(CliError::Text(format!(
                "error mounting {from}@{digest} to {list}"
            )));
        }
    }
    Ok(())
}
