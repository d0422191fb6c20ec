//! `manifest inspect`.

use super::{
    entry::{self, Entry},
    reference,
    registry::{Remote, look},
    store::{Store, not_found},
};
use crate::{app::Call, error::CliError, output::Json};

const TAB: &str = "\t";

/// Shows a manifest or a list: of this machine first, else of the registry.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parse = |text: &str| reference(text).map_err(|error| CliError::Text(error.to_string()));
    let (list, given) = match call.arg(1) {
        "" => (None, call.arg(0)),
        name => (Some(call.arg(0)), name),
    };
    let name = parse(given)?;
    let store = Store::of(call.app);
    if let Some(list) = list {
        let found = store.get(&parse(list)?, &name)?;
        return show_one(call, &found.ok_or_else(|| not_found(&name))?);
    }
    // A list that cannot be read here may still be at the registry.
    if let Ok(Some(entries)) = store.list(&name) {
        return show_list(call, &name, &entries);
    }
    match look(call.app, &name, call.parsed.is_on("insecure")).await? {
        Remote::Manifest(entry) => show_one(call, &entry),
        Remote::List(entries) => show_list(call, &name, &entries),
    }
}

fn show_one(call: &Call<'_>, entry: &Entry) -> Result<u8, CliError> {
    let text = if call.parsed.is_on("verbose") {
        entry.json().pretty(TAB)
    } else {
        entry.document().pretty(TAB)
    };
    call.app.line(&text)?;
    Ok(0)
}

fn show_list(
    call: &Call<'_>,
    name: &corten_oci::Reference,
    entries: &[Entry],
) -> Result<u8, CliError> {
    let text = if call.parsed.is_on("verbose") {
        Json::List(entries.iter().map(Entry::json).collect()).pretty(TAB)
    } else {
        entry::list(name, entries)
            .map_err(|error| {
                CliError::Text(format!("failed to assemble ManifestDescriptor: {error}"))
            })?
            .1
    };
    call.app.line(&text)?;
    Ok(0)
}
