//! The plan of `up` and `create`: only what has changed is made anew.

use super::rolls::{Roll, Rolls};
use super::{Action, Found, Plan, State};
use crate::body;
use crate::error::ComposeError;
use crate::hash;
use crate::labels;
use crate::node::{Node, Value};
use crate::project::Project;
use std::collections::{BTreeMap, BTreeSet};

/// Which containers are made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recreate {
    /// Those whose service, image, networks or volumes have changed.
    #[default]
    Changed,
    /// All.
    Always,
    /// None.
    Never,
}

/// What `up` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Up {
    /// The services, with those they depend on; none are all.
    pub services: Vec<String>,
    /// Those named on the command line; none are all.
    pub selected: Vec<String>,
    /// For the services that were named.
    pub recreate: Recreate,
    /// For the services that those depend on.
    pub recreate_dependencies: Recreate,
    /// Containers of services that are no longer there are removed.
    pub remove_orphans: bool,
    /// Nothing is said of such containers.
    pub ignore_orphans: bool,
    /// Services whose networks and volumes are made and whose containers are not looked at:
    /// what others depend on, with `--no-deps`.
    pub left_alone: Vec<String>,
    /// Containers are made and not started.
    pub no_start: bool,
    /// When services are rolled over.
    pub rolls: Rolls,
    /// How many containers of a service, over what the project says.
    pub scale: BTreeMap<String, u32>,
    /// Volumes that are made anew with the containers that mount them, as the user has agreed
    /// to lose their data; none: nobody was asked.
    pub renewed_volumes: Option<BTreeSet<String>>,
    /// Networks and volumes are made that no service uses.
    pub all_resources: bool,
}

/// How many containers a service has.
pub fn scale(service: &Node) -> u32 {
    let number = |path: &[&str]| match service.find(path)?.value {
        Value::Int(count) => u32::try_from(count).ok(),
        _ => None,
    };
    number(&["scale"])
        .or_else(|| number(&["deploy", "replicas"]))
        .unwrap_or(1)
}

/// The steps that make the engine have what `project` says.
pub fn up(project: &Project, state: &State, options: &Up) -> Result<Plan, ComposeError> {
    let mut builder = Builder::new(project, state, options);
    builder.orphans();
    builder.networks()?;
    builder.volumes()?;
    let left = builder.left();
    builder.state = &left;
    for name in in_order(project, &options.services) {
        builder.service(&name)?;
    }
    if !options.no_start {
        for name in in_order(project, &options.services) {
            builder.start(&name);
        }
    }
    Ok(builder.plan)
}

/// What is to be told of containers that no service has any more, or the steps that remove
/// them; `options` names no services.
pub fn orphans(project: &Project, state: &State, options: &Up) -> Plan {
    let mut builder = Builder::new(project, state, options);
    builder.orphans();
    builder.plan
}

/// The steps that make the networks and volumes of these services alone, for a container of
/// `run`.
pub fn resources(
    project: &Project,
    state: &State,
    services: &[String],
) -> Result<Plan, ComposeError> {
    let options = Up {
        services: services.to_vec(),
        ..Up::default()
    };
    let mut builder = Builder::new(project, state, &options);
    builder.networks()?;
    builder.volumes()?;
    Ok(builder.plan)
}

/// The services by name, those that others depend on first.
pub(super) fn in_order(project: &Project, services: &[String]) -> Vec<String> {
    let mut order = Vec::new();
    for name in project.services().keys() {
        visit(project, name, &mut order);
    }
    order.retain(|name| services.is_empty() || services.contains(name));
    order
}

fn visit(project: &Project, name: &str, order: &mut Vec<String>) {
    if order.iter().any(|seen| seen == name) {
        return;
    }
    let Some(service) = project.services().get(name) else {
        return;
    };
    for (other, _) in body::View(service).entries("depends_on") {
        visit(project, other, order);
    }
    order.push(name.to_owned());
}

/// What the plan knows of a service while it grows.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The containers it has in the end: number, name, and whether it runs already.
    pub(super) containers: Vec<(u32, String, bool)>,
    /// The steps after which they are all there.
    made: Vec<usize>,
    /// The steps after which they are all started.
    pub(super) started: Vec<usize>,
    /// Containers that take the place of others that go on until they are healthy.
    pub(super) rolls: Vec<Roll>,
    /// Steps that wait for a condition, made once each.
    waits: BTreeMap<String, usize>,
}

