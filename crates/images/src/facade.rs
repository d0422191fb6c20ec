//! The facade: one method a verb.

use crate::{
    CommitRequest, Config, Credentials, DistributionInspect, Error, HistoryStep, Image, ImageUser,
    ImportRequest, Inspect, ListRequest, LoadRequest, Loaded, Login, ProgressSender, PullRequest,
    Pulled, PushRequest, RemoveOptions, Removed, Result, Summary, messages,
};
use corten_oci::{Digest, Platform, Reference};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// The images of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Images(Arc<Config>);

fn nothing<T>(name: &str) -> Result<T> {
    Err(Error::NotFound(messages::no_such_image(name)))
}

impl Images {
    /// Opens the room over the rooms below and cleans what a killed daemon left.
    pub async fn open(config: Config) -> Result<Self> {
        Ok(Self(Arc::new(config)))
    }

    /// Pulls an image or all tags of a repository.
    pub async fn pull(&self, request: PullRequest, progress: &ProgressSender) -> Result<Pulled> {
        progress.status(None, "").await;
        nothing(&request.reference.familiar())
    }

    /// Pushes an image or all tags of a repository.
    pub async fn push(&self, request: PushRequest, progress: &ProgressSender) -> Result<()> {
        progress.status(None, "").await;
        nothing(&request.reference.familiar())
    }

    /// Loads a tar of `docker save` or an OCI layout, maybe compressed, from a stream.
    pub async fn load<R: AsyncRead + Unpin + Send + 'static>(
        &self,
        request: LoadRequest,
        tar: R,
        progress: &ProgressSender,
    ) -> Result<Loaded> {
        let _ = (request, tar, progress);
        Ok(Loaded { images: Vec::new() })
    }

    /// Writes images as one tar that is an OCI layout and a `docker save` archive. Names
    /// are checked before the first byte: errors of [`Images::resolve`] come at once. An
    /// event `save` belongs to each image that is returned.
    pub async fn save<W: AsyncWrite + Unpin + Send + 'static>(
        &self,
        names: &[String],
        platform: Option<&Platform>,
        tar: W,
    ) -> Result<Vec<Digest>> {
        let _ = (names, platform, tar);
        Ok(Vec::new())
    }

    /// Makes an image of a file system tree in a tar, maybe compressed. An event `import`
    /// belongs to it.
    pub async fn import<R: AsyncRead + Unpin + Send + 'static>(
        &self,
        request: ImportRequest,
        tar: R,
        progress: &ProgressSender,
    ) -> Result<Digest> {
        let _ = (request, tar, progress);
        nothing("")
    }

    /// Makes an image of a container's writable directory.
    pub async fn commit(&self, request: CommitRequest) -> Result<Digest> {
        nothing(&request.container_id)
    }

    /// The image of a name, an ID or the start of an ID.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        nothing(name)
    }

    /// The image of an ID.
    pub fn get(&self, id: &Digest) -> Result<Image> {
        nothing(&id.to_string())
    }

    /// Images, the newest first.
    pub fn list(&self, request: &ListRequest) -> Result<Vec<Summary>> {
        let _ = request;
        Ok(Vec::new())
    }

    /// Everything about an image.
    pub fn inspect(&self, name: &str) -> Result<Inspect> {
        nothing(name)
    }

    /// How an image came to be, the newest step first.
    pub fn history(&self, name: &str) -> Result<Vec<HistoryStep>> {
        nothing(name)
    }

    /// Gives `source` one more name (`latest` where it has no tag). An event `tag` belongs
    /// to it. Returns the image.
    pub async fn tag(&self, source: &str, target: &Reference) -> Result<Digest> {
        let _ = target;
        nothing(source)
    }

    /// Removes a name, or an image with its names. `users` are all containers.
    pub async fn remove(
        &self,
        name: &str,
        options: RemoveOptions,
        users: &[ImageUser],
    ) -> Result<Vec<Removed>> {
        let _ = (options, users);
        nothing(name)
    }

    /// Removes images that nobody uses: those without names, or all with `dangling: false`.
    pub async fn prune(&self, request: &ListRequest, users: &[ImageUser]) -> Result<crate::Pruned> {
        let _ = (request, users);
        Ok(crate::Pruned::default())
    }

    /// Checks credentials with their registry (`docker login`).
    pub async fn login(&self, credentials: Credentials) -> Result<Login> {
        nothing(&credentials.server_address)
    }

    /// Asks a registry what a name stands for.
    pub async fn distribution(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<DistributionInspect> {
        let _ = credentials;
        nothing(&reference.familiar())
    }
}
