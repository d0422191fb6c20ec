//! Waiting for a dependency: until it is healthy, or until it has ended well.

use super::{Apply, ApplyError, Containers, Phase};
use serde_json::Value as J;
use std::time::Duration;

/// Between two looks; a healthy service is seen soon, a slow one costs little.
pub(super) const SHORTEST: Duration = Duration::from_millis(50);
pub(super) const LONGEST: Duration = Duration::from_millis(500);

/// What `--wait` waits for.
const RUNNING_OR_HEALTHY: &str = "running_or_healthy";

pub(super) enum Look {
    NotYet,
    Good,
    Bad(String),
}

impl Apply<'_> {
    pub(super) async fn wait(
        &self,
        service: &str,
        condition: &str,
        required: bool,
        containers: &Containers,
    ) -> Result<(), ApplyError> {
        let waited: Vec<(String, String)> = containers
            .borrow()
            .iter()
            .filter(|((name, _), _)| name == service)
            .map(|(_, container)| container.clone())
            .collect();
        for (_, name) in &waited {
            self.tell(&format!("Container {name}"), Phase::Working, "Waiting");
        }
        let mut pause = SHORTEST;
        loop {
            let mut good = 0;
            for (id, name) in &waited {
                let path = format!("/containers/{id}/json");
                let container: J = self.client.get(path).send().await?.json().await?;
                match look(&container, name, service, condition) {
                    Look::NotYet => {}
                    Look::Good => good += 1,
                    Look::Bad(message) if required => {
                        self.tell_failure(name, condition, &message);
                        return Err(ApplyError::Dependency(message));
                    }
                    Look::Bad(message) => {
                        self.skip(name, service, &message);
                        return Ok(());
                    }
                }
            }
            let enough = if condition == "service_completed_successfully" {
                1
            } else {
                waited.len()
            };
            if good >= enough.min(waited.len()) {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
        let word = if condition == "service_completed_successfully" {
            "Exited"
        } else {
            "Healthy"
        };
        for (_, name) in &waited {
            self.tell(&format!("Container {name}"), Phase::Done, word);
        }
        Ok(())
    }

    /// As Compose 2.40 does: what `--wait` waits for in vain is told once, at the end.
    fn tell_failure(&self, name: &str, condition: &str, message: &str) {
        let id = format!("Container {name}");
        match condition {
            RUNNING_OR_HEALTHY => {}
            "service_completed_successfully" => self.tell(&id, Phase::Error, message),
            _ => self.tell(&id, Phase::Error, "Error"),
        }
    }

    fn skip(&self, name: &str, service: &str, message: &str) {
        let id = format!("Container {name}");
        let text = format!("Skipped - optional dependency {service:?} failed to start");
        self.tell(&id, Phase::Warning, &text);
        self.progress.warn(&format!(
            "optional dependency {service:?} failed to start: {message}"
        ));
    }
}

pub(super) fn look(container: &J, name: &str, service: &str, condition: &str) -> Look {
    let state = &container["State"];
    let status = state["Status"].as_str().unwrap_or_default();
    let code = state["ExitCode"].as_i64().unwrap_or(0);
    if condition == "service_completed_successfully" {
        return match (status, code) {
            ("exited", 0) => Look::Good,
            ("exited", code) => Look::Bad(format!(
                "service {service:?} didn't complete successfully: exit {code}"
            )),
            _ => Look::NotYet,
        };
    }
    // What `--wait` waits for is nobody's dependency.
    let prefix = match condition {
        RUNNING_OR_HEALTHY => "container",
        _ => "dependency failed to start: container",
    };
    let check = &container["Config"]["Healthcheck"];
    let has_check = !check.is_null() && check["Test"][0] != "NONE";
    if status == "exited" {
        return Look::Bad(format!("{prefix} {name} exited ({code})"));
    }
    if condition == RUNNING_OR_HEALTHY && !has_check {
        return if status == "running" {
            Look::Good
        } else {
            Look::NotYet
        };
    }
    match state["Health"]["Status"].as_str() {
        Some("healthy") => Look::Good,
        Some("unhealthy") => Look::Bad(format!("{prefix} {name} is unhealthy")),
        Some("starting") => Look::NotYet,
        _ => Look::Bad(format!("{prefix} {name} has no healthcheck configured")),
    }
}