pub(super) struct Builder<'a> {
    pub(super) project: &'a Project,
    pub(super) state: &'a State,
    pub(super) options: &'a Up,
    pub(super) plan: Plan,
    /// The step that makes a network, by key; and which networks' IDs are known.
    pub(super) networks: BTreeMap<String, usize>,
    pub(super) volumes: BTreeMap<String, usize>,
    services: BTreeMap<String, Progress>,
    /// Services of which a container is made or made anew.
    pub(super) renewed: BTreeSet<String>,
    /// The steps that remove containers of volumes that are made anew, by ID.
    pub(super) removed: BTreeMap<String, usize>,
}

impl<'a> Builder<'a> {
    fn new(project: &'a Project, state: &'a State, options: &'a Up) -> Self {
        Self {
            project,
            state,
            options,
            plan: Plan::default(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            services: BTreeMap::new(),
            renewed: BTreeSet::new(),
            removed: BTreeMap::new(),
        }
    }
}

impl Builder<'_> {
    fn orphans(&mut self) {
        let known = |name: &String| {
            self.project.services().contains_key(name) || self.project.disabled.contains_key(name)
        };
        let orphans: Vec<Found> = self
            .state
            .containers
            .iter()
            .filter(|container| match container.one_off {
                true => !container.is_up(),
                false => !known(&container.service),
            })
            .cloned()
            .collect();
        if orphans.is_empty() || self.options.ignore_orphans {
            return;
        }
        if !self.options.remove_orphans {
            let names: Vec<&str> = orphans.iter().map(|found| found.name.as_str()).collect();
            self.plan.warnings.push(format!(
                "Found orphan containers ([{}]) for this project. If you removed or renamed this \
                 service in your compose file, you can run this command with the \
                 --remove-orphans flag to clean it up.",
                names.join(" ")
            ));
            return;
        }
        for container in orphans {
            self.remove(container, Vec::new());
        }
    }

    /// The services that this is about.
    pub(super) fn concerned(&self) -> impl Iterator<Item = &Node> {
        let services = self.project.services().iter();
        let Up {
            services: wanted,
            left_alone,
            ..
        } = self.options;
        let concerned = services.filter(|(name, _)| {
            wanted.is_empty() || wanted.contains(name) || left_alone.contains(name)
        });
        concerned.map(|(_, service)| service)
    }

    /// What the engine has when the containers that go with their volumes are gone.
    fn left(&self) -> State {
        let mut left = self.state.clone();
        left.containers
            .retain(|found| !self.removed.contains_key(&found.id));
        left
    }

    /// Stops a container that runs and removes it; the last step of it.
    pub(super) fn remove(&mut self, container: Found, after: Vec<usize>) -> usize {
        let after = if container.is_up() {
            let stop = Action::Stop {
                container: container.clone(),
            };
            vec![self.plan.add(stop, after)]
        } else {
            after
        };
        let remove = Action::Remove {
            container,
            volumes: false,
        };
        self.plan.add(remove, after)
    }

