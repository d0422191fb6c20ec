//! Where the first process's output is kept: files, a logger process, both or neither.

use crate::epoll::{Epoll, Interest, Token, Watched};
use crate::failure;
use corten_logs::remote::{Overflow, RemoteWriter, read_text, write_text};
use corten_logs::{JsonFileConfig, JsonFileWriter, Stream};
use corten_shim_proto::{Failure, FailureStage, JsonFileLog, Log, RemoteLog};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a logger may take to connect; within `REPLY_TIMEOUT` of the engine.
const VERDICT_LIMIT: Duration = Duration::from_secs(40);

/// How long the end of the log may take after the end of the container, as with dockerd.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// A logger that died is started again, but not more often than this.
const RESTART_PAUSE: Duration = Duration::from_secs(1);

/// The log of one container.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    file: Option<JsonFileWriter>,
    remote: Option<Remote>,
}

#[derive(Debug)]
struct Remote {
    settings: RemoteLog,
    writer: RemoteWriter,
    ready: Watched,
    child: Child,
    started: Instant,
    /// When the end was told.
    closed: Option<Instant>,
}

impl Logs {
    pub(crate) fn open(log: &Log, epoll: &Epoll) -> Result<Self, Failure> {
        let (file, remote) = match log {
            Log::None => (None, None),
            Log::JsonFile(file) => (Some(file), None),
            Log::Remote(remote) => (remote.cache.as_ref(), Some(remote)),
        };
        // The receiver first: without it there is nothing to read back either.
        let remote = remote.map(|remote| Remote::start(remote.clone(), epoll));
        let remote = remote.transpose()?;
        let file = file.map(open_file).transpose()?;
        Ok(Self { file, remote })
    }

    pub(crate) fn write(&mut self, stream: Stream, bytes: &[u8]) {
        // Output that cannot be kept must not stop the container; the next batch may
        // find room again.
        if let Some(file) = &mut self.file {
            let _kept = file.write(stream, bytes).is_ok();
        }
        if let Some(remote) = &mut self.remote {
            remote.writer.write(stream, bytes);
            remote.flush();
        }
    }

    pub(crate) fn end(&mut self, stream: Stream) {
        if let Some(file) = &mut self.file {
            let _kept = file.end(stream).is_ok();
        }
        if let Some(remote) = &mut self.remote {
            remote.writer.end(stream);
        }
    }

    pub(crate) fn flush(&mut self) {
        if let Some(file) = &mut self.file {
            let _kept = file.flush().is_ok();
            file.compress_some();
        }
        if let Some(remote) = &mut self.remote {
            remote.flush();
        }
    }

    /// Whether the container has to wait for its receiver.
    pub(crate) fn is_full(&self) -> bool {
        self.remote
            .as_ref()
            .is_some_and(|remote| remote.writer.is_full())
    }

    pub(crate) fn has_background_work(&self) -> bool {
        self.file
            .as_ref()
            .is_some_and(JsonFileWriter::has_background_work)
    }

    pub(crate) fn release_memory(&mut self) {
        if let Some(file) = &mut self.file {
            file.release_memory();
        }
        if let Some(remote) = &mut self.remote {
            remote.writer.release_memory();
        }
    }

    /// No more output comes. Files are complete now; what a receiver has not taken yet
    /// is sent for [`CLOSE_LIMIT`].
    pub(crate) fn close(&mut self) {
        self.file = None;
        if let Some(remote) = &mut self.remote
            && remote.closed.is_none()
        {
            remote.writer.close();
            remote.closed = Some(Instant::now());
            remote.flush();
        }
    }

    /// How long the end may still take; `None`: nothing is being ended.
    pub(crate) fn close_time_left(&self) -> Option<Duration> {
        let remote = self.remote.as_ref()?;
        let closed = remote.closed.filter(|_| remote.writer.is_waiting())?;
        Some(CLOSE_LIMIT.saturating_sub(closed.elapsed()))
    }

