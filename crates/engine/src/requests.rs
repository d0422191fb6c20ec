//! What operations are asked and what they answer, where `corten-model` has no noun.

use corten_base::Timestamp;
use corten_model::{
    ContainerConfig, ContainerId, EndpointConfig, Filters, HostConfig, RegistryAuth, Resources,
    RestartPolicy,
};
use std::collections::BTreeMap;

use crate::AttachStream;

/// `POST /containers/create`.
#[derive(Debug, Clone, Default)]
pub struct CreateRequest {
    /// Without a slash (a leading one is taken off); `None`: a name is made up.
    pub name: Option<String>,
    /// `os[/arch[/variant]]`; `None`: the host's.
    pub platform: Option<String>,
    /// The portable half.
    pub config: ContainerConfig,
    /// The host's half.
    pub host_config: HostConfig,
    /// Networks by name.
    pub endpoints: BTreeMap<String, EndpointConfig>,
}

/// A container was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its ID.
    pub id: ContainerId,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// `POST /containers/{id}/start`.
#[derive(Debug, Clone, Default)]
pub struct StartOptions {
    /// Detach keys of later attaches that name none.
    pub detach_keys: String,
    /// A checkpoint to restore; refused.
    pub checkpoint: String,
    /// Its directory; refused.
    pub checkpoint_directory: String,
}

/// `POST /containers/{id}/attach`.
#[derive(Debug, Clone, Default)]
pub struct AttachOptions {
    /// First what was written so far.
    pub logs: bool,
    /// Then what comes.
    pub stream: bool,
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// `ctrl-p,ctrl-q`; empty: the default.
    pub detach_keys: String,
}

/// When `wait` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WaitCondition {
    /// At once when it does not run.
    #[default]
    NotRunning,
    /// At its next exit.
    NextExit,
    /// When it is removed.
    Removed,
}

/// What `wait` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    /// The container's exit status.
    pub exit_code: i64,
    /// Waiting failed, or the container failed to start.
    pub error: Option<String>,
}

/// `GET /containers/{id}/logs`.
#[derive(Debug, Clone, Default)]
pub struct LogsOptions {
    /// Go on with what comes.
    pub follow: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Each line begins with its time.
    pub timestamps: bool,
    /// The last lines only; `None`: all.
    pub tail: Option<u64>,
    /// Each line carries the attributes that `--log-opt` asked for.
    pub details: bool,
}

/// `GET /containers/json`.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Stopped ones too.
    pub all: bool,
    /// Compute sizes.
    pub size: bool,
    /// The last created ones only (and all states); 0 or less: no limit.
    pub limit: i64,
    /// `ancestor`, `before`, `expose`, `exited`, `health`, `id`, `isolation`, `is-task`,
    /// `label`, `name`, `network`, `publish`, `since`, `status`, `volume`.
    pub filters: Filters,
}

/// `POST /containers/{id}/stop` and `/restart`.
#[derive(Debug, Clone, Default)]
pub struct StopOptions {
    /// `None`: the container's.
    pub signal: Option<String>,
    /// `None`: the container's; -1: no limit.
    pub timeout_seconds: Option<i64>,
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Lines.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// What `top` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopOutput {
    /// Column titles.
    pub titles: Vec<String>,
    /// A row a process.
    pub processes: Vec<Vec<String>>,
}

/// `DELETE /containers/{id}`.
#[derive(Debug, Clone, Copy, Default)]
pub struct RemoveOptions {
    /// Kill first where it runs.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// Remove the link of this name instead of a container.
    pub link: bool,
}

/// What a prune answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// IDs or names.
    pub deleted: Vec<String>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// What an image prune answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImagePruneReport {
    /// Names and IDs.
    pub deleted: Vec<corten_model::ImageDeleteItem>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// `POST /containers/{id}/update`. Zero and empty mean unchanged, as in Docker.
#[derive(Debug, Clone, Default)]
pub struct UpdateRequest {
    /// Limits.
    pub resources: Resources,
    /// `None`: unchanged.
    pub restart_policy: Option<RestartPolicy>,
}

/// `GET /containers/{id}/stats`.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatsOptions {
    /// A sample a second until the client leaves; else one.
    pub stream: bool,
    /// Without a first sample to compare with.
    pub one_shot: bool,
}

/// `POST /exec/{id}/start`.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExecStartOptions {
    /// Do not attach.
    pub detach: bool,
    /// The client expects a terminal's raw stream.
    pub tty: bool,
    /// Size of the terminal.
    pub console_size: Option<TerminalSize>,
}