    fn service(&mut self, name: &str) -> Result<(), ComposeError> {
        let Some(service) = self.project.services().get(name) else {
            return Err(ComposeError::NoSuchService(name.to_owned()));
        };
        if service.get("provider").is_some() {
            return Ok(());
        }
        let wanted = self
            .options
            .scale
            .get(name)
            .copied()
            .unwrap_or_else(|| scale(service)) as usize;
        if wanted > 1 && service.text_at(&["container_name"]).is_some() {
            return Err(missing(
                service,
                format!(
                    "services.{name}: can't set container_name and scale as container name must \
                     be unique"
                ),
            ));
        }
        let needed = self.needed(name, service);
        let mut existing: Vec<Found> = self.state.of_service(name).into_iter().cloned().collect();
        let next = existing.iter().map(|found| found.number).max().unwrap_or(0) + 1;
        let rolls = self.rolls(name, service);
        let only_rolls = self.options.rolls == Rolls::Only;
        // Of too many, those that would have to be made anew go first, then the last.
        let changed: Vec<String> = existing
            .iter()
            .filter(|found| !only_rolls || (rolls && found.is_up()))
            .filter(|found| self.must_renew(name, service, found))
            .map(|found| found.id.clone())
            .collect();
        existing.sort_by_key(|found| (changed.contains(&found.id), found.number));
        let surplus = existing.split_off(existing.len().min(wanted));
        for container in surplus {
            self.remove(container, Vec::new());
        }
        let mut progress = Progress::default();
        let missing_count = wanted.saturating_sub(existing.len());
        for found in existing {
            let renew = changed.contains(&found.id);
            let (number, running) = (found.number, found.is_up() && !renew);
            let mut container = found.name.clone();
            if renew && rolls && found.is_up() && self.options.rolls == Rolls::Later {
                self.plan.running.push(container.clone());
                progress.containers.push((number, container, true));
                continue;
            }
            if renew && rolls && found.is_up() {
                container = body::container_name(self.project, name, service, number);
                self.renewed.insert(name.to_owned());
                progress.rolls.push(Roll {
                    number,
                    old: found,
                    name: container,
                });
                continue;
            }
            if renew {
                container = body::container_name(self.project, name, service, number);
                let step = self.renew(name, found, container.clone(), &needed);
                progress.made.push(step);
            } else if running {
                self.plan.running.push(container.clone());
            }
            progress.containers.push((number, container, running));
        }
        for number in (next..).take(missing_count) {
            let container = body::container_name(self.project, name, service, number);
            let create = Action::Create {
                service: name.to_owned(),
                number,
                name: container.clone(),
                replaces: None,
            };
            self.renewed.insert(name.to_owned());
            let step = self.plan.add(create, needed.iter().copied());
            progress.made.push(step);
            progress.containers.push((number, container, false));
        }
        progress.containers.sort();
        self.services.insert(name.to_owned(), progress);
        Ok(())
    }

    /// The steps that must be done before a container of the service can be made.
    fn needed(&self, name: &str, service: &Node) -> Vec<usize> {
        let view = body::View(service);
        let networks = view.entries("networks").into_iter();
        let mut steps: Vec<usize> = networks
            .filter_map(|(key, _)| self.networks.get(key).copied())
            .collect();
        for volume in view.objects("volumes") {
            steps.extend(self.volumes.get(volume.str("source")));
        }
        // A container that only its name tells is there before this one looks for it.
        let named = match view.items("external_links").is_empty() {
            true => Vec::new(),
            false => view.entries("depends_on"),
        };
        let named = named.into_iter().map(|(other, _)| other.clone());
        for other in self.referred(name, service).into_iter().chain(named) {
            if let Some(progress) = self.services.get(&other) {
                steps.extend(&progress.made);
            }
        }
        steps
    }

    /// The services whose containers a container of this one names.
    fn referred(&self, name: &str, service: &Node) -> Vec<String> {
        let view = body::View(service);
        let modes = ["network_mode", "ipc", "pid"]
            .iter()
            .filter_map(|key| view.str(key).strip_prefix("service:"));
        let first = |text: &str| text.split(':').next().unwrap_or(text).to_owned();
        let listed = ["volumes_from", "links"]
            .iter()
            .flat_map(|key| view.items(key))
            .filter_map(Node::text)
            .map(first);
        modes
            .map(str::to_owned)
            .chain(listed)
            .filter(|other| other != name && other != "container")
            .collect()
    }

    fn must_renew(&self, name: &str, service: &Node, found: &Found) -> bool {
        let selected = self.options.selected.is_empty()
            || self
                .options
                .selected
                .iter()
                .any(|selected| selected == name);
        let policy = if selected {
            self.options.recreate
        } else {
            self.options.recreate_dependencies
        };
        match policy {
            Recreate::Never => return false,
            Recreate::Always => return true,
            Recreate::Changed => {}
        }
        let refers_to_new = self
            .referred(name, service)
            .iter()
            .any(|other| self.renewed.contains(other));
        if refers_to_new || self.renewed.contains(name) {
            return true;
        }
        let containers = self.state.first_containers();
        let Ok(resolved) = body::with_references(name, service, &containers) else {
            return true;
        };
        let label = |key: &str| found.labels.get(key);
        label(labels::CONFIG_HASH) != Some(&hash::service(&resolved))
            || label(labels::IMAGE) != self.state.images.get(name)
            || self.holds_else(name, found)
            || self.lacks_network(service, found)
            || self.lacks_volume(service, found)
    }

    /// Whether configs or secrets hold something else by now; unknown of containers that
    /// stock Compose made.
    fn holds_else(&self, name: &str, found: &Found) -> bool {
        let now = self.state.contents.get(name);
        found
            .contents
            .as_ref()
            .zip(now)
            .is_some_and(|(then, now)| then != now)
    }

