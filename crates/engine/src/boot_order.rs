//! Containers that start when the daemon comes up do so in the order of Compose's
//! dependencies, as `up` would start them.
//!
//! The conditions stand in the containers' labels, which stock Compose writes, too:
//! `db:service_healthy:false,job:service_completed_successfully:false`. A container waits
//! for each service of its project that it names, as long as that one runs or is about to,
//! and [`PATIENCE`] at most: after a reboot an application that comes up in the wrong order
//! is better than one that does not come up.

use crate::{Engine, EventsOptions, handle::Handle};
use corten_model::{Container, HealthStatus, State};
use futures_util::StreamExt;
use std::{sync::Arc, time::Duration};

/// The project's name, the service's, what the service needs, and whether `run` made it.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const DEPENDS_ON: &str = "com.docker.compose.depends_on";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// So long a container waits for the others. A database that repairs itself takes minutes.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// A start that fails is no event: looked at so often, too.
const LOOK: Duration = Duration::from_secs(1);

/// What another service must have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Started,
    Healthy,
    Completed,
}

/// The services that a container waits for.
fn dependencies(label: &str) -> Vec<(&str, Condition)> {
    label
        .split(',')
        .filter_map(|entry| {
            let mut words = entry.split(':');
            let service = words.next().filter(|name| !name.is_empty())?;
            let condition = match words.next() {
                Some("service_healthy") => Condition::Healthy,
                Some("service_completed_successfully") => Condition::Completed,
                _ => Condition::Started,
            };
            Some((service, condition))
        })
        .collect()
}

/// How a dependency stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// As it must be.
    Good,
    /// It may come to that.
    NotYet,
    /// It will not come to that by itself.
    Never,
}

/// `coming`: it is about to be started.
fn standing(state: &State, condition: Condition, coming: bool) -> Standing {
    let runs = state.has_process();
    let health = state.health.as_ref().map(|health| health.status);
    let good = match condition {
        Condition::Started => runs,
        Condition::Healthy => {
            runs && matches!(
                health,
                None | Some(HealthStatus::None | HealthStatus::Healthy)
            )
        }
        Condition::Completed => {
            !runs && !coming && state.exit_code == 0 && !state.finished_at.is_zero()
        }
    };
    match (good, coming || state.is_running()) {
        (true, _) => Standing::Good,
        (false, true) => Standing::NotYet,
        (false, false) => Standing::Never,
    }
}

impl Engine {
    /// Waits until what a container depends on is as it must be, will never be, or has had
    /// its time.
    pub(crate) async fn wait_for_dependencies(&self, handle: &Handle) {
        let record = handle.record();
        let label = record.config.labels.get(DEPENDS_ON);
        let dependencies = dependencies(label.map_or("", String::as_str));
        if dependencies.is_empty() {
            return;
        }
        let options = EventsOptions::default();
        let Ok(mut events) = self.events.read(options) else {
            return;
        };
        let all_stand = async {
            while !self.all_stand(&record, &dependencies) {
                // An event or a look now and then; which of them does not matter.
                drop(tokio::time::timeout(LOOK, events.next()).await);
            }
        };
        tokio::select! {
            waited = tokio::time::timeout(PATIENCE, all_stand) => if waited.is_err() {
                tracing::warn!(
                    container = %handle.id,
                    "what it depends on is not as it must be; it starts all the same"
                );
            },
            () = self.closed() => {}
        }
    }

    fn all_stand(&self, record: &Container, dependencies: &[(&str, Condition)]) -> bool {
        let label = |record: &Container, key: &str| record.config.labels.get(key).cloned();
        let project = label(record, PROJECT);
        let others = self.table.all();
        let mut others = others.iter().filter(|other| {
            let other = other.record();
            project.is_some()
                && label(&other, PROJECT) == project
                && label(&other, ONE_OFF).as_deref() != Some("True")
        });
        others.all(|other| {
            let coming = other.volatile().starts_at_boot;
            let other = other.record();
            let service = label(&other, SERVICE).unwrap_or_default();
            let mut needed = dependencies.iter().filter(|(name, _)| *name == service);
            needed.all(|(_, condition)| {
                standing(&other.state, *condition, coming) != Standing::NotYet
            })
        })
    }

    /// Starts a container that its policy wants up, when its dependencies are.
    pub(crate) async fn start_at_boot(self: &Arc<Self>, handle: &Arc<Handle>) {
        self.wait_for_dependencies(handle).await;
        let _owner = handle.lock.lock().await;
        // Somebody may have started, stopped or removed it meanwhile.
        let record = handle.record();
        let wanted = self.wants_start_at_boot(&record) && !handle.life.borrow().removed;
        if wanted
            && !record.state.has_process()
            && let Err(error) = self.start(handle, false).await
        {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %handle.id, error, "a start at boot failed");
        }
        handle.volatile().starts_at_boot = false;
    }

    /// Whether its policy wants a container to run when the daemon comes up.
    pub(crate) fn wants_start_at_boot(&self, record: &Container) -> bool {
        let policy = &record.host_config.restart_policy;
        !record.state.started_at.is_zero()
            && !record.host_config.auto_remove
            && policy.wants_start_on_boot(
                record.state.exit_code,
                record.restart_count,
                record.stopped_by_user,
            )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_base::Timestamp;
    use corten_model::{Health, Status};

    fn state(status: Status, exit_code: i64, health: Option<HealthStatus>) -> State {
        State {
            status,
            exit_code,
            finished_at: Timestamp::now(),
            health: health.map(|status| Health {
                status,
                ..Health::default()
            }),
            ..State::default()
        }
    }

    #[test]
    fn each_condition_is_what_compose_makes_of_it() {
        use Condition::{Completed, Healthy, Started};
        use HealthStatus::{Starting, Unhealthy};
        use Status::{Exited, Running};
        let healthy = Some(HealthStatus::Healthy);
        for (status, code, health, condition, coming, wanted) in [
            (Running, 0, None, Started, false, Standing::Good),
            (Exited, 255, None, Started, true, Standing::NotYet),
            (Exited, 255, None, Started, false, Standing::Never),
            (Running, 0, Some(Starting), Healthy, false, Standing::NotYet),
            (
                Running,
                0,
                Some(Unhealthy),
                Healthy,
                false,
                Standing::NotYet,
            ),
            (Running, 0, healthy, Healthy, false, Standing::Good),
            (Running, 0, None, Healthy, false, Standing::Good),
            (Exited, 255, healthy, Healthy, true, Standing::NotYet),
            (Exited, 0, None, Completed, false, Standing::Good),
            (Exited, 1, None, Completed, true, Standing::NotYet),
            (Exited, 1, None, Completed, false, Standing::Never),
            (Running, 0, None, Completed, false, Standing::NotYet),
        ] {
            let found = standing(&state(status, code, health), condition, coming);
            assert_eq!(
                found, wanted,
                "{status:?} {code} {health:?} {condition:?} {coming}"
            );
        }
    }

    #[test]
    fn what_a_service_needs_is_read_from_its_label() {
        assert!(dependencies("").is_empty());
        assert_eq!(
            dependencies("db:service_healthy:true,job:service_completed_successfully:false,x"),
            [
                ("db", Condition::Healthy),
                ("job", Condition::Completed),
                ("x", Condition::Started)
            ]
        );
    }
}
