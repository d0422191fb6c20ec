//! `manifest create`.

use super::{
    reference,
    registry::{Remote, look},
    store::Store,
};
use crate::{app::Call, error::CliError};

/// Puts manifests of a registry together in a list on this machine.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let given = call.arg(0);
    let list = reference(given).map_err(|error| {
        CliError::Text(format!(
            "error parsing name for manifest list {given}: {error}"
        ))
    })?;
    let store = Store::of(call.app);
    if store.list(&list)?.is_some() && !call.parsed.is_on("amend") {
        return Err(CliError::Text(
            "refusing to amend an existing manifest list with no --amend flag".into(),
        ));
    }
    for name in &call.parsed.args[1..] {
        let name = reference(name).map_err(|error| CliError::Text(error.to_string()))?;
        let known = store.get(&list, &name)?;
        let entry = match known {
            Some(entry) => entry,
            None => match look(call.app, &name, call.parsed.is_on("insecure")).await? {
                Remote::Manifest(entry) => *entry,
                Remote::List(_) => {
                    return Err(CliError::Text(format!("{name} is a manifest list")));
                }
            },
        };
        store.save(&list, &name, &entry)?;
    }
    call.app.line(&format!("Created manifest list {list}"))?;
    Ok(0)
}
