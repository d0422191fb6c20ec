//! What a stage stands on: another stage, an image, nothing.

use super::{DEFAULT_PATH, Lowering, StageState, image::layers_op};
use crate::{
    Error, Result,
    config::Draft as Config,
    context::Context,
    request::ContextSource,
    scope::Scope,
    vertex::{CopyOp, Draft, Op, Vertex},
};
use corten_dockerfile::{Location, Rule};
use corten_oci::{ImageConfig, Platform, Reference};
use std::sync::Arc;

/// An image's layers and the name it is shown by.
pub(crate) struct ImageLayers {
    pub name: String,
    pub image: Op,
}

impl Lowering<'_> {
    /// The state that a stage begins with, and the image's layers where it is an image.
    pub(super) async fn base(&self, index: usize) -> Result<(StageState, Option<ImageLayers>)> {
        let stage = &self.file.stages[index];
        let expanded = self.globals.expand(&stage.base, self.escape())?;
        for name in &expanded.unset {
            let message = format!("FROM argument '{name}' is not declared");
            self.warn(Rule::UndefinedArgInFrom, stage.location, message);
        }
        self.check_defaults(index)?;
        let base = expanded.text;
        if base.is_empty() {
            return Err(Error::Invalid(format!(
                "base name ({}) should not be blank",
                stage.base
            )));
        }
        let platform = match &stage.platform {
            None => self.platform.clone(),
            Some(word) => {
                let text = self.globals.expand(word, self.escape())?.text;
                if text.is_empty() {
                    return Err(Error::Invalid(format!(
                        "empty platform value from expression {word}"
                    )));
                }
                let invalid =
                    |error| Error::Invalid(format!("failed to parse platform {text}: {error}"));
                text.parse::<Platform>().map_err(invalid)?
            }
        };
        let lower = base.to_ascii_lowercase();
        if let Some(context) = self.named.get(&lower) {
            return match &context.source {
                ContextSource::Image(name) => self.image_state(name, &platform).await,
                ContextSource::Result { layers, config } => {
                    let mut state = scratch(&platform);
                    if let Some(config) = config {
                        on_image(&mut state, config);
                    }
                    let layers = ImageLayers {
                        name: context.name.clone(),
                        image: layers_op(layers.clone()),
                    };
                    Ok((state, Some(layers)))
                }
                _ => {
                    context.reads("/");
                    let mut state = scratch(&platform);
                    state.vertex = self.files_of(&state, context, stage.location);
                    Ok((state, None))
                }
            };
        }
        let earlier = (0..index)
            .rev()
            .find(|it| self.file.stages[*it].name.as_deref() == Some(lower.as_str()));
        if let Some(earlier) = earlier {
            let mut state = StageState::clone(&*self.finished(earlier).ok_or(Error::Cancelled)?);
            state.cmd_set = false;
            // A stage begins with the environment of what it stands on in force again.
            state.scope.hiding.clear();
            state.triggers = state.config.run.on_build.take().unwrap_or_default();
            return Ok((state, None));
        }
        match base.as_str() {
            "scratch" => Ok((scratch(&platform), None)),
            name => self.image_state(name, &platform).await,
        }
    }

    /// A context's files as a root file system.
    fn files_of(
        &self,
        state: &StageState,
        context: &Arc<Context>,
        location: Location,
    ) -> Arc<Vertex> {
        Draft {
            name: format!("[context {}] copy to root", context.name),
            inputs: vec![state.vertex.clone(), self.context_vertex(context)],
            op: Op::Copy(Box::new(CopyOp {
                sources: vec![(1, "/".into())],
                destination: "/".into(),
                chown: None,
                chmod: None,
                parents: false,
                excludes: Vec::new(),
                unpack: false,
                epoch: self.request.source_date_epoch,
            })),
            location: Some(location),
            no_cache: false,
        }
        .vertex()
    }

    /// The name that a `FROM` gives without anybody's build arguments should be a name.
    fn check_defaults(&self, index: usize) -> Result<()> {
        let stage = &self.file.stages[index];
        if !stage.base.contains('$') && self.file.stage(&stage.base).is_some() {
            return Ok(());
        }
        let expanded = self
            .global_scope(false)?
            .expand(&stage.base, self.escape())?;
        if expanded.text.is_empty() || expanded.text.parse::<Reference>().is_err() {
            let message = format!(
                "Default value for ARG {} results in empty or invalid base image name",
                stage.base
            );
            self.warn(Rule::InvalidDefaultArgInFrom, stage.location, message);
        }
        Ok(())
    }

    async fn image_state(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<(StageState, Option<ImageLayers>)> {
        let (image, shown) = self.image(name, platform).await?;
        let mut state = scratch(platform);
        on_image(&mut state, &image.config);
        let layers = ImageLayers {
            name: shown,
            image: image.op(),
        };
        Ok((state, Some(layers)))
    }
}

/// Begins a stage with what an image says.
fn on_image(state: &mut StageState, config: &ImageConfig) {
    let run = config.config.as_ref();
    state.triggers = run.and_then(|it| it.on_build.clone()).unwrap_or_default();
    state.config = Config::of(config, &state.platform);
    state.scope.env = state.config.run.env.clone().unwrap_or_default();
}

fn scratch(platform: &Platform) -> StageState {
    let config = Config::scratch(platform, DEFAULT_PATH);
    let env = config.run.env.clone().unwrap_or_default();
    StageState {
        vertex: Draft {
            name: String::new(),
            inputs: Vec::new(),
            op: Op::Scratch,
            location: None,
            no_cache: false,
        }
        .vertex(),
        config,
        scope: Scope {
            env,
            arguments: Vec::new(),
            hiding: Vec::new(),
        },
        cmd_set: false,
        triggers: Vec::new(),
        platform: platform.clone(),
    }
}
