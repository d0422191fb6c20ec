//! What happens to a project's containers, from the engine's events.

use super::{Compose, targets};
use crate::error::CliError;
use corten_client::{Client, Lines};
use corten_compose::{labels, plan::Found};
use serde_json::Value as J;
use std::{collections::BTreeSet, time::Duration};

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its ID.
    pub id: String,
    /// Its name as logs show it.
    pub name: String,
    /// Its service.
    pub service: String,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It takes the place of another one, which has this name.
    Recreated(String),
    /// It started.
    Started {
        /// After an end that the monitor saw.
        again: bool,
    },
    /// Its first process ended.
    Exited {
        /// Its exit code.
        code: i64,
        /// The engine starts it again.
        restarting: bool,
    },
}

/// A container that has ended gets so long to be started again before it counts as gone:
/// of a restart, the end is told before the start.
const GRACE: Duration = Duration::from_millis(250);

/// Follows the containers of some services until none of them is left.
pub struct Monitor {
    project: String,
    /// None are all.
    services: Vec<String>,
    events: Lines,
    alive: BTreeSet<String>,
    restarting: BTreeSet<String>,
    grace: Duration,
}

impl Monitor {
    /// Begins to listen; from now on nothing is missed.
    pub async fn begin(
        compose: &Compose<'_>,
        project: &str,
        services: &[String],
    ) -> Result<Self, CliError> {
        let label = format!("{}={project}", labels::PROJECT);
        let filters = serde_json::json!({ "type": ["container"], "label": [label] });
        let client = compose.call.client().await?;
        let request = client.get("/events").query("filters", filters.to_string());
        let events = request.send().await?.lines();
        let targets = targets::containers(compose, project, services, targets::MADE).await?;
        Ok(Self {
            project: project.to_owned(),
            services: services.to_vec(),
            events,
            alive: targets.into_iter().map(|target| target.found.id).collect(),
            restarting: BTreeSet::new(),
            grace: GRACE,
        })
    }

    /// From now on containers end for good.
    pub fn expect_the_end(&mut self) {
        self.grace = Duration::ZERO;
    }

    /// The next event as the engine sends it, or nothing when no container is left; may be
    /// given up and asked for again.
    pub async fn event(&mut self) -> Result<Option<J>, CliError> {
        let next = self.events.next();
        let event = if self.alive.is_empty() {
            match tokio::time::timeout(self.grace, next).await {
                Ok(event) => event?,
                Err(_) => return Ok(None),
            }
        } else {
            next.await?
        };
        match event {
            Some(event) => Ok(Some(event)),
            None => Err(CliError::Text(
                "the engine's events ended before the containers did".into(),
            )),
        }
    }

    /// What an event means, if it is one of these containers and of interest.
    pub async fn seen(&mut self, client: &Client, event: &J) -> Result<Option<Seen>, CliError> {
        let attributes = &event["Actor"]["Attributes"];
        let text = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
        let service = text(labels::SERVICE);
        let ours = self.services.is_empty() || self.services.contains(&service);
        if !ours || text(labels::ONE_OFF) == "True" {
            return Ok(None);
        }
        let id = event["Actor"]["ID"].as_str().unwrap_or_default().to_owned();
        let what = match event["Action"].as_str().unwrap_or_default() {
            "create" => {
                self.alive.insert(id.clone());
                match text(labels::REPLACE) {
                    replaced if replaced.is_empty() => return Ok(None),
                    replaced => What::Recreated(replaced),
                }
            }
            "start" => {
                self.alive.insert(id.clone());
                What::Started {
                    again: self.restarting.contains(&id),
                }
            }
            "die" => {
                let restarting = is_coming_back(client, &id).await?;
                if restarting {
                    self.restarting.insert(id.clone());
                } else {
                    self.alive.remove(&id);
                }
                What::Exited {
                    code: text("exitCode").parse().unwrap_or(0),
                    restarting,
                }
            }
            "destroy" => {
                self.alive.remove(&id);
                return Ok(None);
            }
            _ => return Ok(None),
        };
        let found = Found {
            name: text("name"),
            number: text(labels::NUMBER).parse().unwrap_or(0),
            service: service.clone(),
            ..Found::default()
        };
        Ok(Some(Seen {
            id,
            name: targets::short_name(&self.project, &found),
            service,
            what,
        }))
    }
}

/// Whether a container that has just ended runs again or will.
async fn is_coming_back(client: &Client, id: &str) -> Result<bool, CliError> {
    let request = client.get(format!("/containers/{id}/json"));
    match request.send().await {
        Ok(response) => {
            let container: J = response.json().await?;
            let is = |key: &str| container["State"][key] == true;
            Ok(is("Restarting") || is("Running"))
        }
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
