//! The facade: one method a verb.

use crate::{
    Artifact, ArtifactRequest, BlobStore, BuiltRequest, CacheBlobs, CleanupPolicy, CommitRequest,
    Config, Credentials, DistributionInspect, Doomed, Error, HistoryStep, Image, ImageUser,
    ImportRequest, Inspect, LayerCompression, LayoutImage, ListRequest, LoadRequest, Loaded, Login,
    ProgressSender, PullRequest, Pulled, PushRequest, PushedArtifact, RemoteCache, RemoteImage,
    RemoveOptions, Removed, Result, SearchHit, Summary, Verified, VerifyRequest, cache, messages,
};
use crate::{
    artifact, artifact_bases, artifact_out,
    bridge::{BlockingRead, BlockingWrite},
    built, cleanup_run, commit, distribution, kept_image, kept_index, list, load, prune, pull,
    push, remove, remove_kept,
    rooms::{Inner, Rooms, blocking},
    save, tag, verify,
};
use corten_distribution::Download;
use corten_oci::{Descriptor, Digest, Platform, Reference};
use std::{collections::BTreeSet, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// The images of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Images(Arc<Inner>);

impl Images {
    /// Opens the room over the rooms below and cleans what a killed daemon left.
    pub async fn open(config: Config, rooms: Rooms) -> Result<Self> {
        let inner = blocking(move || Inner::open(config, rooms)).await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Takes other mirrors, insecure registries and limits for what begins from now on;
    /// the rest of `config` stays as it was opened. Needs a tokio runtime.
    pub fn reload(&self, config: &Config) -> Result<()> {
        self.0.reload(config)
    }

    /// Pulls an image or all tags of a repository.
    pub async fn pull(&self, request: PullRequest, progress: &ProgressSender) -> Result<Pulled> {
        pull::pull(&self.0, request, progress).await
    }

    /// Pushes an image or all tags of a repository.
    pub async fn push(&self, request: PushRequest, progress: &ProgressSender) -> Result<()> {
        push::push(&self.0, request, progress).await
    }

    /// Loads a tar of `docker save` or an OCI layout, maybe compressed, from a stream.
    pub async fn load<R: AsyncRead + Unpin + Send + 'static>(
        &self,
        request: LoadRequest,
        tar: R,
        progress: &ProgressSender,
    ) -> Result<Loaded> {
        load::load(&self.0, request, BlockingRead::new(tar), progress).await
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
        let selected = save::select(&self.0, names, platform)?;
        let ids = selected.iter().map(|saved| saved.id.clone()).collect();
        let (inner, out) = (Arc::clone(&self.0), BlockingWrite::new(tar));
        blocking(move || save::save(&inner, &selected, out)).await?;
        Ok(ids)
    }

    /// The same archive of one image that a builder has made and that is not in the store;
    /// the caller holds its layers.
    pub async fn save_built<W: AsyncWrite + Unpin + Send + 'static>(
        &self,
        request: BuiltRequest,
        tar: W,
    ) -> Result<()> {
        let (inner, out) = (Arc::clone(&self.0), BlockingWrite::new(tar));
        blocking(move || {
            let bytes = serde_json::to_vec(&request.config);
            let bytes = bytes.expect("a configuration is always JSON");
            let saved = save::Saved {
                id: Digest::of(&bytes),
                config: Arc::new(request.config),
                names: request.names,
                bytes: Some(bytes),
                artifact: None,
            };
            save::save(&inner, &[saved], out)
        })
        .await
    }

    /// Makes manifests, and maybe an index, of images that a builder has made; the caller
    /// holds their layers.
    pub async fn make_artifact(&self, request: ArtifactRequest) -> Result<Artifact> {
        let inner = Arc::clone(&self.0);
        blocking(move || artifact::make(&inner, request, &Default::default())).await
    }

    /// As [`Images::make_artifact`], for a push: layers of base images are listed as the
    /// blobs that registries have of them, as far as these can be had.
    pub async fn make_artifact_to_push(&self, pushed: PushedArtifact) -> Result<Artifact> {
        artifact_bases::make(&self.0, pushed).await
    }

    /// The domains whose credentials [`Images::make_artifact_to_push`] may need.
    pub fn push_domains(&self, request: &ArtifactRequest) -> BTreeSet<String> {
        artifact_bases::domains(&self.0, request)
    }

    /// Pushes an artifact under a name, or by its digest only.
    pub async fn push_artifact(
        &self,
        artifact: &Artifact,
        name: &Reference,
        by_digest: bool,
        credentials: Option<Credentials>,
        progress: &ProgressSender,
    ) -> Result<()> {
        artifact_out::push(&self.0, artifact, name, by_digest, credentials, progress).await
    }

    /// Gives an image of this machine names that stand for an artifact: its index is kept
    /// for pushes and archives under these names. One of a single manifest is kept by the
    /// image itself.
    pub async fn name_artifact(
        &self,
        artifact: Artifact,
        image: Digest,
        names: Vec<Reference>,
    ) -> Result<Artifact> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            kept_index::name(&inner, &artifact, &image, &names)?;
            Ok(artifact)
        })
        .await
    }

    /// Writes an artifact as an OCI layout.
    pub async fn save_artifact<W: AsyncWrite + Unpin + Send + 'static>(
        &self,
        artifact: Artifact,
        tar: W,
    ) -> Result<()> {
        let (inner, out) = (Arc::clone(&self.0), BlockingWrite::new(tar));
        blocking(move || artifact_out::save(&inner, &artifact, out)).await
    }

    /// Checks that [`Images::save`] finds these images, before a stream is begun.
    pub fn check_save(&self, names: &[String], platform: Option<&Platform>) -> Result<()> {
        save::select(&self.0, names, platform).map(drop)
    }

    /// Makes an image of a file system tree in a tar, maybe compressed. An event `import`
    /// belongs to it. The only line told is its ID.
    pub async fn import<R: AsyncRead + Unpin + Send + 'static>(
        &self,
        request: ImportRequest,
        tar: R,
        progress: &ProgressSender,
    ) -> Result<Digest> {
        let (inner, tar) = (Arc::clone(&self.0), BlockingRead::new(tar));
        let id = blocking(move || commit::import(&inner, request, tar)).await?;
        progress.status(None, id.to_string()).await;
        Ok(id)
    }

    /// Makes an image of a container's writable directory.
    pub async fn commit(&self, request: CommitRequest) -> Result<Digest> {
        let inner = Arc::clone(&self.0);
        blocking(move || commit::commit(&inner, request)).await
    }

    /// Makes an image of layers that a builder has committed.
    pub async fn add_built(&self, request: BuiltRequest) -> Result<Digest> {
        let inner = Arc::clone(&self.0);
        blocking(move || built::add_built(&inner, request)).await
    }

    /// Drops layers and blobs that nothing needs any more; answers the bytes of the
    /// layers' files.
    pub async fn collect(&self) -> Result<u64> {
        let inner = Arc::clone(&self.0);
        blocking(move || inner.collect()).await
    }

    /// Holds images against their digests and their files against their blobs, and mends what
    /// is damaged if asked to. Each damage is a line of the progress.
    pub async fn verify(
        &self,
        request: VerifyRequest,
        users: &[ImageUser],
        progress: &ProgressSender,
    ) -> Result<Verified> {
        verify::verify(&self.0, request, users, progress).await
    }

    /// Bytes of what names keep for further platforms and of what is said about images, each
    /// blob once; layers whose files an image has here are none of it.
    pub fn kept_bytes(&self) -> u64 {
        kept_index::bytes(&self.0.state())
    }

    /// The image of a name, an ID or the start of an ID.
    pub fn resolve(&self, name: &str) -> Result<Image> {
        self.0.state().resolve(name)
    }

    /// The image of an ID.
    pub fn get(&self, id: &Digest) -> Result<Image> {
        let image = self.0.state().image(id);
        image.ok_or_else(|| Error::NotFound(messages::no_such_image(&id.to_string())))
    }

    /// Images, the newest first.
    pub fn list(&self, request: &ListRequest) -> Result<Vec<Summary>> {
        list::list(&self.0.state(), &self.0.rooms, request)
    }

    /// Everything about an image, or about the one that a name has for a platform.
    pub fn inspect(&self, name: &str, platform: Option<&Platform>) -> Result<Inspect> {
        list::inspect(&self.0.state(), &self.0.rooms, name, platform)
    }

    /// How an image came to be, the newest step first.
    pub fn history(&self, name: &str, platform: Option<&Platform>) -> Result<Vec<HistoryStep>> {
        list::history(&self.0.state(), &self.0.rooms, name, platform)
    }

    /// The image that a name has for a platform, unpacked where it was not yet, and its
    /// manifest in the index that the name keeps; none, when the name has nothing for that.
    pub async fn for_platform(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<Option<(Image, Option<Descriptor>)>> {
        let (inner, name, platform) = (Arc::clone(&self.0), name.to_owned(), platform.clone());
        blocking(move || kept_image::for_platform(&inner, &name, &platform)).await
    }

    /// The manifest of an image in the index that a name keeps.
    pub fn kept_manifest(&self, name: &str, id: &Digest) -> Option<Descriptor> {
        self.0.state().kept_manifest(name, id)
    }

    /// Gives `source` one more name (`latest` where it has no tag). An event `tag` belongs
    /// to it. Returns the image.
    pub async fn tag(&self, source: &str, target: &Reference) -> Result<Digest> {
        let (inner, source, target) = (Arc::clone(&self.0), source.to_owned(), target.clone());
        blocking(move || tag::tag(&inner, &source, &target)).await
    }

    /// Removes a name, or an image with its names. `users` are all containers.
    pub async fn remove(
        &self,
        name: &str,
        options: RemoveOptions,
        users: &[ImageUser],
    ) -> Result<Vec<Removed>> {
        let (inner, name, users) = (Arc::clone(&self.0), name.to_owned(), users.to_vec());
        blocking(move || remove::remove(&inner, &name, options, &users)).await
    }

    /// Removes single platforms of the index that a name keeps; with the last one the name
    /// goes. `users` are all containers.
    pub async fn remove_platforms(
        &self,
        name: &str,
        platforms: Vec<Platform>,
        options: RemoveOptions,
        users: &[ImageUser],
    ) -> Result<Vec<Removed>> {
        let (inner, name, users) = (Arc::clone(&self.0), name.to_owned(), users.to_vec());
        let removing = move || remove_kept::remove(&inner, &name, &platforms, options, &users);
        blocking(removing).await
    }

    /// Removes images that nobody uses: those without names, or all with `dangling: false`.
    pub async fn prune(&self, request: &ListRequest, users: &[ImageUser]) -> Result<crate::Pruned> {
        let (inner, request, users) = (Arc::clone(&self.0), request.clone(), users.to_vec());
        blocking(move || prune::prune(&inner, &request, &users)).await
    }

    /// The images that a policy lets go now; nothing is removed.
    pub async fn plan_cleanup(
        &self,
        policy: &CleanupPolicy,
        users: &[ImageUser],
    ) -> Result<Vec<Doomed>> {
        let (inner, policy, users) = (Arc::clone(&self.0), policy.clone(), users.to_vec());
        blocking(move || Ok(cleanup_run::plan(&inner, &policy, &users))).await
    }

    /// Removes images that a plan named, but for those that came into use since.
    pub async fn cleanup(&self, doomed: &[Doomed], users: &[ImageUser]) -> Result<crate::Pruned> {
        let (inner, doomed, users) = (Arc::clone(&self.0), doomed.to_vec(), users.to_vec());
        blocking(move || cleanup_run::run(&inner, &doomed, &users)).await
    }

    /// A container is made of the image: it is in use now.
    pub fn use_image(&self, id: &Digest) {
        self.0.use_image(id);
    }

    /// Makes durable when images were last used.
    pub async fn remember_uses(&self) -> Result<()> {
        let inner = Arc::clone(&self.0);
        blocking(move || cleanup_run::remember_uses(&inner)).await
    }

    /// Checks credentials with their registry (`docker login`).
    pub async fn login(&self, credentials: Credentials) -> Result<Login> {
        let identity_token = self.0.registries().login(credentials).await?;
        Ok(Login {
            status: "Login Succeeded".into(),
            identity_token,
        })
    }

    /// Asks a registry for repositories; `host/term` asks that host, else Docker Hub.
    pub async fn search(
        &self,
        term: &str,
        limit: usize,
        credentials: Option<Credentials>,
    ) -> Result<Vec<SearchHit>> {
        Ok(self.0.registries().search(term, limit, credentials).await?)
    }

    /// Opens an image at a registry without making it one of this machine.
    pub async fn remote(
        &self,
        reference: &Reference,
        platform: &Platform,
        credentials: Option<Credentials>,
    ) -> Result<RemoteImage> {
        RemoteImage::open(&self.0, reference, platform, credentials).await
    }

    /// Blobs for the uppermost layers of stacks (diff IDs, bottom first), made where there
    /// are none, or none of this compression.
    pub async fn cache_blobs(
        &self,
        stacks: Vec<Vec<Digest>>,
        compression: Option<LayerCompression>,
    ) -> Result<CacheBlobs> {
        cache::blobs(&self.0, stacks, compression).await
    }

    /// Opens a builder's cache at a registry; none, when the name is something else's.
    pub async fn remote_cache(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<Option<RemoteCache>> {
        RemoteCache::open(&self.0, reference, credentials).await
    }

    /// Opens a builder's cache in a store of a client's.
    pub async fn client_cache(
        &self,
        store: Arc<dyn BlobStore>,
        digest: &Digest,
    ) -> Result<RemoteCache> {
        RemoteCache::open_in(&self.0, store, digest).await
    }

    /// Brings the layers of an image in a store of a client's here, without making it an
    /// image of this machine.
    pub async fn layout_image(
        &self,
        store: &dyn BlobStore,
        digest: &Digest,
        platform: &Platform,
    ) -> Result<LayoutImage> {
        LayoutImage::fetch(&self.0, store, digest, platform).await
    }

    /// Opens a plain file at a URL, with the proxies and limits of registries.
    pub async fn download(&self, url: &str) -> Result<Download> {
        Ok(self.0.registries().download(url).await?)
    }

    /// Asks a registry what a name stands for.
    pub async fn distribution(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
    ) -> Result<DistributionInspect> {
        distribution::inspect(&self.0, reference, credentials).await
    }
}
