//! What the engine asks of a shim.

use crate::{Failure, State};
use corten_base::{Id, Timestamp};
use corten_oci::RootMount;
use corten_oci::runtime::{LinuxResources, Process, Spec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The version of these messages, shown in [`State::protocol`].
pub const PROTOCOL_VERSION: u32 = 1;

/// One request. Descriptors that come along are named at each variant, in order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Create and start the container; answered by [`Reply::Started`]. Descriptors: the
    /// network namespace if [`StartRequest::netns`], a socket that gets the events if
    /// [`StartRequest::events`], then one stream socket for each of
    /// [`StartRequest::attach`].
    Start(Box<StartRequest>),
    /// Answered by [`Reply::State`].
    State,
    /// Send a signal to a process, or to every process of the container.
    Kill {
        /// The exec process, or none for the first one.
        exec: Option<Id>,
        /// The signal's number.
        signal: i32,
        /// Every process of the container instead of one.
        #[serde(default)]
        all: bool,
    },
    /// Change a terminal's size; nothing happens where the process has none.
    Resize {
        /// The exec process, or none for the first one.
        exec: Option<Id>,
        /// The new size.
        size: TerminalSize,
    },
    /// Start another process in the container; answered by [`Reply::Started`].
    /// Descriptors: one stream socket if [`ExecRequest::attach`] is there.
    Exec(Box<ExecRequest>),
    /// Whether an exec could run as this user: the container's own files say it.
    FindUser {
        /// In Docker's form.
        user: String,
    },
    /// Connect a stream socket (the descriptor) to the first process's streams.
    Attach(AttachOptions),
    /// Freeze every process.
    Pause,
    /// Let them go on.
    Resume,
    /// Change the limits; what is not given stays.
    Update(Box<LinuxResources>),
    /// Answered by [`Reply::Subscribed`]; then the connection carries events.
    Subscribe,
    /// Kill whatever runs, record its exit, and go away.
    Shutdown,
}

/// Everything a container needs to start.
#[derive(Debug, Serialize, Deserialize)]
pub struct StartRequest {
    /// The container's ID.
    pub id: Id,
    /// What to run. `process.terminal` decides between a terminal and pipes.
    pub spec: Spec,
    /// Its root file system.
    pub root: RootMount,
    /// Whether the root's files are seen through the maps of the container's user
    /// namespace, whose file `spec` names.
    #[serde(default)]
    pub id_mapped: bool,
    /// Whom to run as, in Docker's form: `name|uid[:group|gid]`. Empty: user 0 with its groups;
    /// `spec.process.user` has the umask only.
    #[serde(default)]
    pub user: String,
    /// Further groups, by name or number (`--group-add`).
    #[serde(default)]
    pub groups: Vec<String>,
    /// The container's directory in the data root: `exit.json` is written there.
    pub directory: PathBuf,
    /// Where the shim shall listen. May be longer than a socket address allows.
    pub socket: PathBuf,
    /// Whether the first descriptor is the network namespace to join.
    #[serde(default)]
    pub netns: bool,
    /// Whether the next descriptor is a subscriber, who misses nothing; set by
    /// `ShimClient::start_and_subscribe`.
    #[serde(default)]
    pub events: bool,
    /// What becomes of standard input.
    pub stdin: Stdin,
    /// Where output is kept.
    pub log: Log,
    /// Clients that were attached before the start; they miss no byte.
    #[serde(default)]
    pub attach: Vec<AttachOptions>,
    /// Who makes the container; `None`: the shim itself.
    #[serde(default)]
    pub runtime: Option<ExternalRuntime>,
}

/// Another OCI runtime, which is driven by runc's command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalRuntime {
    /// As users name it, for messages.
    pub name: String,
    /// The program, an absolute path.
    pub program: PathBuf,
    /// Words before the verb.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// Another process in a running container.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The new process's ID.
    pub id: Id,
    /// What to run.
    pub process: Process,
    /// Whom to run as, in Docker's form. Empty: user 0 with its groups.
    #[serde(default)]
    pub user: String,
    /// Further groups, by name or number.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The client's stream. Without one the output is thrown away.
    pub attach: Option<AttachOptions>,
}

/// What becomes of the first process's standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stdin {
    /// `/dev/null` (with a terminal: nobody types).
    Closed,
    /// Kept open whoever comes and goes (Docker's `OpenStdin`).
    Open,
    /// Closed when the first client that sends input ends it (`StdinOnce`).
    Once,
}

/// What a client sees and sends. The stream socket carries input towards the shim and,
/// towards the client, output: as it is with a terminal, else in pieces with
/// [`crate::header`]s.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachOptions {
    /// The client's bytes go to the process.
    pub stdin: bool,
    /// The client sees standard output.
    pub stdout: bool,
    /// The client sees standard error.
    pub stderr: bool,
    /// The keys that detach the client from a terminal (Docker: `ctrl-p,ctrl-q`, bytes
    /// 16 and 17). Empty: none do.
    #[serde(default)]
    pub detach_keys: Vec<u8>,
}

/// Where the container's output is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Log {
    /// Nowhere.
    None,
    /// In files of Docker's json-file format.
    JsonFile(JsonFileLog),
    /// At a receiver elsewhere, which a logger process speaks to.
    Remote(RemoteLog),
}

/// A driver that sends records away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteLog {
    /// The logger's program.
    pub program: PathBuf,
    /// What it must know, as JSON; the shim does not look into it.
    pub config: String,
    /// What happens to records that the receiver is too slow for; `None`: the container
    /// waits.
    pub limit: Option<RemoteLimit>,
    /// Files beside it, to read back from.
    pub cache: Option<JsonFileLog>,
}

/// How much may wait for a receiver before records are dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteLimit {
    /// Bytes of lines.
    pub bytes: u64,
    /// Records.
    pub records: u64,
}

/// The json-file driver's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFileLog {
    /// The current file; older ones get `.1`, `.2`, … behind the name.
    pub path: PathBuf,
    /// Begin a new file when this one has reached so many bytes.
    pub max_size_bytes: Option<u64>,
    /// How many files are kept at most, the current one included.
    pub max_files: u32,
    /// Whether older files are compressed with gzip.
    pub compress: bool,
    /// `attrs` of every record (labels, environment, tag).
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// A terminal's size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

/// The answer to one request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done.
    Done,
    /// The process runs its program.
    Started(Started),
    /// The container's state.
    State(State),
    /// The state at the moment from which on events are sent.
    Subscribed(State),
    /// It could not be done.
    Failed(Failure),
}

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process, in the shim's process ID namespace.
    pub pid: u32,
    /// When its program was executed.
    pub at: Timestamp,
}
