//! Contradictions between attributes that are each well formed: references to nothing, two
//! ways of saying one thing, circles.

use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use crate::project::Project;
use std::collections::BTreeMap;

/// Looks through the services that are on, then the secrets.
pub(crate) fn check(project: &Project) -> Result<(), ComposeError> {
    for (name, service) in project.services() {
        let service = Service {
            name,
            node: service,
            project,
        };
        service.check()?;
    }
    for (name, secret) in project.secrets() {
        let external = truth(secret, "external");
        let given = ["file", "environment", "driver"]
            .iter()
            .any(|key| secret.text_at(&[key]).is_some_and(|text| !text.is_empty()));
        if !external && !given {
            return Err(ComposeError::Inconsistent {
                place: Some(secret.place.clone()),
                message: format!("secret {name:?} must declare either `file` or `environment`"),
            });
        }
    }
    no_cycle(project)
}

fn truth(node: &Node, key: &str) -> bool {
    node.get(key)
        .is_some_and(|value| value.value == Value::Bool(true))
}

fn number(node: &Node, path: &[&str]) -> Option<f64> {
    match node.find(path)?.value {
        Value::Int(value) => Some(value as f64),
        Value::Float(value) => Some(value),
        _ => None,
    }
}

struct Service<'a> {
    name: &'a str,
    node: &'a Node,
    project: &'a Project,
}

