//! `compose down`: nothing of a project is left but its volumes and images.

use super::{Compose, up};
use crate::error::CliError;
use corten_compose::{
    apply::read_state,
    plan::{self, Down},
};

/// `compose down`.
pub async fn run(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    if parsed.given("rmi") {
        return Err(CliError::Text("--rmi is not supported yet".into()));
    }
    let (name, project) = compose.project_name()?;
    let client = compose.call.client().await?;
    let state = read_state(client, &name, project.as_ref()).await?;
    let options = Down {
        services: parsed.args.clone(),
        volumes: parsed.is_on("volumes"),
        remove_orphans: parsed.is_on("remove-orphans"),
    };
    let plan = plan::down(project.as_ref(), &state, &options);
    if plan.steps.is_empty() {
        compose.warn(&format!(
            "Warning: No resource found to remove for project {name:?}."
        ));
    }
    up::carry_out(compose, project.as_ref(), &state, &plan).await?;
    Ok(0)
}
