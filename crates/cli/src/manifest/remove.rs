//! `manifest rm`.

use super::{
    reference,
    store::{Store, not_found},
};
use crate::{app::Call, container::each::told, error::CliError};

/// Forgets lists of this machine; tells of those it could not, after trying all.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let store = Store::of(call.app);
    let failures = call
        .parsed
        .args
        .iter()
        .filter_map(|name| remove(&store, name).err())
        .map(|error| error.to_string());
    told(failures.collect())
}

fn remove(store: &Store, name: &str) -> Result<(), CliError> {
    let list = reference(name).map_err(|error| CliError::Text(error.to_string()))?;
    match store.list(&list)? {
        Some(_) => store.remove(&list),
        None => Err(not_found(&list)),
    }
}
