//! From the syntax tree to the graph: stages in the order of what they need.

mod base;
mod image;
mod needs;
mod run;
mod step;
mod transfer;

pub(crate) use image::ToPull;
pub(crate) use run::{HOSTNAME, SCRIPTS};

use crate::{
    Error, Result,
    build::Inner,
    config::Draft as Config,
    context::Context,
    materials::Material,
    order::in_order,
    progress::ProgressSender,
    request::BuildRequest,
    scope::{Scope, platform_arguments},
    session::Session,
    vertex::Vertex,
};
use corten_dockerfile::{Dockerfile, Instruction, Location, Rule, Warning};
use corten_oci::Platform;
use futures_util::FutureExt;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};
use tokio::sync::OnceCell;

/// The path variable of processes in images without one.
pub(crate) const DEFAULT_PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage that has been gone through.
#[derive(Clone)]
pub(crate) struct StageState {
    pub vertex: Arc<Vertex>,
    pub config: Config,
    pub scope: Scope,
    /// `CMD` stood in this stage.
    pub cmd_set: bool,
    /// Triggers of the image, for the stages that stand on this one.
    pub triggers: Vec<String>,
    pub platform: Platform,
}

/// Where files of the client come from.
pub(crate) struct Sources {
    pub context: Arc<Context>,
    pub named: BTreeMap<String, Arc<Context>>,
}

/// A build while its graph is made.
pub(crate) struct Lowering<'a> {
    pub inner: &'a Inner,
    pub request: &'a BuildRequest,
    pub file: &'a Dockerfile,
    pub session: &'a dyn Session,
    pub progress: &'a ProgressSender,
    pub context: Arc<Context>,
    pub named: BTreeMap<String, Arc<Context>>,
    pub platform: Platform,
    /// Steps are shown with their platforms.
    pub several: bool,
    stages: Vec<OnceCell<Arc<StageState>>>,
    /// The stages that the target needs, once that is known.
    reached: OnceLock<Vec<usize>>,
    globals: Scope,
    warnings: Mutex<Vec<Warning>>,
    /// Images that were looked at. Lock: held for memory work only.
    images: Mutex<Vec<Material>>,
    bases: image::Bases,
}

impl<'a> Lowering<'a> {
    pub fn new(
        inner: &'a Inner,
        request: &'a BuildRequest,
        file: &'a Dockerfile,
        session: &'a dyn Session,
        progress: &'a ProgressSender,
        sources: Sources,
        platform: Platform,
    ) -> Result<Self> {
        let Sources { context, named } = sources;
        let mut lowering = Self {
            inner,
            request,
            file,
            session,
            progress,
            context,
            named,
            platform,
            several: false,
            stages: file.stages.iter().map(|_| OnceCell::new()).collect(),
            reached: OnceLock::new(),
            globals: Scope::default(),
            warnings: Mutex::new(file.warnings.clone()),
            images: Mutex::default(),
            bases: Mutex::default(),
        };
        lowering.globals = lowering.global_scope(true)?;
        Ok(lowering)
    }