/// An exec process was started.
pub enum ExecStarted {
    /// It runs on its own.
    Detached,
    /// Its streams.
    Attached(AttachStream),
}

/// `POST /commit`.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// Container.
    pub container: String,
    /// Name of the new image; empty: none.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Comment.
    pub comment: String,
    /// Author.
    pub author: String,
    /// Freeze the container meanwhile.
    pub pause: bool,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// Replaces the container's configuration.
    pub config: Option<ContainerConfig>,
}

/// What is known of a path in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathStat {
    /// Last component.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Go's `os.FileMode` bits.
    pub mode: u32,
    /// Last change of its content.
    pub modified: Timestamp,
    /// Target of a symbolic link, resolved inside the container.
    pub link_target: String,
}

/// `PUT /containers/{id}/archive`.
#[derive(Debug, Clone, Default)]
pub struct ArchivePutOptions {
    /// Directory in the container.
    pub path: String,
    /// A directory does not replace a file, nor a file a directory.
    pub no_overwrite_directory_non_directory: bool,
    /// Keep the owner of the archive's entries.
    pub copy_uid_gid: bool,
}

/// `GET /events`.
#[derive(Debug, Clone, Default)]
pub struct EventsOptions {
    /// First those since then, as far as they are remembered.
    pub since: Option<Timestamp>,
    /// End then.
    pub until: Option<Timestamp>,
    /// `config`, `container`, `daemon`, `event`, `image`, `label`, `network`, `node`,
    /// `plugin`, `scope`, `secret`, `service`, `type`, `volume`.
    pub filters: Filters,
}

/// `POST /images/create?fromImage=`.
#[derive(Debug, Clone, Default)]
pub struct PullRequest {
    /// `fromImage`.
    pub image: String,
    /// `tag`: a tag or a digest; empty: in `image`, or all tags when it has none there
    /// and the client said so.
    pub tag: String,
    /// `os[/arch[/variant]]`.
    pub platform: Option<String>,
    /// Credentials.
    pub auth: Option<RegistryAuth>,
}

/// `POST /images/verify`.
#[derive(Debug, Clone, Default)]
pub struct ImageVerifyRequest {
    /// Names or IDs; none: every image.
    pub names: Vec<String>,
    /// Also mend what is damaged.
    pub repair: bool,
    /// Credentials by registry.
    pub auths: Vec<(String, RegistryAuth)>,
}

/// `POST /images/{name}/push`.
#[derive(Debug, Clone, Default)]
pub struct PushRequest {
    /// Name without tag.
    pub image: String,
    /// Tag; empty: all tags.
    pub tag: String,
    /// `os[/arch[/variant]]`.
    pub platform: Option<String>,
    /// Credentials.
    pub auth: Option<RegistryAuth>,
}

/// `POST /images/create?fromSrc=`.
#[derive(Debug, Clone, Default)]
pub struct ImportRequest {
    /// Name of the new image; empty: none.
    pub repository: String,
    /// Its tag.
    pub tag: String,
    /// Comment.
    pub message: String,
    /// Dockerfile instructions.
    pub changes: Vec<String>,
    /// `os[/arch[/variant]]`.
    pub platform: Option<String>,
}

/// `GET /images/json`.
#[derive(Debug, Clone, Default)]
pub struct ImageListOptions {
    /// Intermediate images too.
    pub all: bool,
    /// Compute shared sizes.
    pub shared_size: bool,
    /// What names keep beside their images.
    pub manifests: bool,
    /// `before`, `dangling`, `label`, `reference`, `since`, `until`.
    pub filters: Filters,
}

/// `DELETE /images/{name}`.
#[derive(Debug, Clone, Default)]
pub struct ImageRemoveOptions {
    /// Although stopped containers use it or it has several names.
    pub force: bool,
    /// Keep untagged parents.
    pub no_prune: bool,
    /// Only the images for these platforms; none: all of it.
    pub platforms: Vec<String>,
}

/// `POST /volumes/create`.
#[derive(Debug, Clone, Default)]
pub struct VolumeCreateRequest {
    /// Empty: a random one.
    pub name: String,
    /// Empty: `local`.
    pub driver: String,
    /// The driver's options.
    pub driver_options: Option<BTreeMap<String, String>>,
    /// Labels.
    pub labels: Option<BTreeMap<String, String>>,
}

/// What `system df` computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsageOptions {
    /// Images and layers.
    pub images: bool,
    /// Containers.
    pub containers: bool,
    /// Volumes.
    pub volumes: bool,
}
