//! Waiting for a dependency: until it is healthy, or until it has ended well.

use super::{Apply, ApplyError, Containers, Phase};
use serde_json::Value as J;
use std::time::Duration;

/// Between two looks; a healthy service is seen soon, a slow one costs little.
pub(super) const SHORTEST: Duration = Duration::from_millis(50);
pub(super) const LONGEST: Duration = Duration::from_millis(500);

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
                    Look::Bad(message) => return self.failed(name, service, message, required),
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

    fn failed(
        &self,
        name: &str,
        service: &str,
        message: String,
        required: bool,
    ) -> Result<(), ApplyError> {
        let id = format!("Container {name}");
        if required {
            self.tell(&id, Phase::Error, "Error");
            return Err(ApplyError::Dependency(message));
        }
        let text = format!("Skipped - optional dependency {service:?} failed to start");
        self.tell(&id, Phase::Warning, &text);
        self.progress.warn(&format!(
            "optional dependency {service:?} failed to start: {message}"
        ));
        Ok(())
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
        "running_or_healthy" => "container",
        _ => "dependency failed to start: container",
    };
    let check = &container["Config"]["Healthcheck"];
    let has_check = !check.is_null() && check["Test"][0] != "NONE";
    if status == "exited" {
        return Look::Bad(format!("{prefix} {name} exited ({code})"));
    }
    if condition == "running_or_healthy" && !has_check {
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
