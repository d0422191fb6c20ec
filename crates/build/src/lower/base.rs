//! What a stage stands on: another stage, an image, nothing.

use super::{DEFAULT_PATH, Lowering, StageState};
use crate::{
    Error, Result,
    config::Draft as Config,
    context::{Context, told},
    key::Key,
    materials::Material,
    request::{ContextSource, PullMode},
    scope::Scope,
    vertex::{CopyOp, Draft, Op, Vertex},
};
use corten_dockerfile::{Location, Rule};
use corten_images::{Image, PullRequest};
use corten_oci::{Digest, ImageConfig, Platform, Reference};
use std::sync::{Arc, PoisonError};

/// An image's layers and the name it is shown by.
pub(crate) struct ImageLayers {
    pub name: String,
    pub layers: Vec<Digest>,
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
                        layers: layers.clone(),
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
        if !stage.base.contains('$') {
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
            layers: image.layers().to_vec(),
        };
        Ok((state, Some(layers)))
    }

    /// An image of this machine, pulled if it has to be, and its full name.
    pub(super) async fn image(&self, name: &str, platform: &Platform) -> Result<(Image, String)> {
        // An ID needs no name.
        if let Ok(image) = self.inner.images.resolve(name)
            && name.starts_with("sha256:")
        {
            return Ok((image, name.to_owned()));
        }
        let invalid =
            |error| Error::Invalid(format!("failed to parse stage name {name:?}: {error}"));
        let reference = name.parse::<Reference>().map_err(invalid)?.or_latest();
        let shown = reference.to_string();
        let mut key = Key::new("metadata");
        key.text(&shown).text(&platform.to_string());
        let work = Box::pin(self.find_or_pull(&reference, platform));
        let image = told(
            self.progress,
            &format!("[internal] load metadata for {shown}"),
            &key.finish(),
            work,
        )
        .await?;
        self.note_image(&reference, &image, platform);
        Ok((image, shown))
    }

    /// Keeps which image a name meant: by the digest that its registry knows, else by ID.
    fn note_image(&self, reference: &Reference, image: &Image, platform: &Platform) {
        let inspected = self.inner.images.inspect(&reference.to_string()).ok();
        let same = inspected.filter(|it| it.image.id == image.id);
        let descriptor = same.and_then(|it| it.descriptor);
        let digest = reference
            .digest()
            .cloned()
            .or(descriptor.map(|it| it.digest))
            .unwrap_or_else(|| image.id.clone());
        let uri = corten_images::package_url(reference, &platform.normalised());
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.push(Material::sha256(uri, &digest));
    }

    async fn find_or_pull(&self, reference: &Reference, platform: &Platform) -> Result<Image> {
        let fits = |image: &Image| {
            let own = Platform::new(
                &image.config.os,
                &image.config.architecture,
                image.config.variant.as_deref().unwrap_or_default(),
            );
            image.config.architecture.is_empty() || platform.matches(&own) || own.matches(platform)
        };
        let here = self.inner.images.resolve(&reference.to_string());
        if let (Ok(image), PullMode::Missing) = (&here, self.request.pull)
            && fits(image)
        {
            return Ok(image.clone());
        }
        let request = PullRequest {
            reference: reference.clone(),
            all_tags: false,
            platform: Some(platform.clone()),
            // The name stays with the image that runs here.
            keep_name: !Platform::host().matches(platform),
            credentials: self.session.credentials(reference.domain()).await?,
        };
        let (sender, mut receiver) = corten_images::ProgressSender::channel();
        let pulling = Box::pin(self.inner.images.pull(request, &sender));
        let reading = async { while receiver.recv().await.is_some() {} };
        tokio::pin!(pulling, reading);
        let pulled = tokio::select! {
            pulled = &mut pulling => pulled,
            // The sender lives as long as the pull.
            () = &mut reading => pulling.await,
        };
        match pulled {
            Ok(pulled) => {
                let found = pulled.images.first().map(|(_, id)| id.clone());
                let id = found.ok_or(Error::Cancelled)?;
                Ok(self.inner.images.get(&id)?)
            }
            Err(error) => {
                let name = reference.to_string();
                let reason = corten_base::chain(&error);
                Err(Error::NotFound(format!(
                    "{name}: failed to resolve source metadata for {name}: {reason}"
                )))
            }
        }
    }

    pub(super) fn image_vertex(
        &self,
        name: &str,
        layers: Vec<Digest>,
        location: Location,
    ) -> Arc<Vertex> {
        Draft {
            name: name.to_owned(),
            inputs: Vec::new(),
            op: match layers.is_empty() {
                true => Op::Scratch,
                false => Op::Image { layers },
            },
            location: Some(location),
            no_cache: false,
        }
        .vertex()
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
