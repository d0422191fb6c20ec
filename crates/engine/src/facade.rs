//! Every operation by name. (For the time being each answers that it is not there.)

use crate::{
    ArchivePutOptions, AttachOptions, AttachStream, ByteStream, CommitRequest, CreateRequest,
    Created, DiskUsageOptions, Engine, EngineError, EventsOptions, ExecStartOptions, ExecStarted,
    ImageListOptions, ImagePruneReport, ImageRemoveOptions, ImportRequest, ListOptions,
    LogsOptions, LogsStream, PathStat, PruneReport, PullRequest, PushRequest, RemoveOptions,
    Result, StartOptions, StatsOptions, StopOptions, TerminalSize, TopOutput, UpdateRequest,
    VolumeCreateRequest, WaitCondition, WaitOutcome,
};
use corten_model::{
    ContainerInspect, ContainerStats, ContainerSummary, DiskUsage, Event, ExecConfig, ExecId,
    ExecInspect, FilesystemChange, Filters, ImageDeleteItem, ImageHistoryItem, ImageId,
    ImageInspect, ImageSummary, NetworkInspect, Progress, RegistryAuth, SystemInfo, SystemVersion,
    VolumeInfo,
};
use futures_util::{future::BoxFuture, stream::BoxStream};
use std::sync::Arc;

impl Engine {
    /// `POST /containers/create`.
    pub async fn container_create(self: &Arc<Self>, request: CreateRequest) -> Result<Created> {
        let _ = (request,);
        Err(EngineError::Unsupported("container_create".into()))
    }

