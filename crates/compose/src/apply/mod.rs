//! Carries a plan out: every step as soon as those before it are done, a bounded number at
//! the same time, through the engine's API.

mod event;
mod one_off;
mod roll;
mod start;
mod state;
mod stop;
mod wait;

pub use event::{Amount, Event, Phase, Progress};
pub use one_off::OneOff;
pub use state::read as read_state;

use crate::body::{self, Surroundings};
use crate::error::ComposeError;
use crate::node::Node;
use crate::plan::{Action, Found, Plan, State};
use crate::project::Project;
use corten_base::{Kind, KindOf};
use corten_client::{Client, ClientError, Request};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value as J;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The engine refused, or could not be reached.
    #[error("{0}")]
    Engine(#[from] ClientError),
    /// The project asks for what cannot be.
    #[error("{0}")]
    Project(#[from] ComposeError),
    /// A stream of the engine broke off, or a file to be put into a container has a name
    /// that an archive cannot hold.
    #[error("{0}")]
    Stream(#[from] std::io::Error),
    /// A network could not be made.
    #[error("failed to create network {name}: {source}")]
    Network {
        /// Its name.
        name: String,
        /// What the engine said.
        source: ClientError,
    },
    /// A service that another one waits for will never be as needed.
    #[error("{0}")]
    Dependency(String),
    /// A hook's command failed.
    #[error("{service} hook exited with status {code}")]
    Hook {
        /// The service.
        service: String,
        /// Its exit code.
        code: i64,
    },
}

impl KindOf for ApplyError {
    fn kind(&self) -> Kind {
        match self {
            Self::Project(error) => error.kind(),
            Self::Engine(_) | Self::Network { .. } | Self::Stream(_) => Kind::Unavailable,
            Self::Dependency(_) | Self::Hook { .. } => Kind::Conflict,
        }
    }
}

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Steps at the same time; at least one.
    pub parallel: usize,
    /// Seconds that a container gets to stop, over its own.
    pub stop_timeout: Option<i64>,
    /// Anonymous volumes of a replaced container are not taken over.
    pub renew_anonymous_volumes: bool,
    /// The client's proxy variables for containers.
    pub proxy: BTreeMap<String, String>,
    /// Labels of every container beyond its service's.
    pub labels: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            parallel: 16,
            stop_timeout: None,
            renew_anonymous_volumes: false,
            proxy: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
}

/// A plan being carried out.
pub struct Apply<'a> {
    /// The engine.
    pub client: &'a Client,
    /// What the plan was made from; none for `down` without files.
    pub project: Option<&'a Project>,
    /// What the engine had when the plan was made.
    pub state: &'a State,
    /// How.
    pub settings: &'a Settings,
    /// Where it is shown.
    pub progress: &'a dyn Progress,
}

