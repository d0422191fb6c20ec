//! The daemon's life: settings, pid file, engine, addresses, ready, signals, end.
//!
//! SIGTERM and SIGINT end it in an orderly way; containers live on, and the next start
//! finds them again (what dockerd calls live restore is the design). SIGHUP is logged and
//! changes nothing: settings are read at the start.

use crate::{
    assemble::{Daemon, StartError, VERSION, assemble},
    config::DaemonConfig,
    flags::{self, Command, Line},
    pid_file::PidFile,
};
use std::{
    os::{linux::net::SocketAddrExt, unix::net::UnixDatagram},
    process::ExitCode,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};

/// Threads that run tasks: work of any size is done by the threads below.
const WORKER_THREADS: usize = 2;
/// Threads for disk and kernel work, made when needed and ended when idle.
const BLOCKING_THREADS: usize = 32;
/// An idle thread for disk and kernel work ends after this time.
const BLOCKING_IDLE: Duration = Duration::from_secs(5);
/// Stack of each thread in bytes; only what is used is memory.
const STACK_BYTES: usize = 1 << 20;
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
    let validate = line.validate;
    let config = DaemonConfig::load(line)?;
    if validate {
        eprintln!("configuration OK");
        return Ok(());
    }
    start_logging(&config);
    corten_sys::malloc::limit_arenas(ALLOCATOR_ARENAS);
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
    let served = threads.block_on(serve(config));
    // Work that hangs in the kernel must not keep the daemon from ending.
    threads.shutdown_background();
    if let Some(pid_file) = pid_file {
        pid_file.remove();
    }
    served
}

async fn serve(config: DaemonConfig) -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Threads)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Threads)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(StartError::Threads)?;
    let Daemon {
        engine,
        server,
        listeners,
        sockets,
    } = assemble(config).await?;
    let mut doors = tokio::task::JoinSet::new();
    for listener in listeners {
        let server = server.clone();
        doors.spawn(async move { server.serve(listener).await });
    }
    notify("READY=1");
    tracing::info!(version = VERSION, "the daemon is ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                tracing::warn!("SIGHUP changes nothing: settings are read at the start");
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

/// Tells the service manager, if there is one: sd_notify(3).
fn notify(state: &str) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let sent = UnixDatagram::unbound().and_then(|socket| {
        match address.to_string_lossy().strip_prefix('@') {
            Some(name) => {
                let name = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
                socket.send_to_addr(state.as_bytes(), &name)
            }
            None => socket.send_to(state.as_bytes(), &address),
        }
    });
    if let Err(error) = sent {
        tracing::warn!(%error, "telling the service manager");
    }
}

fn start_logging(config: &DaemonConfig) {
    let log = tracing_subscriber::fmt()
        .with_max_level(config.log_level)
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = if config.log_json {
        log.json().try_init()
    } else {
        log.try_init()
    };
    // A program that embeds the daemon may log in its own way.
    let _ = started;
}
