//! Volumes whose description has changed: they are made anew, their data lost, only with the
//! user's word.

use super::{Compose, ask};
use crate::error::CliError;
use corten_compose::{
    Project,
    plan::{self, State},
};
use std::collections::BTreeSet;

/// Asks about each volume of these services that has changed, unless `yes` is the answer to
/// all; none if nobody could be asked, as nothing is done.
pub fn agreed(
    compose: &Compose<'_>,
    project: &Project,
    state: &State,
    services: &[String],
    yes: bool,
) -> Result<Option<BTreeSet<String>>, CliError> {
    if compose.is_dry() && !yes {
        return Ok(None);
    }
    let mut agreed = BTreeSet::new();
    for name in plan::changed_volumes(project, state, services) {
        let question = format!(
            "Volume {name:?} exists but doesn't match configuration in compose file. Recreate (data will be lost)?"
        );
        if yes || ask::confirmed(compose.call.app, &question, false)? {
            agreed.insert(name);
        }
    }
    Ok(Some(agreed))
}
