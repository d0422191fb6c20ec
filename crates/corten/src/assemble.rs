//! The one composition root: the engine over its rooms, the server before the engine.

use crate::{
    config::{ConfigError, DaemonConfig},
    hosts::Host,
    pid_file::PidFileError,
};
use corten_engine::{Engine, EngineError};
use corten_server::{ListenError, Listener, Server, ServerOptions};
use std::{io, os::fd::OwnedFd, path::PathBuf, sync::Arc};
use thiserror::Error;

/// Corten's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The daemon cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its settings cannot be followed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another daemon lives, or the pid file cannot be written.
    #[error("failed to start the daemon")]
    PidFile(#[from] PidFileError),
    /// The engine does not open.
    #[error("failed to start the engine")]
    Engine(#[from] EngineError),
    /// An address cannot be listened on.
    #[error("failed to load listeners")]
    Listen(#[from] ListenError),
    /// The group of the sockets is not there.
    #[error("group {0} of the sockets not found: make it, or name another with --group")]
    NoSuchGroup(String),
    /// A file of the system cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Sockets of the service manager cannot be taken.
    #[error("taking the sockets of the service manager")]
    Activation(#[source] io::Error),
    /// `fd://`, and no service manager has handed that socket over. Docker's sentence.
    #[error("no sockets found via socket activation: make sure the service was started by systemd")]
    NoSocket,
    /// The asynchronous runtime does not start.
    #[error("starting threads")]
    Threads(#[source] io::Error),
}

/// The daemon's parts, put together and listening.
pub struct Daemon {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The server before it.
    pub server: Server,
    /// Bound addresses; clients that connect wait until they are served.
    pub listeners: Vec<Listener>,
    /// Where metrics are read.
    pub metrics: Option<Listener>,
    /// Sockets to take away at an orderly end.
    pub sockets: Vec<PathBuf>,
}

/// Opens the engine, which finds its containers again, and binds the addresses.
pub async fn assemble(config: DaemonConfig, inherited: Vec<OwnedFd>) -> Result<Daemon, StartError> {
    let group = socket_group(&config)?;
    let DaemonConfig {
        engine,
        hosts,
        tls,
        metrics,
        ..
    } = config;
    let mut inherited: Vec<Option<OwnedFd>> = inherited.into_iter().map(Some).collect();
    let engine = Engine::open(engine).await?;
    let mut listeners = Vec::new();
    let mut sockets = Vec::new();
    for host in hosts {
        match host {
            Host::Unix(path) => {
                listeners.push(Listener::unix(&path, group)?);
                sockets.push(path);
            }
            Host::Tcp(address) => listeners.push(Listener::tcp(&address, tls.as_ref()).await?),
            Host::Inherited(which) => {
                let taken: Vec<OwnedFd> = match which {
                    Some(number) => inherited
                        .get_mut(number)
                        .and_then(Option::take)
                        .into_iter()
                        .collect(),
                    None => inherited.iter_mut().filter_map(Option::take).collect(),
                };
                if taken.is_empty() {
                    return Err(StartError::NoSocket);
                }
                for socket in taken {
                    listeners.push(Listener::inherited(socket, tls.as_ref())?);
                }
            }
        }
    }
    let metrics = match metrics {
        Some(address) => Some(Listener::tcp(&address, None).await?),
        None => None,
    };
    let options = ServerOptions {
        version: VERSION.to_owned(),
    };
    let server = Server::new(Arc::clone(&engine), options);
    Ok(Daemon {
        engine,
        server,
        listeners,
        metrics,
        sockets,
    })
}

/// The number of the sockets' group; `None` when the default one is not there.
fn socket_group(config: &DaemonConfig) -> Result<Option<u32>, StartError> {
    const GROUPS: &str = "/etc/group";
    let (name, required) = config.socket_group();
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    let groups = match std::fs::read_to_string(GROUPS) {
        Ok(groups) => groups,
        Err(_) if !required => String::new(),
        Err(source) => {
            return Err(StartError::Read {
                path: GROUPS.into(),
                source,
            });
        }
    };
    // group(5): name:password:number:members
    let number = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    });
    match number {
        None if required => Err(StartError::NoSuchGroup(name.to_owned())),
        number => Ok(number),
    }
}
