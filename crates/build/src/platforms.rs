//! One Dockerfile for one or several platforms: a graph for each, solved together, so that
//! what they share (a stage of `$BUILDPLATFORM`, files of the client) is made once.

use crate::{
    BuildRequest, BuildResult, Builder, Error, Failure, ProgressSender,
    build::definition_digest,
    cache_manifest::CachedStep,
    context::Context,
    inline_cache,
    instructions::instructions,
    layout,
    lower::{Lowering, Sources, StageState},
    materials::{self, Known, Material},
    progress::{Event, WarningEvent},
    request::ContextSource,
    session::Session,
    solve::Solver,
    vertex::{Op, Vertex},
};
use corten_dockerfile::{Dockerfile, Warning};
use corten_oci::Platform;
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

type Answer<T> = std::result::Result<T, Failure>;

impl Builder {
    /// Builds for [`BuildRequest::platform`], or this machine's. Dropping the future stops
    /// every step.
    ///
    /// # Errors
    /// The first step's that fails; [`Error::location`] tells its lines.
    pub async fn build(
        &self,
        request: &BuildRequest,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Answer<BuildResult> {
        let platform = request.platform.clone().unwrap_or_else(Platform::host);
        let platforms = [platform];
        let building = self.build_platforms(request, &platforms, session, progress);
        let mut results = Box::pin(building).await?;
        results
            .pop()
            .ok_or_else(|| Failure::early(Error::Cancelled))
    }

    /// Builds for each of these platforms; the results are in their order.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn build_platforms(
        &self,
        request: &BuildRequest,
        platforms: &[Platform],
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Answer<Vec<BuildResult>> {
        let inner = &self.0;
        let here = self.remote_context(request, session, progress);
        let here = here.await.map_err(Failure::early)?;
        let request = here.as_ref().map_or(request, |here| &here.request);
        let remote = here.as_ref().and_then(|here| here.material.as_ref());
        let (text, context) = self
            .load(request, session, progress)
            .await
            .map_err(Failure::early)?;
        let source: Arc<[String]> = corten_dockerfile::source_lines(&text).into();
        let failed = |error: Error| Failure {
            error,
            file: request.filename.clone(),
            source: source.clone(),
            warnings: Vec::new(),
        };
        let mut file = Dockerfile::parse(&text).map_err(|error| failed(error.into()))?;
        if let Some(checks) = request.arguments.get("BUILDKIT_DOCKERFILE_CHECK") {
            file.directives
                .set_checks(checks)
                .map_err(|error| failed(error.into()))?;
        }
        let named: BTreeMap<String, Arc<Context>> = request
            .named_contexts
            .iter()
            .map(|(name, source)| {
                let context = Context::new(name, source.clone(), Default::default());
                (name.clone(), context)
            })
            .collect();
        let several = platforms.len() > 1;
        let mut layouts = Vec::new();
        let mut contexts = Vec::new();
        for platform in platforms {
            let mut own = of_platform(&named, platform);
            let opening = layout::open(inner, session, progress, &mut own, platform);
            layouts.extend(Box::pin(opening).await.map_err(failed)?);
            contexts.push(own);
        }
        let parts = platforms.iter().zip(contexts);
        // Lock: held for memory work only.
        let warnings: Mutex<Vec<Warning>> = Mutex::default();
        let warnings_of_all = &warnings;
        let lowered = parts.map(|(platform, named)| async {
            let mut lowering = Lowering::new(
                inner,
                request,
                &file,
                session,
                progress,
                Sources {
                    context: context.clone(),
                    named,
                },
                platform.clone(),
            )?;
            lowering.several = several;
            let state = async {
                lowering.check_cycles()?;
                let target = lowering.target()?;
                let state = Box::pin(lowering.stage(target)).await;
                if request.tell_instructions {
                    let made = state.as_ref().ok().map(|state| &state.vertex);
                    let told = instructions(&file, target, made, |it| lowering.is_reached(it));
                    progress.send(Event::Instructions(told)).await;
                }
                state
            };
            let state = state.await;
            for warning in lowering.warnings() {
                let mut all = warnings_of_all
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                if !all.contains(&warning) {
                    all.push(warning);
                }
            }
            Ok::<_, Error>((state?, lowering.images()))
        });
        // All of them before the first is solved: together they tell which files they read.
        let lowered = try_join_all(lowered).await;
        let warnings = warnings.into_inner();
        let warnings = warnings.unwrap_or_else(PoisonError::into_inner);
        // Who only asks for them gets them as the answer.
        if !request.check_only {
            tell_warnings(&warnings, request, &source, progress).await;
        }
        let failed = |error: Error| Failure {
            warnings: warnings.clone(),
            ..failed(error)
        };
        let lowered = lowered.map_err(failed)?;
        if file.directives.error_on_checks && !warnings.is_empty() {
            return Err(failed(Error::Invalid(
                "lint violation found for rules: ".to_owned() + &rule_names(&warnings),
            )));
        }
        let mut solver = Solver::new(inner.clone(), request, session, progress);
        solver.imports = inner.imports(request, session, progress).await;
        let (states, images): (Vec<Arc<StageState>>, Vec<Vec<Material>>) =
            lowered.into_iter().unzip();
        let targets: Vec<_> = states.iter().map(|it| it.vertex.clone()).collect();
        let layers = match request.check_only {
            true => vec![Vec::new(); targets.len()],
            false => {
                let outputs = solver.solve(&targets).await.map_err(failed)?;
                outputs.iter().map(|it| it.layers.clone()).collect()
            }
        };
        // The solver holds what it needs of them.
        let used = layouts.iter().map(|it| it.material.clone());
        let used: Vec<Material> = used.collect();
        drop(layouts);
        let steps: Arc<[CachedStep]> = solver.steps().into();
        let mut results = Vec::new();
        let parts = states.iter().zip(platforms).zip(layers).zip(images);
        for (((state, platform), layers), images) in parts {
            let images = [images, used.clone()].concat();
            let known = Known {
                images,
                context: remote,
                filename: &request.filename,
                fetched: solver.fetched(),
                platform,
            };
            let mut materials = materials::collect(&state.vertex, known);
            // The one has the Dockerfile, the other what is to be ignored.
            for source in [request.definition(), &request.context] {
                if let ContextSource::Local(name) = source {
                    materials.add_local(name);
                }
            }
            let materials = Arc::new(materials);
            let mut config = state.config.clone();
            config.run.env = Some(state.scope.env.clone());
            let labels = request.labels.clone();
            if !labels.is_empty() {
                config.run.labels.get_or_insert_default().extend(labels);
            }
            let made = |vertex: &_| solver.made(vertex);
            let mut config = config.finish(layers.clone(), made, request.source_date_epoch);
            if request.inline_cache {
                inline_cache::tell(&mut config, solver.inline_cache(&layers));
            }
            results.push(BuildResult {
                config,
                layers,
                base_layers: base_layers(&state.vertex),
                base_history: state.config.base_history.len(),
                source_date_epoch: request.source_date_epoch,
                platform: platform.normalised(),
                warnings: warnings.clone(),
                source: source.clone(),
                materials,
                steps: steps.clone(),
                _lease: solver.lease.clone(),
            });
        }
        corten_base::step("build.uses");
        let used = solver.used();
        inner.measure_later(solver.used_mounts());
        drop(solver);
        let ours = inner.clone();
        let pruned = inner.blocking(move || ours.after(&used)).await;
        if pruned.map_err(failed)? {
            let collected = inner.images.collect().await;
            collected.map_err(|error| failed(error.into()))?;
        }
        Ok(results)
    }
}

/// Layers of the image at the bottom of a stage.
fn base_layers(vertex: &Vertex) -> usize {
    let mut below = vertex;
    loop {
        match (&below.op, below.inputs.first()) {
            (Op::Image { layers, .. }, _) => return layers.len(),
            (_, Some(input)) => below = input,
            (_, None) => return 0,
        }
    }
}

/// Contexts for a platform: what is named `NAME::linux/arm64` goes before `NAME`.
fn of_platform(
    named: &BTreeMap<String, Arc<Context>>,
    platform: &Platform,
) -> BTreeMap<String, Arc<Context>> {
    let mut own: BTreeMap<String, Arc<Context>> = BTreeMap::new();
    for (name, context) in named {
        match name.split_once("::") {
            None => drop(own.entry(name.clone()).or_insert_with(|| context.clone())),
            Some((name, of)) if of == platform.normalised().to_string() => {
                own.insert(name.to_owned(), context.clone());
            }
            Some(_) => {}
        }
    }
    own
}

async fn tell_warnings(
    warnings: &[Warning],
    request: &BuildRequest,
    source: &Arc<[String]>,
    progress: &ProgressSender,
) {
    for warning in warnings {
        let name = warning.rule.name();
        let at = warning.location.start;
        progress
            .send(Event::Warning(WarningEvent {
                vertex: definition_digest(request),
                short: format!("{name}: {} (line {at})", warning.message),
                detail: warning.rule.description().to_owned(),
                url: warning.rule.url().to_owned(),
                file: request.filename.clone(),
                source: source.clone(),
                location: warning.location,
            }))
            .await;
    }
}

fn rule_names(warnings: &[Warning]) -> String {
    let mut names: Vec<&str> = warnings.iter().map(|it| it.rule.name()).collect();
    let mut seen = BTreeSet::new();
    names.retain(|it| seen.insert(*it));
    names.join(", ")
}