    /// Arguments before the first `FROM`, with what the client says or without.
    fn global_scope(&self, with_request: bool) -> Result<Scope> {
        let mut scope = Scope::default();
        for (name, value) in platform_arguments(&self.platform) {
            scope.set_argument(&name, Some(value));
        }
        let stage = match self.request.target.as_str() {
            "" => {
                let last = self.file.stages.last().and_then(|it| it.name.clone());
                last.unwrap_or_else(|| "default".to_owned())
            }
            target => target.to_owned(),
        };
        scope.set_argument("TARGETSTAGE", Some(stage));
        if with_request {
            for (name, value) in &self.request.arguments {
                if scope.get(name).is_some() {
                    scope.set_argument(name, Some(value.clone()));
                }
            }
        }
        for (argument, location) in &self.file.global_arguments {
            let given = with_request
                .then(|| self.request.arguments.get(&argument.name))
                .flatten();
            let value = match (given, &argument.value) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(word)) => {
                    let expanded = scope
                        .expand(word, self.escape())
                        .map_err(|error| error.at(*location))?;
                    Some(expanded.text)
                }
                (None, None) => scope.get(&argument.name),
            };
            scope.set_argument(&argument.name, value);
        }
        Ok(scope)
    }

    pub fn escape(&self) -> char {
        self.file.directives.escape
    }

    pub fn warn(&self, rule: Rule, location: Location, message: String) {
        if !rule.runs(&self.file.directives) {
            return;
        }
        let warning = Warning {
            rule,
            message,
            location,
        };
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Whether lines are in one of these stages.
    fn is_in(&self, at: Location, stages: &[usize]) -> bool {
        let begun = |stage: &corten_dockerfile::Stage| stage.location.start <= at.start;
        let stage = self.file.stages.iter().rposition(begun);
        stage.is_none_or(|it| stages.contains(&it))
    }

    /// Whether the target needs this stage.
    pub fn is_reached(&self, stage: usize) -> bool {
        self.reached.get().is_some_and(|it| it.contains(&stage))
    }

    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = self
            .warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let reached = self.reached.get().map_or(&[][..], Vec::as_slice);
        found.retain(|it| !it.rule.is_of_reached_stages() || self.is_in(it.location, reached));
        found.sort_by_key(|it| it.location.start);
        found
    }

    /// The stage to build.
    pub fn target(&self) -> Result<usize> {
        match self.request.target.as_str() {
            "" => Ok(self.file.stages.len() - 1),
            name => self
                .file
                .stage(name)
                .ok_or_else(|| no_target(self.file, name)),
        }
    }

    /// The images that stages stand on or copy from.
    pub fn images(&self) -> Vec<Material> {
        let images = self.images.lock();
        images.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The state of a stage; what it needs is gone through first, at the same time.
    pub async fn stage(&self, target: usize) -> Result<Arc<StageState>> {
        let mut wanted = vec![target];
        let mut needs: Vec<Vec<usize>> = Vec::new();
        while let Some(stage) = wanted.get(needs.len()).copied() {
            let mut list = Vec::new();
            for need in self.needs(stage) {
                let place = wanted.iter().position(|it| *it == need).unwrap_or_else(|| {
                    wanted.push(need);
                    wanted.len() - 1
                });
                if !list.contains(&place) {
                    list.push(place);
                }
            }
            needs.push(list);
        }
        // A build has one target.
        let _ = self.reached.set(wanted.clone());
        in_order(&needs, async |place| {
            let stage = wanted[place];
            let made = self.make_stage(stage).boxed().await?;
            // Each stage is made once.
            let _ = self.stages[stage].set(Arc::new(made));
            Ok(())
        })
        .await?;
        self.finished(target).ok_or(Error::Cancelled)
    }

    /// A stage that has been gone through already.
    pub fn finished(&self, index: usize) -> Option<Arc<StageState>> {
        self.stages.get(index)?.get().cloned()
    }

    async fn make_stage(&self, index: usize) -> Result<StageState> {
        let stage = &self.file.stages[index];
        let located = |error: Error| error.at(stage.location);
        let (mut state, image_layers) = Box::pin(self.base(index)).await.map_err(located)?;
        let mut triggers = Vec::new();
        for text in std::mem::take(&mut state.triggers) {
            triggers.push(corten_dockerfile::Command {
                instruction: corten_dockerfile::parse_trigger(&text)?,
                location: stage.location,
                text: format!("ONBUILD {}", text.lines().next().unwrap_or_default()),
            });
        }
        let commands: Vec<&corten_dockerfile::Command> =
            triggers.iter().chain(&stage.commands).collect();
        let steps = commands
            .iter()
            .filter(|command| {
                matches!(
                    command.instruction,
                    Instruction::Run(_)
                        | Instruction::Copy(_)
                        | Instruction::Add(_)
                        | Instruction::Workdir(_)
                )
            })
            .count()
            + usize::from(image_layers.is_some());
        let mut names = step::Names {
            platform: self.shown_platform(&state),
            stage: match &stage.name {
                _ if self.is_alone() => String::new(),
                Some(name) => format!("{name} "),
                None => format!("stage-{index} "),
            },
            total: steps,
            next: 1,
        };
        if let Some(layers) = image_layers {
            state.vertex = self.image_vertex(
                &names.next(&format!("FROM {}", layers.name)),
                layers.image,
                stage.location,
            );
        }
        let no_cache = self.request.no_cache
            || stage.name.as_ref().is_some_and(|name| {
                self.request
                    .no_cache_stages
                    .iter()
                    .any(|it| it.eq_ignore_ascii_case(name))
            });
        for command in commands {
            names.platform = self.shown_platform(&state);
            Box::pin(self.command(&mut state, command, &mut names, no_cache))
                .await
                .map_err(|error| error.at(command.location))?;
        }
        Ok(state)
    }

    /// `linux/amd64 `, or `linux/amd64->arm64 ` where the stage says that it builds for
    /// another one; nothing in a build for one platform.
    fn shown_platform(&self, state: &StageState) -> String {
        if !self.several {
            return String::new();
        }
        let own = &state.platform;
        let declared = |name: &str| state.scope.get(name).unwrap_or_default();
        let architecture = match declared("TARGETARCH") {
            text if text.is_empty() => own.architecture.clone(),
            text => text,
        };
        let target = Platform::new(&own.os, &architecture, &declared("TARGETVARIANT"));
        match (&target.variant, target.architecture == own.architecture) {
            (_, true) => format!("{own} "),
            (None, false) => format!("{own}->{} ", target.architecture),
            (Some(variant), false) => format!("{own}->{}/{variant} ", target.architecture),
        }
    }

    pub fn global(&self, name: &str) -> Option<String> {
        self.globals.get(name)
    }
}

/// There is no such stage; one with a similar name is told.
pub(crate) fn no_target(file: &Dockerfile, name: &str) -> Error {
    let names = file.stages.iter().filter_map(|it| it.name.as_deref());
    let hint = corten_dockerfile::similar(name, names);
    let hint = hint.map_or_else(String::new, |it| format!(" (did you mean {it}?)"));
    Error::Invalid(format!("target stage {name:?} could not be found{hint}"))
}
