//! Images that stages stand on or copy from: looked at here, pulled only when a step has
//! to be done on them.

use super::Lowering;
use crate::{
    Error, Result,
    context::told,
    key::Key,
    materials::Material,
    request::PullMode,
    vertex::{Draft, Op, Vertex},
};
use corten_dockerfile::Location;
use corten_images::{Image, RemoteImage};
use corten_oci::{Digest, ImageConfig, Platform, Reference};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// An image that has been looked at.
#[derive(Clone)]
pub(crate) struct Base {
    pub config: Arc<ImageConfig>,
    /// Where its layers are, while it is no image of this machine.
    pull: Option<Arc<ToPull>>,
}

/// An image that is pulled when its files are needed.
pub(crate) struct ToPull {
    remote: RemoteImage,
    keep_name: bool,
}

/// Images that a build has looked at, by name and platform: each is asked for once.
// Lock: held for memory work only.
pub(crate) type Bases = Mutex<HashMap<String, Arc<OnceCell<Base>>>>;

impl ToPull {
    /// Makes it an image of this machine.
    pub async fn pull(&self) -> Result<()> {
        Box::pin(self.remote.keep(self.keep_name)).await?;
        Ok(())
    }
}

impl Base {
    fn here(image: Image) -> Self {
        Self {
            config: image.config,
            pull: None,
        }
    }

    /// Its layers as a step.
    pub fn op(&self) -> Op {
        match self.config.diff_ids() {
            [] => Op::Scratch,
            layers => Op::Image {
                layers: layers.to_vec(),
                pull: self.pull.clone(),
            },
        }
    }
}

/// Layers that are on this machine as a step.
pub(super) fn layers_op(layers: Vec<Digest>) -> Op {
    match layers.is_empty() {
        true => Op::Scratch,
        false => Op::Image { layers, pull: None },
    }
}

impl Lowering<'_> {
    /// An image of this machine or of a registry, and its full name.
    pub(super) async fn image(&self, name: &str, platform: &Platform) -> Result<(Base, String)> {
        // An ID needs no name.
        if let Ok(image) = self.inner.images.resolve(name)
            && name.starts_with("sha256:")
        {
            return Ok((Base::here(image), name.to_owned()));
        }
        let invalid =
            |error| Error::Invalid(format!("failed to parse stage name {name:?}: {error}"));
        let reference = name.parse::<Reference>().map_err(invalid)?.or_latest();
        let shown = reference.to_string();
        let cell = {
            let bases = self.bases.lock();
            let mut bases = bases.unwrap_or_else(PoisonError::into_inner);
            Arc::clone(bases.entry(format!("{shown} {platform}")).or_default())
        };
        let looking = || async {
            let mut key = Key::new("metadata");
            key.text(&shown).text(&platform.to_string());
            let title = format!("[internal] load metadata for {shown}");
            let work = Box::pin(self.find(name, &reference, platform));
            told(self.progress, &title, &key.finish(), work).await
        };
        let base = cell.get_or_try_init(looking).await?;
        Ok((base.clone(), shown))
    }

    async fn find(
        &self,
        written: &str,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Base> {
        let fits = |image: &Image| {
            let own = Platform::new(
                &image.config.os,
                &image.config.architecture,
                image.config.variant.as_deref().unwrap_or_default(),
            );
            image.config.architecture.is_empty() || platform.matches(&own) || own.matches(platform)
        };
        let name = reference.to_string();
        let here = self.inner.images.resolve(&name).ok();
        if self.request.pull == PullMode::Missing
            && here.is_some()
            && let Some((image, _)) = self.inner.images.for_platform(&name, platform).await?
        {
            self.note(reference, self.digest_of(reference, &image), platform);
            return Ok(Base::here(image));
        }
        if self.request.pull == PullMode::Missing
            && let Some(image) = here.clone().filter(fits)
        {
            self.note(reference, self.digest_of(reference, &image), platform);
            return Ok(Base::here(image));
        }
        let credentials = self.session.credentials(reference.domain()).await?;
        let opening = self.inner.images.remote(reference, platform, credentials);
        let remote = Box::pin(opening).await.map_err(|error| {
            let name = reference.to_string();
            let reason = corten_base::chain(&error);
            Error::NotFound(format!(
                "{written}: failed to resolve source metadata for {name}: {reason}"
            ))
        })?;
        // The name stays with the image that runs here.
        let keep_name = !Platform::host().matches(platform);
        self.note(reference, remote.digest(keep_name).clone(), platform);
        if let Some(image) = here.filter(|image| image.id == *remote.id()) {
            return Ok(Base::here(image));
        }
        Ok(Base {
            config: Arc::new(remote.config().clone()),
            pull: Some(Arc::new(ToPull { remote, keep_name })),
        })
    }

    /// The digest that an image's registry knows, else its ID.
    fn digest_of(&self, reference: &Reference, image: &Image) -> Digest {
        let inspected = self.inner.images.inspect(&reference.to_string(), None).ok();
        let same = inspected.filter(|it| it.image.id == image.id);
        let descriptor = same.and_then(|it| it.descriptor);
        let known = reference.digest().cloned();
        known
            .or(descriptor.map(|it| it.digest))
            .unwrap_or_else(|| image.id.clone())
    }

    /// Keeps which image a name meant.
    fn note(&self, reference: &Reference, digest: Digest, platform: &Platform) {
        let uri = corten_images::package_url(reference, &platform.normalised());
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.push(Material::sha256(uri, &digest));
    }

    pub(super) fn image_vertex(&self, name: &str, op: Op, location: Location) -> Arc<Vertex> {
        Draft {
            name: name.to_owned(),
            inputs: Vec::new(),
            op,
            location: Some(location),
            no_cache: false,
        }
        .vertex()
    }
}