    /// Whether everything was handed over, or waited for long enough.
    pub(crate) fn is_over(&self) -> bool {
        self.close_time_left().is_none_or(|left| left.is_zero())
    }
}

impl Remote {
    /// Starts the logger and waits for its verdict: the container has not begun.
    fn start(settings: RemoteLog, epoll: &Epoll) -> Result<Self, Failure> {
        let failed = |error: io::Error| failure::of_io("starting the logger", &error);
        let (socket, child) = spawn(&settings).map_err(failed)?;
        socket
            .set_read_timeout(Some(VERDICT_LIMIT))
            .map_err(failed)?;
        let verdict = read_text(&socket).map_err(failed)?;
        if !verdict.is_empty() {
            let sentence = String::from_utf8_lossy(&verdict).into_owned();
            return Err(Failure::new(FailureStage::Log, sentence));
        }
        let (writer, ready) = connect(socket, &settings, epoll).map_err(failed)?;
        Ok(Self {
            settings,
            writer,
            ready,
            child,
            started: Instant::now(),
            closed: None,
        })
    }

    fn flush(&mut self) {
        self.writer.flush();
        if self.writer.is_broken()
            && self.closed.is_none()
            && self.started.elapsed() >= RESTART_PAUSE
        {
            self.restart();
        }
        let interest = match self.writer.is_waiting() {
            true => Interest::WRITE,
            false => Interest::NONE,
        };
        // Memory is all it can lack; the next output tries again.
        let _watched = self.ready.want(interest).is_ok();
    }

    /// A logger that died, such as by the kernel's lack of memory, costs its records,
    /// not those that follow. Its verdict is not waited for.
    fn restart(&mut self) {
        self.started = Instant::now();
        let _reaped = self.child.wait().is_ok();
        let restarted = spawn(&self.settings).and_then(|(socket, child)| {
            let (writer, ready) = connect(socket, &self.settings, &self.ready.epoll())?;
            Ok((writer, ready, child))
        });
        if let Ok((writer, ready, child)) = restarted {
            self.writer = writer;
            self.ready = ready;
            self.child = child;
        }
    }
}

/// Starts the logger's program with its end of a connection, and says what it must know.
fn spawn(settings: &RemoteLog) -> io::Result<(UnixStream, Child)> {
    let (near, far) = UnixStream::pair()?;
    let child = Command::new(&settings.program)
        .stdin(Stdio::from(OwnedFd::from(far)))
        // The engine reads the end of the shim from its standard output.
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .env_clear()
        .spawn()?;
    write_text(&near, settings.config.as_bytes())?;
    Ok((near, child))
}

fn connect(
    socket: UnixStream,
    settings: &RemoteLog,
    epoll: &Epoll,
) -> io::Result<(RemoteWriter, Watched)> {
    let overflow = match settings.limit {
        None => Overflow::Wait,
        Some(limit) => Overflow::Drop {
            bytes: limit.bytes,
            records: limit.records,
        },
    };
    let writer = RemoteWriter::new(socket.into(), overflow)?;
    let descriptor = writer.socket().as_fd().try_clone_to_owned()?;
    Ok((writer, Watched::as_it_is(epoll, descriptor, Token::Logger)))
}

fn open_file(log: &JsonFileLog) -> Result<JsonFileWriter, Failure> {
    if let Some(directory) = log.path.parent().map(PathBuf::from) {
        // `local` keeps its files in a directory of their own.
        std::fs::create_dir_all(directory)
            .map_err(|error| failure::of_io("making the log's directory", &error))?;
    }
    let config = JsonFileConfig {
        path: log.path.clone(),
        max_size_bytes: log.max_size_bytes,
        max_files: log.max_files.max(1),
        compress: log.compress,
        attributes: log.attributes.clone(),
    };
    JsonFileWriter::open(config).map_err(|error| failure::of_log(&error))
}