impl Service<'_> {
    fn wrong(&self, at: &Node, message: String) -> ComposeError {
        ComposeError::Inconsistent {
            place: Some(at.place.clone()),
            message,
        }
    }

    fn items(&self, path: &[&str]) -> &[Node] {
        self.node
            .find(path)
            .and_then(Node::list)
            .unwrap_or_default()
    }

    fn keys(&self, key: &str) -> impl Iterator<Item = (&String, &Node)> {
        self.node.get(key).and_then(Node::map).into_iter().flatten()
    }

    fn given(&self, key: &str) -> bool {
        self.node
            .get(key)
            .is_some_and(|node| !node.is_null() && node.text().is_none_or(|text| !text.is_empty()))
    }

    fn check(&self) -> Result<(), ComposeError> {
        self.origin()?;
        self.pull_policy()?;
        self.networks()?;
        self.health_check()?;
        self.dependencies()?;
        self.resources()?;
        self.limits()?;
        self.scale()?;
        self.watch()?;
        self.mounts()
    }

    fn origin(&self) -> Result<(), ComposeError> {
        let name = self.name;
        if !self.given("image") && !self.given("build") && !self.given("provider") {
            return Err(self.wrong(
                self.node,
                format!("service {name:?} has neither an image nor a build context specified"),
            ));
        }
        let Some(build) = self.node.get("build") else {
            return Ok(());
        };
        let has = |key: &str| build.text_at(&[key]).is_some_and(|text| !text.is_empty());
        if has("dockerfile") && has("dockerfile_inline") {
            return Err(self.wrong(
                build,
                format!(
                    "service {name:?} declares mutualy exclusive dockerfile and dockerfile_inline"
                ),
            ));
        }
        let contexts = build.get("additional_contexts").and_then(Node::map);
        for (context, target) in contexts.into_iter().flatten() {
            let Some(other) = target.text().and_then(|text| text.strip_prefix("service:")) else {
                continue;
            };
            match self.project.services().get(other) {
                None => {
                    return Err(self.wrong(target, format!(
                        "service {name:?} declares unknown service {other:?} as additional contexts {context}"
                    )));
                }
                Some(service) if service.get("build").is_none() => {
                    return Err(self.wrong(target, format!(
                        "service {name:?} declares non-buildable service {other:?} as additional contexts {context}"
                    )));
                }
                Some(_) => {}
            }
        }
        let platform = self.node.text_at(&["platform"]).unwrap_or_default();
        let platforms = self.items(&["build", "platforms"]);
        let named = platforms.iter().any(|item| item.text() == Some(platform));
        if !platform.is_empty() && !platforms.is_empty() && !named {
            return Err(self.wrong(
                build,
                format!("service.build.platforms MUST include service.platform {platform:?}"),
            ));
        }
        Ok(())
    }

    fn pull_policy(&self) -> Result<(), ComposeError> {
        let interval = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_digit() || "wdhms".contains(c))
        };
        if let Some(node) = self.node.get("pull_refresh_after")
            && let text = node.text().unwrap_or_default()
            && !interval(text)
            && !text.contains('$')
        {
            let key = format!("services.{}.pull_refresh_after", self.name);
            let message = format!("invalid duration {text:?}");
            return Err(ComposeError::attribute(&node.place, key, message)
                .advise("write it like 12h or 1w2d"));
        }
        let Some(node) = self.node.get("pull_policy") else {
            return Ok(());
        };
        let policy = node.text().unwrap_or_default();
        let known = matches!(
            policy,
            "" | "always"
                | "never"
                | "build"
                | "missing"
                | "if_not_present"
                | "refresh"
                | "daily"
                | "weekly"
        ) || policy.strip_prefix("every_").is_some_and(interval);
        if known || policy.contains('$') {
            return Ok(());
        }
        let key = format!("services.{}.pull_policy", self.name);
        let message = format!("unknown policy {policy:?}");
        Err(ComposeError::attribute(&node.place, key, message)
            .advise("write always, never, missing, build, daily, weekly or every_<duration>"))
    }

    fn networks(&self) -> Result<(), ComposeError> {
        let name = self.name;
        let mode = self.node.text_at(&["network_mode"]).unwrap_or_default();
        if !mode.is_empty() && self.keys("networks").next().is_some() {
            return Err(self.wrong(
                self.node,
                format!("service {name} declares mutually exclusive `network_mode` and `networks`"),
            ));
        }
        for (network, node) in self.keys("networks") {
            if !self.project.networks().contains_key(network) {
                return Err(self.wrong(
                    node,
                    format!("service {name:?} refers to undefined network {network}"),
                ));
            }
        }
        if let Some(other) = mode.strip_prefix("service:")
            && !self.project.services().contains_key(other)
        {
            return Err(self.wrong(
                self.node,
                format!("service {other:?} not found for network_mode 'service:{other}'"),
            ));
        }
        Ok(())
    }

    fn health_check(&self) -> Result<(), ComposeError> {
        match self.items(&["healthcheck", "test"]).first() {
            Some(first) if !matches!(first.text(), Some("CMD" | "CMD-SHELL" | "NONE")) => {
                let message =
                    r#"healthcheck.test must start either by "CMD", "CMD-SHELL" or "NONE""#;
                Err(self.wrong(first, message.to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn dependencies(&self) -> Result<(), ComposeError> {
        for (other, dependency) in self.keys("depends_on") {
            if self.project.services().contains_key(other) {
                continue;
            }
            if let Some(disabled) = self.project.disabled.get(other) {
                if !truth(dependency, "required") {
                    continue;
                }
                let profiles: Vec<&str> = disabled
                    .get("profiles")
                    .and_then(Node::list)
                    .unwrap_or_default()
                    .iter()
                    .filter_map(Node::text)
                    .collect();
                return Err(ComposeError::Disabled {
                    name: other.clone(),
                    by: self.name.to_owned(),
                    profiles: profiles.join(" "),
                });
            }
            return Err(self.wrong(
                dependency,
                format!(
                    "service {:?} depends on undefined service {other:?}",
                    self.name
                ),
            ));
        }
        Ok(())
    }

    /// Volumes, secrets, configs and models must be there.
    fn resources(&self) -> Result<(), ComposeError> {
        let undefined = |at: &Node, kind: &str, source: &str| {
            self.wrong(
                at,
                format!(
                    "service {:?} refers to undefined {kind} {source}",
                    self.name
                ),
            )
        };
        let among = |path: &[&str], known: &Map, kind: &str| {
            for item in self.items(path) {
                let source = item.text_at(&["source"]).unwrap_or_default();
                if !known.contains_key(source) {
                    return Err(undefined(item, kind, source));
                }
            }
            Ok(())
        };
        for volume in self.items(&["volumes"]) {
            let source = volume.text_at(&["source"]).unwrap_or_default();
            let named = volume.text_at(&["type"]) == Some("volume") && !source.is_empty();
            if named && !self.project.volumes().contains_key(source) {
                return Err(undefined(volume, "volume", source));
            }
        }
        among(
            &["build", "secrets"],
            self.project.secrets(),
            "build secret",
        )?;
        among(&["configs"], self.project.configs(), "config")?;
        for (model, node) in self.keys("models") {
            if !self.project.models().contains_key(model) {
                return Err(undefined(node, "model", model));
            }
        }
        among(&["secrets"], self.project.secrets(), "secret")
    }

    /// A limit that is given in two places must be the same in both.
    fn limits(&self) -> Result<(), ComposeError> {
        for (own, section, deploy) in [
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ] {
            let path = ["deploy", "resources", section];
            let Some(value) = number(self.node, &[own]).filter(|value| *value != 0.0) else {
                continue;
            };
            let Some(resources) = self.node.find(&path) else {
                continue;
            };
            let other = number(resources, &[deploy]).unwrap_or(0.0);
            if (value as f32 - other as f32).abs() > f32::EPSILON {
                return Err(self.wrong(
                    resources,
                    format!(
                        "services.{}: can't set distinct values on '{own}' and \
                         'deploy.resources.{section}.{deploy}'",
                        self.name
                    ),
                ));
            }
        }
        Ok(())
    }

    fn scale(&self) -> Result<(), ComposeError> {
        let name = self.name;
        let scale = number(self.node, &["scale"]);
        let replicas = number(self.node, &["deploy", "replicas"]);
        if let (Some(scale), Some(replicas)) = (scale, replicas)
            && scale != replicas
        {
            return Err(self.wrong(
                self.node,
                format!(
                    "services.{name}: can't set distinct values on 'scale' and 'deploy.replicas'"
                ),
            ));
        }
        for (count, key) in [(scale, "scale"), (replicas, "deploy.replicas")] {
            if count.is_some_and(|count| count < 0.0) {
                return Err(self.wrong(
                    self.node,
                    format!("services.{name}.{key}: must be greater than or equal to 0"),
                ));
            }
        }
        if scale.or(replicas).unwrap_or(1.0) > 1.0 && self.given("container_name") {
            let key = if scale.is_some() {
                "scale"
            } else {
                "deploy.replicas"
            };
            return Err(self.wrong(
                self.node,
                format!("services.{name}: can't set container_name and {key} as container name must be unique"),
            ));
        }
        Ok(())
    }

    fn watch(&self) -> Result<(), ComposeError> {
        for watch in self.items(&["develop", "watch"]) {
            let action = watch.text_at(&["action"]).unwrap_or_default();
            if !matches!(
                action,
                "sync" | "rebuild" | "restart" | "sync+restart" | "sync+exec"
            ) {
                return Err(self.wrong(
                    watch,
                    format!(
                        "services.{}.develop.watch: action must be sync, rebuild, restart, \
                         sync+restart or sync+exec, not {action:?}",
                        self.name
                    ),
                ));
            }
            let has_target = watch
                .text_at(&["target"])
                .is_some_and(|text| !text.is_empty());
            if !has_target && !matches!(action, "rebuild" | "restart") {
                return Err(self.wrong(
                    watch,
                    format!(
                        "services.{}.develop.watch: target is required for non-rebuild actions",
                        self.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Nothing is mounted over something else at the same path.
    fn mounts(&self) -> Result<(), ComposeError> {
        let mut mounted: BTreeMap<&str, String> = BTreeMap::new();
        let tmpfs = self.items(&["tmpfs"]).iter().enumerate().map(|(at, item)| {
            let path = item.text().unwrap_or_default();
            let path = path.split(':').next().unwrap_or(path);
            (item, format!("services.{}.tmpfs[{at}]", self.name), path)
        });
        let volumes = self
            .items(&["volumes"])
            .iter()
            .enumerate()
            .map(|(at, item)| {
                let path = item.text_at(&["target"]).unwrap_or_default();
                (item, format!("services.{}.volumes[{at}]", self.name), path)
            });
        for (item, key, path) in tmpfs.chain(volumes) {
            if let Some(before) = mounted.get(path) {
                return Err(self.wrong(
                    item,
                    format!("{key}: target {path} already mounted as {before}"),
                ));
            }
            mounted.insert(path, key);
        }
        Ok(())
    }
}

/// Services may not wait for each other in a circle.
fn no_cycle(project: &Project) -> Result<(), ComposeError> {
    let mut done: Vec<&str> = Vec::new();
    for name in project.services().keys() {
        visit(project, name, &mut Vec::new(), &mut done)?;
    }
    Ok(())
}

fn visit<'a>(
    project: &'a Project,
    name: &'a str,
    on_the_way: &mut Vec<&'a str>,
    done: &mut Vec<&'a str>,
) -> Result<(), ComposeError> {
    if done.contains(&name) {
        return Ok(());
    }
    if let Some(start) = on_the_way.iter().position(|seen| *seen == name) {
        let mut circle = on_the_way[start..].to_vec();
        circle.push(name);
        return Err(ComposeError::Cycle(format!(
            "dependency cycle detected: {}",
            circle.join(" -> ")
        )));
    }
    on_the_way.push(name);
    let dependencies = project
        .services()
        .get(name)
        .and_then(|service| service.get("depends_on"))
        .and_then(Node::map);
    for other in dependencies.into_iter().flat_map(Map::keys) {
        visit(project, other, on_the_way, done)?;
    }
    on_the_way.pop();
    done.push(name);
    Ok(())
}