    /// `POST /containers/{id}/start`; [`Kind::NotModified`](corten_base::Kind) when it runs already.
    pub async fn container_start(
        self: &Arc<Self>,
        name: &str,
        options: StartOptions,
    ) -> Result<()> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_start".into()))
    }

    /// `POST /containers/{id}/attach`.
    pub async fn container_attach(
        self: &Arc<Self>,
        name: &str,
        options: AttachOptions,
    ) -> Result<AttachStream> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_attach".into()))
    }

    /// `POST /containers/{id}/wait`: the answer to the first await says that the container exists (send the headers now), the future ends with the exit.
    pub async fn container_wait(
        self: &Arc<Self>,
        name: &str,
        condition: WaitCondition,
    ) -> Result<BoxFuture<'static, WaitOutcome>> {
        let _ = (name, condition);
        Err(EngineError::Unsupported("container_wait".into()))
    }

    /// `GET /containers/{id}/logs`.
    pub async fn container_logs(
        self: &Arc<Self>,
        name: &str,
        options: LogsOptions,
    ) -> Result<LogsStream> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_logs".into()))
    }

    /// `GET /containers/{id}/json`.
    pub async fn container_inspect(
        self: &Arc<Self>,
        name: &str,
        size: bool,
    ) -> Result<ContainerInspect> {
        let _ = (name, size);
        Err(EngineError::Unsupported("container_inspect".into()))
    }

    /// `GET /containers/json`, the last created first.
    pub async fn container_list(
        self: &Arc<Self>,
        options: ListOptions,
    ) -> Result<Vec<ContainerSummary>> {
        let _ = (options,);
        Err(EngineError::Unsupported("container_list".into()))
    }

    /// `POST /containers/{id}/resize`.
    pub async fn container_resize(self: &Arc<Self>, name: &str, size: TerminalSize) -> Result<()> {
        let _ = (name, size);
        Err(EngineError::Unsupported("container_resize".into()))
    }

    /// `POST /containers/{id}/kill`; an empty signal is SIGKILL.
    pub async fn container_kill(self: &Arc<Self>, name: &str, signal: &str) -> Result<()> {
        let _ = (name, signal);
        Err(EngineError::Unsupported("container_kill".into()))
    }

    /// `POST /containers/{id}/stop`; [`Kind::NotModified`](corten_base::Kind) when it does not run.
    pub async fn container_stop(self: &Arc<Self>, name: &str, options: StopOptions) -> Result<()> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_stop".into()))
    }

    /// `POST /containers/{id}/restart`.
    pub async fn container_restart(
        self: &Arc<Self>,
        name: &str,
        options: StopOptions,
    ) -> Result<()> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_restart".into()))
    }

    /// `POST /containers/{id}/rename`.
    pub async fn container_rename(self: &Arc<Self>, name: &str, new_name: &str) -> Result<()> {
        let _ = (name, new_name);
        Err(EngineError::Unsupported("container_rename".into()))
    }

    /// `POST /containers/{id}/pause`.
    pub async fn container_pause(self: &Arc<Self>, name: &str) -> Result<()> {
        let _ = (name,);
        Err(EngineError::Unsupported("container_pause".into()))
    }

    /// `POST /containers/{id}/unpause`.
    pub async fn container_unpause(self: &Arc<Self>, name: &str) -> Result<()> {
        let _ = (name,);
        Err(EngineError::Unsupported("container_unpause".into()))
    }

    /// `GET /containers/{id}/top`; empty arguments are `-ef`.
    pub async fn container_top(self: &Arc<Self>, name: &str, ps_args: &str) -> Result<TopOutput> {
        let _ = (name, ps_args);
        Err(EngineError::Unsupported("container_top".into()))
    }

    /// `DELETE /containers/{id}`.
    pub async fn container_remove(
        self: &Arc<Self>,
        name: &str,
        options: RemoveOptions,
    ) -> Result<()> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_remove".into()))
    }

    /// `POST /containers/prune`.
    pub async fn container_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        let _ = (filters,);
        Err(EngineError::Unsupported("container_prune".into()))
    }

    /// `POST /containers/{id}/update`; answers warnings.
    pub async fn container_update(
        self: &Arc<Self>,
        name: &str,
        request: UpdateRequest,
    ) -> Result<Vec<String>> {
        let _ = (name, request);
        Err(EngineError::Unsupported("container_update".into()))
    }

    /// `GET /containers/{id}/stats`.
    pub async fn container_stats(
        self: &Arc<Self>,
        name: &str,
        options: StatsOptions,
    ) -> Result<BoxStream<'static, ContainerStats>> {
        let _ = (name, options);
        Err(EngineError::Unsupported("container_stats".into()))
    }

    /// `POST /commit`.
    pub async fn container_commit(self: &Arc<Self>, request: CommitRequest) -> Result<ImageId> {
        let _ = (request,);
        Err(EngineError::Unsupported("container_commit".into()))
    }

    /// `GET /containers/{id}/changes`.
    pub async fn container_diff(self: &Arc<Self>, name: &str) -> Result<Vec<FilesystemChange>> {
        let _ = (name,);
        Err(EngineError::Unsupported("container_diff".into()))
    }

    /// `GET /containers/{id}/export`.
    pub async fn container_export(self: &Arc<Self>, name: &str) -> Result<ByteStream> {
        let _ = (name,);
        Err(EngineError::Unsupported("container_export".into()))
    }

    /// `HEAD /containers/{id}/archive`.
    pub async fn archive_stat(self: &Arc<Self>, name: &str, path: &str) -> Result<PathStat> {
        let _ = (name, path);
        Err(EngineError::Unsupported("archive_stat".into()))
    }

    /// `GET /containers/{id}/archive`.
    pub async fn archive_get(
        self: &Arc<Self>,
        name: &str,
        path: &str,
    ) -> Result<(PathStat, ByteStream)> {
        let _ = (name, path);
        Err(EngineError::Unsupported("archive_get".into()))
    }

    /// `PUT /containers/{id}/archive`; the tar may be compressed.
    pub async fn archive_put(
        self: &Arc<Self>,
        name: &str,
        options: ArchivePutOptions,
        body: ByteStream,
    ) -> Result<()> {
        let _ = (name, options, body);
        Err(EngineError::Unsupported("archive_put".into()))
    }

    /// `POST /containers/{id}/exec`.
    pub async fn exec_create(
        self: &Arc<Self>,
        container: &str,
        config: ExecConfig,
    ) -> Result<ExecId> {
        let _ = (container, config);
        Err(EngineError::Unsupported("exec_create".into()))
    }

    /// `POST /exec/{id}/start`.
    pub async fn exec_start(
        self: &Arc<Self>,
        id: &str,
        options: ExecStartOptions,
    ) -> Result<ExecStarted> {
        let _ = (id, options);
        Err(EngineError::Unsupported("exec_start".into()))
    }

    /// `GET /exec/{id}/json`.
    pub async fn exec_inspect(self: &Arc<Self>, id: &str) -> Result<ExecInspect> {
        let _ = (id,);
        Err(EngineError::Unsupported("exec_inspect".into()))
    }

    /// `POST /exec/{id}/resize`.
    pub async fn exec_resize(self: &Arc<Self>, id: &str, size: TerminalSize) -> Result<()> {
        let _ = (id, size);
        Err(EngineError::Unsupported("exec_resize".into()))
    }

    /// `POST /images/create?fromImage=`; dropping the stream stops the pull.
    pub async fn image_pull(
        self: &Arc<Self>,
        request: PullRequest,
    ) -> Result<BoxStream<'static, Progress>> {
        let _ = (request,);
        Err(EngineError::Unsupported("image_pull".into()))
    }

    /// `POST /images/{name}/push`; dropping the stream stops the push.
    pub async fn image_push(
        self: &Arc<Self>,
        request: PushRequest,
    ) -> Result<BoxStream<'static, Progress>> {
        let _ = (request,);
        Err(EngineError::Unsupported("image_push".into()))
    }

    /// `POST /images/create?fromSrc=-`.
    pub async fn image_import(
        self: &Arc<Self>,
        request: ImportRequest,
        body: ByteStream,
    ) -> Result<BoxStream<'static, Progress>> {
        let _ = (request, body);
        Err(EngineError::Unsupported("image_import".into()))
    }

    /// `POST /images/load`.
    pub async fn image_load(
        self: &Arc<Self>,
        body: ByteStream,
        quiet: bool,
    ) -> Result<BoxStream<'static, Progress>> {
        let _ = (body, quiet);
        Err(EngineError::Unsupported("image_load".into()))
    }

    /// `GET /images/get`, `GET /images/{name}/get`.
    pub async fn image_save(self: &Arc<Self>, names: Vec<String>) -> Result<ByteStream> {
        let _ = (names,);
        Err(EngineError::Unsupported("image_save".into()))
    }

    /// `GET /images/json`.
    pub async fn image_list(
        self: &Arc<Self>,
        options: ImageListOptions,
    ) -> Result<Vec<ImageSummary>> {
        let _ = (options,);
        Err(EngineError::Unsupported("image_list".into()))
    }

    /// `GET /images/{name}/json`.
    pub async fn image_inspect(self: &Arc<Self>, name: &str) -> Result<ImageInspect> {
        let _ = (name,);
        Err(EngineError::Unsupported("image_inspect".into()))
    }

    /// `GET /images/{name}/history`.
    pub async fn image_history(self: &Arc<Self>, name: &str) -> Result<Vec<ImageHistoryItem>> {
        let _ = (name,);
        Err(EngineError::Unsupported("image_history".into()))
    }

    /// `POST /images/{name}/tag`.
    pub async fn image_tag(
        self: &Arc<Self>,
        name: &str,
        repository: &str,
        tag: &str,
    ) -> Result<()> {
        let _ = (name, repository, tag);
        Err(EngineError::Unsupported("image_tag".into()))
    }

    /// `DELETE /images/{name}`.
    pub async fn image_remove(
        self: &Arc<Self>,
        name: &str,
        options: ImageRemoveOptions,
    ) -> Result<Vec<ImageDeleteItem>> {
        let _ = (name, options);
        Err(EngineError::Unsupported("image_remove".into()))
    }

    /// `POST /images/prune`.
    pub async fn image_prune(self: &Arc<Self>, filters: Filters) -> Result<ImagePruneReport> {
        let _ = (filters,);
        Err(EngineError::Unsupported("image_prune".into()))
    }

    /// `POST /auth`: tries the credentials; answers an identity token or nothing.
    pub async fn registry_login(self: &Arc<Self>, auth: RegistryAuth) -> Result<String> {
        let _ = (auth,);
        Err(EngineError::Unsupported("registry_login".into()))
    }

    /// `POST /volumes/create`.
    pub async fn volume_create(
        self: &Arc<Self>,
        request: VolumeCreateRequest,
    ) -> Result<VolumeInfo> {
        let _ = (request,);
        Err(EngineError::Unsupported("volume_create".into()))
    }

    /// `GET /volumes`.
    pub async fn volume_list(self: &Arc<Self>, filters: Filters) -> Result<Vec<VolumeInfo>> {
        let _ = (filters,);
        Err(EngineError::Unsupported("volume_list".into()))
    }

    /// `GET /volumes/{name}`.
    pub async fn volume_inspect(self: &Arc<Self>, name: &str) -> Result<VolumeInfo> {
        let _ = (name,);
        Err(EngineError::Unsupported("volume_inspect".into()))
    }

    /// `DELETE /volumes/{name}`.
    pub async fn volume_remove(self: &Arc<Self>, name: &str, force: bool) -> Result<()> {
        let _ = (name, force);
        Err(EngineError::Unsupported("volume_remove".into()))
    }

    /// `POST /volumes/prune`; anonymous ones only unless the filter `all` is set.
    pub async fn volume_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        let _ = (filters,);
        Err(EngineError::Unsupported("volume_prune".into()))
    }

    /// `GET /networks`; `containers` is empty.
    pub async fn network_list(self: &Arc<Self>, filters: Filters) -> Result<Vec<NetworkInspect>> {
        let _ = (filters,);
        Err(EngineError::Unsupported("network_list".into()))
    }

    /// `GET /networks/{id}`.
    pub async fn network_inspect(self: &Arc<Self>, name: &str) -> Result<NetworkInspect> {
        let _ = (name,);
        Err(EngineError::Unsupported("network_inspect".into()))
    }

    /// `DELETE /networks/{id}`.
    pub async fn network_remove(self: &Arc<Self>, name: &str) -> Result<()> {
        let _ = (name,);
        Err(EngineError::Unsupported("network_remove".into()))
    }

    /// `POST /networks/prune`.
    pub async fn network_prune(self: &Arc<Self>, filters: Filters) -> Result<PruneReport> {
        let _ = (filters,);
        Err(EngineError::Unsupported("network_prune".into()))
    }

    /// `GET /events`.
    pub async fn events(
        self: &Arc<Self>,
        options: EventsOptions,
    ) -> Result<BoxStream<'static, Event>> {
        let _ = (options,);
        Err(EngineError::Unsupported("events".into()))
    }

    /// `GET /info`.
    pub async fn system_info(self: &Arc<Self>) -> Result<SystemInfo> {
        Err(EngineError::Unsupported("system_info".into()))
    }

    /// `GET /version`.
    pub async fn system_version(self: &Arc<Self>) -> Result<SystemVersion> {
        Err(EngineError::Unsupported("system_version".into()))
    }

    /// `GET /system/df`.
    pub async fn system_disk_usage(
        self: &Arc<Self>,
        options: DiskUsageOptions,
    ) -> Result<DiskUsage> {
        let _ = (options,);
        Err(EngineError::Unsupported("system_disk_usage".into()))
    }
}