/// What a container is made in place of.
#[derive(Debug, Clone, Copy)]
enum Before<'a> {
    Nothing,
    /// One that stops before this one starts.
    Stops(&'a Found),
    /// One that goes on until this one serves.
    GoesOn(&'a Found),
}

/// The containers by service and number as they come to be.
type Containers = RefCell<BTreeMap<(String, u32), (String, String)>>;

impl Apply<'_> {
    /// Does all steps. The first failure ends it; steps that have begun are finished.
    pub async fn run(&self, plan: &Plan) -> Result<(), ApplyError> {
        for warning in &plan.warnings {
            self.progress.warn(warning);
        }
        for name in &plan.running {
            self.tell(&format!("Container {name}"), Phase::Done, "Running");
        }
        let containers = self.known_containers();
        let mut missing: Vec<usize> = plan.steps.iter().map(|step| step.after.len()).collect();
        let mut ready: Vec<usize> = (0..plan.steps.len())
            .rev()
            .filter(|step| missing[*step] == 0)
            .collect();
        let mut running = FuturesUnordered::new();
        let mut failure = None;
        loop {
            while failure.is_none() && running.len() < self.settings.parallel.max(1) {
                let Some(step) = ready.pop() else {
                    break;
                };
                let action = &plan.steps[step].action;
                let containers = &containers;
                running.push(async move { (step, self.step(action, containers).await) });
            }
            let Some((done, result)) = running.next().await else {
                break;
            };
            if let Err(error) = result {
                failure.get_or_insert(error);
                continue;
            }
            for (step, left) in missing.iter_mut().enumerate() {
                if plan.steps[step].after.contains(&done) {
                    *left -= 1;
                    if *left == 0 {
                        ready.insert(0, step);
                    }
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Tells what would be done, in an order in which it could be.
    pub fn show(&self, plan: &Plan) {
        for warning in &plan.warnings {
            self.progress.warn(warning);
        }
        for name in &plan.running {
            self.tell(&format!("Container {name}"), Phase::Done, "Running");
        }
        for step in &plan.steps {
            let (id, doing, done) = step.action.words();
            let ids = match &step.action {
                Action::Wait { service, .. } => self.to_come(plan, service),
                _ => vec![id],
            };
            for id in ids {
                self.tell(&id, Phase::Working, doing);
                self.tell(&id, Phase::Done, done);
            }
        }
    }

    /// The containers that a service has when the plan is carried out.
    fn to_come(&self, plan: &Plan, service: &str) -> Vec<String> {
        let there = self.state.of_service(service).into_iter();
        let made = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Create {
                service: of, name, ..
            } if of == service => Some(name),
            _ => None,
        });
        let names = there.map(|found| &found.name).chain(made);
        let names: std::collections::BTreeSet<&String> = names.collect();
        let names = names.into_iter();
        names.map(|name| format!("Container {name}")).collect()
    }

    fn known_containers(&self) -> Containers {
        let known = self.state.containers.iter().filter(|found| !found.one_off);
        RefCell::new(
            known
                .map(|found| {
                    let key = (found.service.clone(), found.number);
                    (key, (found.id.clone(), found.name.clone()))
                })
                .collect(),
        )
    }

    fn tell(&self, id: &str, phase: Phase, status: &str) {
        self.progress.event(Event::of(id, phase).status(status));
    }

    /// Tells of a thing before and after it is done.
    async fn told<T>(
        &self,
        id: &str,
        (doing, done): (&str, &str),
        work: impl Future<Output = Result<T, ApplyError>>,
    ) -> Result<T, ApplyError> {
        self.tell(id, Phase::Working, doing);
        match work.await {
            Ok(value) => {
                self.tell(id, Phase::Done, done);
                Ok(value)
            }
            Err(error) => {
                match doing {
                    "Killing" | "Stopping" | "Removing" => {
                        self.tell(id, Phase::Error, &format!("Error while {doing}"));
                    }
                    // The command ends with the sentence itself.
                    "Starting" => {}
                    _ => self.tell(id, Phase::Error, &error.to_string()),
                }
                Err(error)
            }
        }
    }

    async fn step(&self, action: &Action, containers: &Containers) -> Result<(), ApplyError> {
        match action {
            Action::CreateNetwork { name, body } => {
                let work = self.create_network(name, body);
                self.told(&format!("Network {name}"), ("Creating", "Created"), work)
                    .await
            }
            Action::CreateVolume { name, body } => {
                let work = self.post("/volumes/create", body);
                self.told(&format!("Volume {name}"), ("Creating", "Created"), work)
                    .await
            }
            Action::Create {
                service,
                number,
                name,
                replaces,
            } => {
                let words = match replaces {
                    Some(_) => ("Recreate", "Recreate"),
                    None => ("Creating", "Created"),
                };
                let before = replaces.as_ref().map_or(Before::Nothing, Before::Stops);
                let work = self.create(service, *number, name, before, containers);
                self.told(&format!("Container {name}"), words, work).await
            }
            Action::Replace {
                service,
                number,
                old,
                name,
            } => {
                let work = self.replace(service, *number, old, name, containers);
                self.told(
                    &format!("Container {name}"),
                    ("Recreate", "Recreated"),
                    work,
                )
                .await
            }
            Action::Roll { .. } => self.roll(action, containers).await,
            Action::Start {
                service,
                number,
                name,
            } => {
                let id = self.id_of(service, *number, containers);
                let work = self.start(service, &id);
                self.told(&format!("Container {name}"), ("Starting", "Started"), work)
                    .await
            }
            Action::Wait {
                service,
                condition,
                required,
            } => self.wait(service, condition, *required, containers).await,
            Action::Stop { container } => {
                let work = self.stop(container);
                let id = format!("Container {}", container.name);
                self.told(&id, ("Stopping", "Stopped"), work).await
            }
            Action::Restart { container } => {
                let id = format!("Container {}", container.name);
                self.told(&id, ("Restarting", "Started"), self.restart(container))
                    .await
            }
            Action::Kill { container, signal } => {
                let id = format!("Container {}", container.name);
                let query = [("signal", signal)];
                let work = self.act(container, "kill", &query);
                self.told(&id, ("Killing", "Killed"), work).await
            }
            Action::Pause { container } => {
                self.act(container, "pause", &[]).await?;
                let id = format!("Container {}", container.name);
                self.tell(&id, Phase::Done, "Paused");
                Ok(())
            }
            Action::Unpause { container } => {
                self.act(container, "unpause", &[]).await?;
                let id = format!("Container {}", container.name);
                self.tell(&id, Phase::Done, "Unpaused");
                Ok(())
            }
            Action::Remove { container, volumes } => {
                let path = format!("/containers/{}", container.id);
                let work = self.delete(path, *volumes);
                let id = format!("Container {}", container.name);
                self.told(&id, ("Removing", "Removed"), work).await
            }
            Action::RemoveNetwork { name } => self.remove_free("Network", "networks", name).await,
            Action::RenewVolume { name, body } => {
                let work = async {
                    let path = format!("/volumes/{}", Client::segment(name));
                    let request = self.client.delete(path).flag("force", true);
                    request.send().await?.bytes().await?;
                    self.post("/volumes/create", body).await
                };
                self.told(&format!("Volume {name}"), ("Creating", "Created"), work)
                    .await
            }
            Action::RemoveVolume { name } => self.remove_free("Volume", "volumes", name).await,
            Action::RemoveImage { name } => self.remove_free("Image", "images", name).await,
        }
    }

    async fn post(&self, path: &str, body: &J) -> Result<(), ApplyError> {
        self.client
            .post(path)
            .json(body)
            .send()
            .await?
            .bytes()
            .await?;
        Ok(())
    }

    /// A verb on a container that is there.
    async fn act(
        &self,
        container: &Found,
        verb: &str,
        query: &[(&str, &String)],
    ) -> Result<(), ApplyError> {
        let path = format!("/containers/{}/{verb}", container.id);
        let request = self.client.post(path);
        let request = query.iter().fold(request, |request, (key, value)| {
            request.query_if(key, value)
        });
        request.send().await?.bytes().await?;
        Ok(())
    }

    /// Something that is gone already is as good as removed.
    async fn delete(&self, path: String, volumes: bool) -> Result<(), ApplyError> {
        let request = self.client.delete(path).flag("v", volumes);
        send_unless_gone(request).await
    }

    /// Removes what nobody else uses; what is used stays, and that is told.
    async fn remove_free(&self, kind: &str, path: &str, name: &str) -> Result<(), ApplyError> {
        let id = format!("{kind} {name}");
        self.tell(&id, Phase::Working, "Removing");
        let path = format!("/{path}/{}", Client::segment(name));
        match self.delete(path, false).await {
            Ok(()) => self.tell(&id, Phase::Done, "Removed"),
            Err(ApplyError::Engine(error))
                if matches!(error.kind(), Kind::Forbidden | Kind::Conflict) =>
            {
                self.tell(&id, Phase::Warning, "Resource is still in use");
            }
            Err(error) => {
                self.tell(&id, Phase::Error, "Error");
                return Err(error);
            }
        }
        Ok(())
    }

    async fn create_network(&self, name: &str, body: &J) -> Result<(), ApplyError> {
        let failed = |source| ApplyError::Network {
            name: name.to_owned(),
            source,
        };
        let request = self.client.post("/networks/create").json(body);
        let response = request.send().await.map_err(failed)?;
        response.bytes().await.map_err(failed)?;
        Ok(())
    }

    fn service(&self, name: &str) -> Result<(&Project, &Node), ApplyError> {
        let project = self.project;
        let found = project.and_then(|project| Some((project, project.services().get(name)?)));
        found.ok_or_else(|| ComposeError::NoSuchService(name.to_owned()).into())
    }

    fn id_of(&self, service: &str, number: u32, containers: &Containers) -> String {
        let containers = containers.borrow();
        let found = containers.get(&(service.to_owned(), number));
        found.map(|(id, _)| id.clone()).unwrap_or_default()
    }

    async fn create(
        &self,
        name: &str,
        number: u32,
        container: &str,
        before: Before<'_>,
        containers: &Containers,
    ) -> Result<(), ApplyError> {
        let (project, service) = self.service(name)?;
        let mut around = self.surroundings(name, containers);
        let mut request_name = container.to_owned();
        if let Before::GoesOn(old) = before {
            around.succeeds = Some(old.id.clone());
        }
        if let Before::GoesOn(old) | Before::Stops(old) = before {
            request_name = format!("{}_{container}", old.id.get(..12).unwrap_or(&old.id));
            around.replaces = Some(match service.text_at(&["container_name"]) {
                Some(own) => own.to_owned(),
                None => format!("{name}-{number}"),
            });
            if !self.settings.renew_anonymous_volumes {
                around.inherited = old.mounts.clone();
                around.image_volumes = self.image_volumes(project, name, service).await?;
            }
        }
        let resolved = body::with_references(name, service, &around.containers)?;
        let body = body::create(project, name, &resolved, number, &around)?;
        for sentence in body::ignored(project, &resolved) {
            self.progress.warn(sentence);
        }
        let platform = match service.text_at(&["platform"]) {
            Some(platform) => platform,
            None => project
                .env
                .get("DOCKER_DEFAULT_PLATFORM")
                .map_or("", String::as_str),
        };
        let request = self
            .client
            .post("/containers/create")
            .query("name", &request_name)
            .query_if("platform", platform);
        let answer: J = request.json(&body).send().await?.json().await?;
        for warning in answer["Warnings"].as_array().into_iter().flatten() {
            let text = warning.as_str().unwrap_or_default();
            self.tell(name, Phase::Warning, text);
        }
        let id = answer["Id"].as_str().unwrap_or_default().to_owned();
        let key = (name.to_owned(), number);
        containers
            .borrow_mut()
            .insert(key, (id, container.to_owned()));
        Ok(())
    }

    fn surroundings(&self, name: &str, containers: &Containers) -> Surroundings {
        let containers = containers.borrow();
        let mut around = Surroundings {
            image_id: self.state.images.get(name).cloned(),
            contents: self.state.contents.get(name).cloned(),
            proxy: self.settings.proxy.clone(),
            labels: self.settings.labels.clone(),
            aliases: true,
            ..Surroundings::default()
        };
        for ((service, _), (id, container)) in containers.iter() {
            around
                .containers
                .entry(service.clone())
                .or_insert_with(|| id.clone());
            let names = around.names.entry(service.clone()).or_default();
            names.push(container.clone());
        }
        around
    }

    /// The volumes that a service's image declares.
    async fn image_volumes(
        &self,
        project: &Project,
        name: &str,
        service: &Node,
    ) -> Result<Vec<String>, ApplyError> {
        let image = body::image_name(project, name, service);
        let path = format!("/images/{}/json", Client::segment(&image));
        let image: J = self.client.get(path).send().await?.json().await?;
        let volumes = image["Config"]["Volumes"].as_object();
        Ok(volumes
            .into_iter()
            .flatten()
            .map(|(target, _)| target.clone())
            .collect())
    }

    async fn replace(
        &self,
        service: &str,
        number: u32,
        old: &Found,
        name: &str,
        containers: &Containers,
    ) -> Result<(), ApplyError> {
        let id = self.id_of(service, number, containers);
        self.stop(old).await?;
        self.take_name(&id, old, name).await
    }

    /// Removes `old`, which is stopped, and gives `name` to the container `id`.
    async fn take_name(&self, id: &str, old: &Found, name: &str) -> Result<(), ApplyError> {
        self.delete(format!("/containers/{}", old.id), false)
            .await?;
        let path = format!("/containers/{id}/rename");
        let request = self.client.post(path).query("name", name);
        request.send().await?.bytes().await?;
        Ok(())
    }
}

/// Stops or removes something; what is gone already needs neither.
async fn send_unless_gone(request: Request<'_>) -> Result<(), ApplyError> {
    match request.send().await {
        Ok(response) => {
            response.bytes().await?;
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