    fn lacks_network(&self, service: &Node, found: &Found) -> bool {
        let keys = body::View(service).entries("networks").into_iter();
        found.state == "running"
            && keys.into_iter().any(|(key, _)| {
                let name = body::network_name(self.project, key);
                let network = self
                    .state
                    .networks
                    .iter()
                    .find(|network| network.name == name);
                network.is_none_or(|network| !found.networks.contains(&network.id))
            })
    }

    fn lacks_volume(&self, service: &Node, found: &Found) -> bool {
        body::View(service).objects("volumes").any(|volume| {
            let source = volume.str("source");
            let Some(defined) = self.project.volumes().get(source) else {
                return false;
            };
            let name = defined.text_at(&["name"]).unwrap_or(source);
            volume.str("type") == "volume"
                && !found
                    .mounts
                    .iter()
                    .any(|mount| mount.kind == "volume" && mount.source == name)
        })
    }

    /// A container beside the old one, which then takes its place.
    fn renew(&mut self, name: &str, old: Found, container: String, needed: &[usize]) -> usize {
        self.renewed.insert(name.to_owned());
        let number = old.number;
        let create = Action::Create {
            service: name.to_owned(),
            number,
            name: container.clone(),
            replaces: Some(old.clone()),
        };
        let mut before = vec![self.plan.add(create, needed.iter().copied())];
        before.extend(self.stop_dependents(name));
        let replace = Action::Replace {
            service: name.to_owned(),
            number,
            old,
            name: container,
        };
        self.plan.add(replace, before)
    }

    /// Stops the containers of services that shall be started anew with this one.
    fn stop_dependents(&mut self, name: &str) -> Vec<usize> {
        let dependents = self.project.services().iter().filter(|(_, service)| {
            service
                .find(&["depends_on", name, "restart"])
                .is_some_and(|restart| restart.value == Value::Bool(true))
        });
        let names: Vec<String> = dependents.map(|(name, _)| name.clone()).collect();
        let mut steps = Vec::new();
        for dependent in names {
            let running = self.state.of_service(&dependent).into_iter();
            for container in running
                .filter(|found| found.is_up())
                .cloned()
                .collect::<Vec<_>>()
            {
                let stop = Action::Stop { container };
                let known = self.plan.steps.iter().position(|step| step.action == stop);
                steps.push(known.unwrap_or_else(|| self.plan.add(stop, [])));
            }
        }
        steps
    }

    fn start(&mut self, name: &str) {
        let Some(mut progress) = self.services.remove(name) else {
            return;
        };
        let mut before = progress.made.clone();
        if let Some(service) = self.project.services().get(name) {
            for (other, dependency) in body::View(service).entries("depends_on") {
                before.extend(self.dependency(other, dependency));
            }
        }
        self.roll(name, &mut progress, &before);
        for (number, container, running) in &progress.containers {
            let stopped = self.plan.steps.iter().position(|step| {
                matches!(&step.action, Action::Stop { container: found } if &found.name == container)
            });
            if *running && stopped.is_none() {
                continue;
            }
            let start = Action::Start {
                service: name.to_owned(),
                number: *number,
                name: container.clone(),
            };
            let after = before.iter().copied().chain(stopped);
            let step = self.plan.add(start, after);
            progress.started.push(step);
        }
        self.services.insert(name.to_owned(), progress);
    }

    /// The steps after which a dependency is as it must be.
    fn dependency(&mut self, other: &str, dependency: &Node) -> Vec<usize> {
        let view = body::View(dependency);
        let condition = view.str("condition");
        let required = view.given_truth("required").unwrap_or(true);
        let Some(progress) = self.services.get_mut(other) else {
            return Vec::new();
        };
        if condition == "service_started" || progress.containers.is_empty() {
            return progress.started.clone();
        }
        let key = format!("{condition} {required}");
        if let Some(step) = progress.waits.get(&key) {
            return vec![*step];
        }
        let wait = Action::Wait {
            service: other.to_owned(),
            condition: condition.to_owned(),
            required,
        };
        let step = self.plan.add(wait, progress.started.iter().copied());
        progress.waits.insert(key, step);
        vec![step]
    }
}

pub(super) fn missing(at: &Node, message: String) -> ComposeError {
    ComposeError::Inconsistent {
        place: Some(at.place.clone()),
        message,
    }
}
