//! A container made by another OCI runtime, which is driven by its command line.
//!
//! ```text
//!  shim, in a mount namespace of its own          the runtime's program
//!    place/config.json, place/rootfs   ── create ──▶ makes the first process
//!    reaps it: a subreaper             ◀── ends ──── and leaves it to the shim
//!                                      ── start, exec, kill, pause, resume, delete ──▶
//! ```
//!
//! The first process and the execs are the shim's children as with its own runtime: the
//! streams, the exit status and the control group are watched in one and the same way.
//! What the command line has no word for is refused by name, in [`bundle`].
//!
//! Source: runc(8), and runtime-spec 1.2, runtime.md § Operations.

mod bundle;
mod children;
mod command;
mod console;

use crate::failure;
use crate::process::Made;
use crate::stdio::Ends;
use command::{Program, Streams};
use console::Console;
use corten_oci::runtime::Process;
use corten_runtime::{Stdio, UserText};
use corten_shim_proto::{Failure, StartRequest};
use corten_sys::root::Root;
use rustix::process::{Pid, PidfdFlags, pidfd_open, set_child_subreaper};
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const PID_FILE: &str = "pid";
const PROCESS_FILE: &str = "process.json";

/// The container, as its runtime knows it.
pub(crate) struct External {
    program: Program,
    /// The bundle, and the runtime's state and log. Removed at the end.
    place: PathBuf,
    id: String,
}

impl External {
    /// Makes the container and starts it. What a failure leaves is taken away.
    pub(crate) fn create(
        request: &StartRequest,
        stdio: Stdio,
        ends: Ends,
        netns: Option<&OwnedFd>,
    ) -> Result<(Self, Made), Failure> {
        let runtime = request.runtime.clone();
        let runtime = runtime.ok_or_else(|| failure::request("no runtime is named"))?;
        let place = request.socket.with_extension("runtime");
        remake(&place).map_err(|error| failure::of_io("making the runtime's directory", &error))?;
        let external = Self {
            program: Program::new(runtime, &place),
            place,
            id: request.id.to_string(),
        };
        let made = external.make(request, stdio, ends, netns);
        match made {
            Ok(made) => Ok((external, made)),
            Err(error) => {
                external.delete();
                Err(error)
            }
        }
    }

    fn make(
        &self,
        request: &StartRequest,
        stdio: Stdio,
        ends: Ends,
        netns: Option<&OwnedFd>,
    ) -> Result<Made, Failure> {
        let spec = bundle::make(&self.place, request, netns.map(AsRawFd::as_raw_fd))?;
        write_json(&self.place.join("config.json"), &spec)?;
        let bundle = self.place.display().to_string();
        let made = self.process("create", &["--bundle", &bundle], stdio, ends)?;
        self.program.run("start", &[&self.id])?;
        Ok(made)
    }

    /// Adds a process.
    pub(crate) fn exec(
        &self,
        first: u32,
        process: &Process,
        user: UserText<'_>,
        stdio: Stdio,
        ends: Ends,
    ) -> Result<Made, Failure> {
        let root = Root::open(Path::new(&format!("/proc/{first}/root")))
            .map_err(|error| failure::of_io("opening the container's root", &error))?;
        let mut process = process.clone();
        bundle::put_user(&mut process, &root, user)?;
        let file = self.place.join(PROCESS_FILE);
        write_json(&file, &process)?;
        let made = self.process(
            "exec",
            &["--detach", "--process", &file.display().to_string()],
            stdio,
            ends,
        );
        // It holds the environment.
        let _removed = fs::remove_file(&file).is_ok();
        made
    }

    /// A process by `verb`, with its streams.
    fn process(
        &self,
        verb: &str,
        words: &[&str],
        stdio: Stdio,
        ends: Ends,
    ) -> Result<Made, Failure> {
        let pid_file = self.place.join(PID_FILE);
        let _removed = fs::remove_file(&pid_file).is_ok();
        let console = match stdio {
            Stdio::Terminal { .. } => Some(
                Console::listen(&self.place)
                    .map_err(|error| failure::of_io("listening for the terminal", &error))?,
            ),
            _ => None,
        };
        let pid_text = pid_file.display().to_string();
        let socket = console.as_ref().map(Console::address);
        let mut all = words.to_vec();
        all.extend(["--pid-file", &pid_text]);
        if let Some(socket) = &socket {
            all.extend(["--console-socket", socket]);
        }
        all.push(&self.id);
        // What the runtime leaves behind is the shim's. Only now: later orphans of a
        // container in the host's pid namespace are not.
        let subreaper = |on: bool| {
            set_child_subreaper(on.then(rustix::process::getpid))
                .map_err(|error| failure::of_io("becoming a subreaper", &error.into()))
        };
        subreaper(true)?;
        let before = children::all();
        let ran = self.program.run_with(verb, &all, Streams::of(stdio));
        subreaper(false)?;
        let made = ran.and_then(|()| {
            read_pid(&pid_file)
                .map_err(|error| failure::of_io("finding the runtime's process", &error))
        });
        let pid = made.as_ref().map_or(0, |(pid, _)| *pid);
        children::end(|child| child == pid || before.contains(&child));
        let (pid, pidfd) = made?;
        let master = console.map(Console::receive).transpose();
        let master = master.map_err(|error| failure::of_io("receiving the terminal", &error))?;
        Ok(Made {
            pid,
            pidfd,
            console: master,
            ends,
        })
    }

    /// Sends a signal to the first process.
    pub(crate) fn kill(&self, signal: i32) -> Result<(), Failure> {
        self.program.run("kill", &[&self.id, &signal.to_string()])
    }

    /// Freezes every process, or lets them go on.
    pub(crate) fn pause(&self, pause: bool) -> Result<(), Failure> {
        let verb = if pause { "pause" } else { "resume" };
        self.program.run(verb, &[&self.id])
    }

    /// The container has ended, or was never whole: everything of it goes, whatever the
    /// runtime says. Its poststop hooks are the runtime's to run.
    pub(crate) fn delete(&self) {
        let _deleted = self.program.run("delete", &["--force", &self.id]).is_ok();
        if bundle::leave(&self.place) {
            let _removed = fs::remove_dir_all(&self.place).is_ok();
        }
    }
}

/// An empty directory for root alone.
fn remake(place: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(place)
}

fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let written = serde_json::to_vec(value)
        .map_err(std::io::Error::from)
        .and_then(|bytes| fs::write(path, bytes));
    written.map_err(|error| failure::of_io(&format!("writing {}", path.display()), &error))
}

fn read_pid(file: &Path) -> std::io::Result<(i32, OwnedFd)> {
    let text = fs::read_to_string(file)?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(std::io::ErrorKind::InvalidData)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    Ok((pid.as_raw_nonzero().get(), pidfd))
}
