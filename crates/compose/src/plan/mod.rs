//! What has to be done, as data: a project and what the engine has become steps, each
//! with the steps that must be done before it. Nothing here talks to the engine, so that
//! a plan can be printed (`--dry-run`) as it would be carried out.

mod down;
mod each;
mod order;
mod resources;
mod rolls;
mod state;
mod up;

pub use down::{Down, down};
pub use each::{each, restart, start, stop, wait_all, wait_for_dependencies};
pub use resources::changed_volumes;
pub use rolls::{Rolls, starts_first};
pub use state::{Found, FoundNetwork, FoundVolume, State};
pub use up::{Recreate, Up, orphans, resources, scale, up};

use serde_json::Value as J;

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Make a network of the project.
    CreateNetwork {
        /// Its name in the engine.
        name: String,
        /// The body of `POST /networks/create`.
        body: J,
    },
    /// Make a volume of the project.
    CreateVolume {
        /// Its name in the engine.
        name: String,
        /// The body of `POST /volumes/create`.
        body: J,
    },
    /// Make a container. Its body is made when the containers it refers to are there.
    Create {
        /// The service.
        service: String,
        /// Which of its containers, from 1.
        number: u32,
        /// The name it has in the end.
        name: String,
        /// The container whose place it takes, which goes on until [`Action::Replace`].
        replaces: Option<Found>,
    },
    /// Stop and remove a container and give its name to the new one.
    Replace {
        /// The service.
        service: String,
        /// Which of its containers.
        number: u32,
        /// The old container.
        old: Found,
        /// The name that passes on.
        name: String,
    },
    /// Make and start a container beside an old one, wait until it is healthy, and only then stop
    /// and remove the old one and take its name.
    Roll {
        /// The service.
        service: String,
        /// Which of its containers.
        number: u32,
        /// The old container.
        old: Found,
        /// The name that passes on.
        name: String,
        /// How long to wait before.
        pause_nanoseconds: i64,
        /// Whether a failure is one of the whole; the old container goes on either way.
        required: bool,
    },
    /// Start a container, with what belongs to a start: secrets and hooks.
    Start {
        /// The service.
        service: String,
        /// Which of its containers.
        number: u32,
        /// Its name.
        name: String,
    },
    /// Wait until a service's containers are as another service needs them.
    Wait {
        /// The service that is waited for.
        service: String,
        /// `service_healthy` or `service_completed_successfully`.
        condition: String,
        /// Whether a failure is one of the whole.
        required: bool,
    },
    /// Stop a container.
    Stop {
        /// Which.
        container: Found,
    },
    /// Stop a container and start it again, its hooks with it.
    Restart {
        /// Which.
        container: Found,
    },
    /// Send a container a signal.
    Kill {
        /// Which.
        container: Found,
        /// `SIGKILL`, `TERM` or a number.
        signal: String,
    },
    /// Freeze a container's processes.
    Pause {
        /// Which.
        container: Found,
    },
    /// Let a container's processes go on.
    Unpause {
        /// Which.
        container: Found,
    },
    /// Remove a container that is stopped.
    Remove {
        /// Which.
        container: Found,
        /// Its anonymous volumes with it.
        volumes: bool,
    },
    /// Remove a network.
    RemoveNetwork {
        /// Its name.
        name: String,
    },
    /// Remove an image, unless something else needs it.
    RemoveImage {
        /// Its name.
        name: String,
    },
    /// Remove a volume, which nobody uses any more, with its data, and make it again.
    RenewVolume {
        /// Its name in the engine.
        name: String,
        /// The body of `POST /volumes/create`.
        body: J,
    },
    /// Remove a volume.
    RemoveVolume {
        /// Its name.
        name: String,
    },
}

impl Action {
    /// What it is done to, and the words while it is being done and when it is.
    pub fn words(&self) -> (String, &'static str, &'static str) {
        let container = |name: &str| format!("Container {name}");
        match self {
            Self::CreateNetwork { name, .. } => (format!("Network {name}"), "Creating", "Created"),
            Self::CreateVolume { name, .. } | Self::RenewVolume { name, .. } => {
                (format!("Volume {name}"), "Creating", "Created")
            }
            Self::Create { name, replaces, .. } => match replaces {
                Some(_) => (container(name), "Recreate", "Recreate"),
                None => (container(name), "Creating", "Created"),
            },
            Self::Replace { name, .. } => (container(name), "Recreate", "Recreated"),
            Self::Roll { name, .. } => (container(name), "Recreate", "Rolled over"),
            Self::Start { name, .. } => (container(name), "Starting", "Started"),
            Self::Wait { service, .. } => (format!("Service {service}"), "Waiting", "Healthy"),
            Self::Stop { container: found } => (container(&found.name), "Stopping", "Stopped"),
            Self::Restart { container: found } => (container(&found.name), "Restarting", "Started"),
            Self::Kill {
                container: found, ..
            } => (container(&found.name), "Killing", "Killed"),
            Self::Pause { container: found } => (container(&found.name), "Paused", "Paused"),
            Self::Unpause { container: found } => (container(&found.name), "Unpaused", "Unpaused"),
            Self::Remove {
                container: found, ..
            } => (container(&found.name), "Removing", "Removed"),
            Self::RemoveNetwork { name } => (format!("Network {name}"), "Removing", "Removed"),
            Self::RemoveImage { name } => (format!("Image {name}"), "Removing", "Removed"),
            Self::RemoveVolume { name } => (format!("Volume {name}"), "Removing", "Removed"),
        }
    }
}

/// A step and what must be done before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// Indices of earlier steps of the plan.
    pub after: Vec<usize>,
}

/// Steps in an order in which they could be done one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Each needs only earlier ones.
    pub steps: Vec<Step>,
    /// Containers that run already as they shall.
    pub running: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Adds a step and gives its index.
    fn add(&mut self, action: Action, after: impl IntoIterator<Item = usize>) -> usize {
        let mut after: Vec<usize> = after.into_iter().collect();
        after.sort_unstable();
        after.dedup();
        self.steps.push(Step { action, after });
        self.steps.len() - 1
    }
}
