//! The daemon's life: settings, pid file, engine, addresses, ready, signals, end.
//!
//! SIGTERM and SIGINT end it in an orderly way; containers live on, and the next start
//! finds them again (what dockerd calls live restore is the design), so `shutdown-timeout`
//! has nothing to wait for. SIGHUP reads the settings again; `engine/reload.rs` says which
//! of them may change.

use crate::{
    activation::{self, notify},
    assemble::{Daemon, StartError, VERSION, assemble},
    config::{DEFAULT_FILE, DaemonConfig},
    descriptors,
    flags::{self, Command, Line},
    pid_file::PidFile,
};
use corten_engine::Engine;
use rustix::fs::Mode;
use std::{os::fd::OwnedFd, process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::{
    Registry, filter::LevelFilter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// Threads that run tasks: work of any size is done by the threads below.
const WORKER_THREADS: usize = 2;
/// Threads for disk and kernel work, made when needed and ended when idle.
const BLOCKING_THREADS: usize = 32;
/// An idle thread for disk and kernel work ends after this time.
const BLOCKING_IDLE: Duration = Duration::from_secs(5);
/// Stack of each thread in bytes; only what is used is memory. Code that is not optimised
/// keeps every step of a nested future apart, and needs several times as much.
const STACK_BYTES: usize = if cfg!(debug_assertions) {
    8 << 20
} else {
    2 << 20
};
/// What new files lack unless somebody says otherwise: writing by others, as with dockerd.
const PUBLIC_FILES: Mode = Mode::from_raw_mode(0o022);
/// Arenas of the allocator: two threads do the daemon's allocating.
const ALLOCATOR_ARENAS: i32 = 2;

/// `cortend` from its first to its last line.
pub fn main() -> ExitCode {
    let line = match flags::parse(std::env::args().skip(1)) {
        Ok(Command::Help) => {
            print!("{}", flags::usage());
            return ExitCode::SUCCESS;
        }
        Ok(Command::Version) => {
            println!("Corten version {VERSION}");
            return ExitCode::SUCCESS;
        }
        Ok(Command::Run(line)) => line,
        Err(error) => {
            eprintln!("{error}\nSee 'cortend --help'.");
            return ExitCode::FAILURE;
        }
    };
    match run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", corten_base::chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(line: Line) -> Result<(), StartError> {
    // Before anything is opened: the numbers are the service manager's.
    let sockets = activation::sockets().map_err(StartError::Activation)?;
    let validate = line.validate;
    let mut config = DaemonConfig::load(line.clone())?;
    if validate {
        eprintln!("configuration OK");
        return Ok(());
    }
    // What containers and steps of builds are shown is for all users, whatever whoever
    // started this wants for files of their own; what is for root alone says so itself.
    rustix::process::umask(PUBLIC_FILES);
    let level = start_logging(&config);
    corten_sys::spawn::without_fork();
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    corten_sys::malloc::limit_arenas(ALLOCATOR_ARENAS);
    config.engine.shim_descriptors = Some(descriptors::raise());
    let pid_file = config.pid_file.as_deref().map(PidFile::take).transpose()?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(BLOCKING_IDLE)
        .thread_stack_size(STACK_BYTES)
        .thread_name("cortend")
        .enable_all()
        .build()
        .map_err(StartError::Threads)?;
    let served = threads.block_on(serve(config, sockets, &line, &level));
    // Work that hangs in the kernel must not keep the daemon from ending.
    threads.shutdown_background();
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    served
}

async fn serve(
    config: DaemonConfig,
    inherited: Vec<OwnedFd>,
    line: &Line,
    level: &Level,
) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Threads)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Threads)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(StartError::Threads)?;
    let Daemon {
        engine,
        server,
        listeners,
        metrics,
        sockets,
    } = assemble(config, inherited).await?;
    let mut doors = tokio::task::JoinSet::new();
    for listener in listeners {
        let server = server.clone();
        doors.spawn(async move { server.serve(listener).await });
    }
    if let Some(listener) = metrics {
        let server = server.clone();
        doors.spawn(async move { server.serve_metrics(listener).await });
    }
    notify("READY=1");
    tracing::info!(version = VERSION, "the daemon is ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                activation::notify_reloading();
                reload_settings(&engine, line, level);
                notify("READY=1");
            }
        }
    }
    tracing::info!("the daemon ends; containers live on");
    notify("STOPPING=1");
    doors.shutdown().await;
    for socket in sockets {
        if let Err(error) = std::fs::remove_file(&socket) {
            tracing::warn!(path = %socket.display(), %error, "removing a socket");
        }
    }
    engine.close().await;
    Ok(())
}

/// Reads the settings again. Where they cannot be followed, nothing changes.
fn reload_settings(engine: &Engine, line: &Line, level: &Level) {
    let path = line.config_file.as_deref().unwrap_or(DEFAULT_FILE);
    tracing::info!("Got signal to reload configuration, reloading from: {path}");
    let config = match DaemonConfig::load(line.clone()) {
        Ok(config) => config,
        Err(error) => {
            let error = corten_base::chain(&error);
            tracing::error!(error, "Error reconfiguring the daemon");
            return;
        }
    };
    if let Err(error) = engine.reload(&config.engine) {
        let error = corten_base::chain(&error);
        tracing::error!(error, "Error reconfiguring the daemon");
        return;
    }
    let filter = LevelFilter::from_level(config.log_level);
    if let Err(error) = level.reload(filter) {
        tracing::error!(%error, "the level of the log stays as it was");
    }
    tracing::info!("Reloaded configuration");
}

/// What is logged; may be changed while the daemon runs.
type Level = reload::Handle<LevelFilter, Registry>;

fn start_logging(config: &DaemonConfig) -> Level {
    let (filter, level) = reload::Layer::new(LevelFilter::from_level(config.log_level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    let started = if config.log_json {
        registry.with(lines.json()).try_init()
    } else {
        registry.with(lines).try_init()
    };
    // A program that embeds the daemon may log in its own way.
    let _ = started;
    level
}
