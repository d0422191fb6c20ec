//! The engine's end: spawn a shim, connect to one, ask it, listen to it (tokio).
//!
//! Dropping any future of this module midway leaves nothing half sent: the connection
//! it used is closed, and the next request opens another.

mod connection;
mod namespaces;
mod spawn;

pub use connection::Events;
pub use namespaces::{Namespaces, Users, make_namespaces};
pub use spawn::{ShimBinary, SpawnOptions, spawn};

use crate::frame::FrameError;
use crate::{
    AttachOptions, ExecRequest, Failure, Reply, Request, StartRequest, Started, State, TerminalSize,
};
use connection::Connection;
use corten_base::{Id, Kind, KindOf};
use corten_oci::runtime::LinuxResources;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

/// How long a shim may take to answer. Its work is a few milliseconds; hooks of a
/// specification and a machine that is short of memory may stretch a start.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// What can go wrong between the engine and a shim.
#[derive(Debug, Error)]
pub enum ShimError {
    /// The shim's program could not be opened.
    #[error("opening the shim's program {path}")]
    Binary {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The shim could not be executed.
    #[error("spawning the shim of {id}")]
    Spawn {
        /// The container.
        id: Id,
        /// Why.
        source: io::Error,
    },
    /// No namespaces could be made for the container.
    #[error("making a user namespace")]
    Namespaces {
        /// Why.
        source: io::Error,
    },
    /// Nobody listens at the socket: the shim is gone, and `exit.json` tells the rest.
    #[error("no shim listens at {socket}")]
    Gone {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The connection broke before the answer came.
    #[error("talking to the shim at {socket}")]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The shim's answer is not a message.
    #[error("reading the answer of the shim at {socket}")]
    Frame {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: FrameError,
    },
    /// The shim did not answer within [`REPLY_TIMEOUT`].
    #[error("the shim at {socket} did not answer within {} seconds", REPLY_TIMEOUT.as_secs())]
    Timeout {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer is none to this request.
    #[error("the shim at {socket} gave an answer to another request")]
    Unexpected {
        /// The socket.
        socket: PathBuf,
    },
    /// The shim says no, and why.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl KindOf for ShimError {
    fn kind(&self) -> Kind {
        match self {
            Self::Failed(failure) => failure.kind(),
            Self::Gone { .. } | Self::Timeout { .. } => Kind::Unavailable,
            Self::Binary { .. }
            | Self::Spawn { .. }
            | Self::Namespaces { .. }
            | Self::Broken { .. }
            | Self::Frame { .. }
            | Self::Unexpected { .. } => Kind::Internal,
        }
    }
}

/// A shim. Requests of several tasks are sent one after another.
#[derive(Debug)]
pub struct ShimClient {
    socket: PathBuf,
    /// The idle connection; taken out during a request.
    connection: Mutex<Option<Connection>>,
}

impl ShimClient {
    /// Connects to a running shim. [`ShimError::Gone`] where nobody listens.
    pub async fn connect(socket: &Path) -> Result<Self, ShimError> {
        let connection = Connection::open(socket).await?;
        Ok(Self {
            socket: socket.to_owned(),
            connection: Mutex::new(Some(connection)),
        })
    }

    /// Where it listens once a container has been started.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Creates and starts the container. `netns` is given where the request says so;
    /// one stream comes back for each of `request.attach`, in order.
    ///
    /// A container may be gone by the time that one subscribes to it; then only
    /// [`crate::ExitRecord`] tells. [`Self::start_and_subscribe`] sees every event.
    pub async fn start(
        &self,
        mut request: StartRequest,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(Started, Vec<UnixStream>), ShimError> {
        request.events = false;
        self.start_with(request, netns, None).await
    }

    /// As [`Self::start`], with all the container's events.
    pub async fn start_and_subscribe(
        &self,
        mut request: StartRequest,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(Started, Vec<UnixStream>, Events), ShimError> {
        request.events = true;
        let (near, far) = self.stream_pair()?;
        let (started, streams) = self.start_with(request, netns, Some(far)).await?;
        Ok((
            started,
            streams,
            Events::new(Connection::new(near, &self.socket)),
        ))
    }

    async fn start_with(
        &self,
        request: StartRequest,
        netns: Option<BorrowedFd<'_>>,
        events: Option<OwnedFd>,
    ) -> Result<(Started, Vec<UnixStream>), ShimError> {
        let mut ours = Vec::new();
        let mut theirs: Vec<OwnedFd> = events.into_iter().collect();
        for _ in &request.attach {
            let (near, far) = self.stream_pair()?;
            ours.push(near);
            theirs.push(far);
        }
        let descriptors: Vec<_> = netns
            .into_iter()
            .chain(theirs.iter().map(|far| far.as_fd()))
            .collect();
        let request = Request::Start(Box::new(request));
        Ok((self.started(&request, &descriptors).await?, ours))
    }

    /// Starts another process in the container; its stream where it asks for one.
    pub async fn exec(
        &self,
        request: ExecRequest,
    ) -> Result<(Started, Option<UnixStream>), ShimError> {
        let (near, far) = match request.attach {
            Some(_) => self
                .stream_pair()
                .map(|(near, far)| (Some(near), Some(far)))?,
            None => (None, None),
        };
        let descriptors: Vec<_> = far.iter().map(|far| far.as_fd()).collect();
        let request = Request::Exec(Box::new(request));
        Ok((self.started(&request, &descriptors).await?, near))
    }

    /// Fails where an exec as `user` (in Docker's form) would.
    pub async fn find_user(&self, user: &str) -> Result<(), ShimError> {
        let user = user.to_owned();
        self.done(&Request::FindUser { user }, &[]).await
    }

    /// A stream of the first process: write input, shut down the writing half to end
    /// it, read output until its end.
    pub async fn attach(&self, options: AttachOptions) -> Result<UnixStream, ShimError> {
        let (near, far) = self.stream_pair()?;
        self.done(&Request::Attach(options), &[far.as_fd()]).await?;
        Ok(near)
    }

    /// Where the container stands.
    pub async fn state(&self) -> Result<State, ShimError> {
        match self.ask(&Request::State, &[]).await? {
            Reply::State(state) => Ok(state),
            _ => Err(self.unexpected()),
        }
    }

    /// Sends a signal to the first process (`exec` none) or an exec process.
    pub async fn kill(&self, exec: Option<Id>, signal: i32) -> Result<(), ShimError> {
        self.done(
            &Request::Kill {
                exec,
                signal,
                all: false,
            },
            &[],
        )
        .await
    }

    /// Sends a signal to every process of the container.
    pub async fn kill_all(&self, signal: i32) -> Result<(), ShimError> {
        self.done(
            &Request::Kill {
                exec: None,
                signal,
                all: true,
            },
            &[],
        )
        .await
    }

    /// Sets a terminal's size.
    pub async fn resize(&self, exec: Option<Id>, size: TerminalSize) -> Result<(), ShimError> {
        self.done(&Request::Resize { exec, size }, &[]).await
    }

    /// Freezes every process.
    pub async fn pause(&self) -> Result<(), ShimError> {
        self.done(&Request::Pause, &[]).await
    }

    /// Lets frozen processes go on.
    pub async fn resume(&self) -> Result<(), ShimError> {
        self.done(&Request::Resume, &[]).await
    }

    /// Changes limits.
    pub async fn update(&self, resources: LinuxResources) -> Result<(), ShimError> {
        self.done(&Request::Update(Box::new(resources)), &[]).await
    }

    /// The state now and everything that happens from now on.
    pub async fn subscribe(&self) -> Result<(State, Events), ShimError> {
        let mut connection = Connection::open(&self.socket).await?;
        match connection.ask(&Request::Subscribe, &[]).await? {
            Reply::Subscribed(state) => Ok((state, Events::new(connection))),
            Reply::Failed(failure) => Err(failure.into()),
            _ => Err(self.unexpected()),
        }
    }

    /// Kills whatever runs, has its exit recorded, and lets the shim go away.
    pub async fn shutdown(&self) -> Result<(), ShimError> {
        self.done(&Request::Shutdown, &[]).await
    }

    async fn done(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), ShimError> {
        match self.ask(request, descriptors).await? {
            Reply::Done => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    async fn started(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Started, ShimError> {
        match self.ask(request, descriptors).await? {
            Reply::Started(started) => Ok(started),
            _ => Err(self.unexpected()),
        }
    }

    /// A connection that breaks midway is not tried again: whether the request was
    /// carried out is then for [`Self::state`] to say.
    async fn ask(
        &self,
        request: &Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Reply, ShimError> {
        let mut idle = self.connection.lock().await;
        let mut connection = match idle.take() {
            Some(connection) if connection.is_open() => connection,
            _ => Connection::open(&self.socket).await?,
        };
        let reply = connection.ask(request, descriptors).await?;
        *idle = Some(connection);
        match reply {
            Reply::Failed(failure) => Err(failure.into()),
            reply => Ok(reply),
        }
    }

    fn stream_pair(&self) -> Result<(UnixStream, OwnedFd), ShimError> {
        let broken = |source| ShimError::Broken {
            socket: self.socket.clone(),
            source,
        };
        let (near, far) = std::os::unix::net::UnixStream::pair().map_err(broken)?;
        near.set_nonblocking(true).map_err(broken)?;
        Ok((UnixStream::from_std(near).map_err(broken)?, far.into()))
    }

    fn unexpected(&self) -> ShimError {
        ShimError::Unexpected {
            socket: self.socket.clone(),
        }
    }
}
