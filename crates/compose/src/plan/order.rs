//! Who depends on whom, from the project or, without its files, from the labels of its
//! containers; and the order of starting and stopping that follows.

use super::Found;
use crate::body::View;
use crate::labels;
use crate::project::Project;

/// A service that another one depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) service: String,
    /// `service_started`, `service_healthy` or `service_completed_successfully`.
    pub(super) condition: String,
    /// Whether its restart is one of the dependent, too.
    pub(super) restart: bool,
    /// Whether its failure is one of the dependent, too.
    pub(super) required: bool,
}

/// What the service of a container depends on.
pub(super) fn dependencies(project: Option<&Project>, found: &Found) -> Vec<Dependency> {
    match project {
        Some(project) if project.services().contains_key(&found.service) => {
            of_service(project, &found.service)
        }
        _ => of_label(found),
    }
}

/// What a service of the project depends on.
pub(super) fn of_service(project: &Project, name: &str) -> Vec<Dependency> {
    let Some(service) = project.services().get(name) else {
        return Vec::new();
    };
    let entries = View(service).entries("depends_on").into_iter();
    entries
        .map(|(other, dependency)| {
            let view = View(dependency);
            Dependency {
                service: other.clone(),
                condition: view.str("condition").to_owned(),
                restart: view.given_truth("restart").unwrap_or(false),
                required: view.given_truth("required").unwrap_or(true),
            }
        })
        .collect()
}

/// `service:condition:restart`, separated by commas; old tools wrote only the service.
fn of_label(found: &Found) -> Vec<Dependency> {
    let label = found.labels.get(labels::DEPENDS_ON);
    let entries = label.map(String::as_str).unwrap_or_default().split(',');
    entries
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            let mut parts = entry.split(':');
            Dependency {
                service: parts.next().unwrap_or_default().to_owned(),
                condition: parts.next().unwrap_or("service_started").to_owned(),
                restart: parts.next() == Some("true"),
                required: false,
            }
        })
        .collect()
}

/// Whether a container's service depends on `service`.
pub(super) fn needs(project: Option<&Project>, container: &Found, service: &str) -> bool {
    container.service != service
        && dependencies(project, container)
            .iter()
            .any(|dependency| dependency.service == service)
}

/// The containers in rounds: those of a round are needed by none of the later ones, so
/// that they may stop together. A circle is cut anywhere.
pub(super) fn rounds<'a>(
    project: Option<&Project>,
    mut waiting: Vec<&'a Found>,
) -> Vec<Vec<&'a Found>> {
    let mut rounds = Vec::new();
    while !waiting.is_empty() {
        let needed = |found: &Found| {
            waiting
                .iter()
                .any(|other| needs(project, other, &found.service))
        };
        let (mut ready, mut later): (Vec<&Found>, Vec<&Found>) =
            waiting.iter().partition(|found| !needed(found));
        if ready.is_empty() {
            std::mem::swap(&mut ready, &mut later);
        }
        rounds.push(ready);
        waiting = later;
    }
    rounds
}
