//! What the first process and one that `exec` adds do alike, from the container's root to
//! the user's program.

use crate::channel::{Channel, Message};
use crate::console;
use crate::credentials;
use crate::limits;
use crate::plan::failed;
use crate::program::Program;
use crate::user::Identity;
use crate::{Stage, StartError, Stdio};
use corten_sys::exec::Vector;
use corten_sys::procfs::Procfs;
use corten_sys::root::Root;
use corten_sys::seccomp::{self, Filter};
use corten_sys::{signal_state, task};
use rustix::fs::{FileType, Mode, OFlags, fchown, fstat};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// A process that only waits for its turn to run the program.
pub(crate) struct Waiting<'a> {
    program: &'a Program<'a>,
    path: CString,
    environment: Vector,
}

/// Opens the terminal, if the process has one, and makes it the process's own.
pub(crate) fn open_terminal(
    root: &Root,
    stdio: &Stdio,
) -> Result<Option<console::Console>, StartError> {
    let Stdio::Terminal { size } = stdio else {
        return Ok(None);
    };
    let fail = |error: io::Error| {
        failed(
            Stage::Console,
            &error,
            "/dev/pts/ptmx",
            "opening the terminal",
        )
    };
    let console = console::open(root, *size).map_err(fail)?;
    rustix::process::ioctl_tiocsctty(&console.slave).map_err(|error| fail(error.into()))?;
    Ok(Some(console))
}

/// Streams that are not given become the host's null device, opened while the host's
/// `/dev` is what `/dev` means.
pub(crate) fn complete(stdio: Stdio) -> Result<Stdio, StartError> {
    let Stdio::Descriptors {
        stdin,
        stdout,
        stderr,
    } = stdio
    else {
        return Ok(stdio);
    };
    let or_null = |stream: Option<OwnedFd>| match stream {
        Some(stream) => Ok(Some(stream)),
        None => rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map(Some)
            .map_err(|error| failed(Stage::Console, &error.into(), "/dev/null", "opening")),
    };
    Ok(Stdio::Descriptors {
        stdin: or_null(stdin)?,
        stdout: or_null(stdout)?,
        stderr: or_null(stderr)?,
    })
}

/// Puts the standard streams in their places.
pub(crate) fn place_stdio(stdio: &Stdio, slave: Option<&OwnedFd>) -> Result<(), StartError> {
    let place = || -> io::Result<()> {
        match (stdio, slave) {
            (
                Stdio::Descriptors {
                    stdin,
                    stdout,
                    stderr,
                },
                _,
            ) => {
                let copy = |stream: &Option<OwnedFd>| {
                    let stream = stream.as_ref().ok_or(Errno::BADF)?;
                    high_copy(stream.as_fd())
                };
                let kept = [copy(stdin)?, copy(stdout)?, copy(stderr)?];
                install(&[kept[0].as_fd(), kept[1].as_fd(), kept[2].as_fd()])
            }
            (Stdio::Terminal { .. }, Some(slave)) => {
                let kept = high_copy(slave.as_fd())?;
                install(&[kept.as_fd(); 3])
            }
            _ => Ok(()),
        }
    };
    place().map_err(|error| failed(Stage::Console, &error, "", "placing the standard streams"))
}

/// A copy above the standard streams, so that placing one does not overwrite another.
fn high_copy(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Ok(rustix::io::fcntl_dupfd_cloexec(file, 3)?)
}

fn install(streams: &[BorrowedFd<'_>; 3]) -> io::Result<()> {
    rustix::stdio::dup2_stdin(streams[0])?;
    rustix::stdio::dup2_stdout(streams[1])?;
    Ok(rustix::stdio::dup2_stderr(streams[2])?)
}

/// Becomes the user in the working directory and finds the program; all that can be
/// found wrong before the start is.
pub(crate) fn prepare<'a>(
    program: &'a Program<'a>,
    root: &Root,
    procfs: &Procfs,
) -> Result<Waiting<'a>, StartError> {
    let process = program.process;
    let identity = program.identity(root)?;
    let environment = program.environment(&identity)?;
    own_stdio(&identity)?;
    apparmor(procfs, &process.apparmor_profile)?;
    let umask = process.user.umask.unwrap_or(0o022);
    rustix::process::umask(Mode::from_raw_mode(umask & 0o777));
    // As runc: with all rights first, then again as the user.
    let entered = enter_directory(root, &process.cwd);
    credentials::become_user(&identity, &program.capabilities)?;
    // A change of user can make the process visible again (fs.suid_dumpable).
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| {
        failed(
            Stage::Privilege,
            &error.into(),
            "",
            "hiding from other processes",
        )
    })?;
    match entered {
        Err(error) if error.errno == libc::EACCES => enter_directory(root, &process.cwd)?,
        result => result?,
    }
    let path = program.find()?;
    Ok(Waiting {
        program,
        path,
        environment,
    })
}

/// Enters the working directory: a directory below the root, reached without a link to
/// somebody's descriptors (CVE-2024-21626).
fn enter_directory(root: &Root, path: &Path) -> Result<(), StartError> {
    let enter = || -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let directory = root.open_file(path, flags, Mode::empty())?;
        rustix::process::fchdir(&directory)?;
        let now = rustix::process::getcwd(Vec::new())?;
        if now.as_bytes().first() != Some(&b'/') {
            return Err(Errno::NOENT.into());
        }
        Ok(())
    };
    enter().map_err(|error| failed(Stage::WorkingDirectory, &error, path, ""))
}

/// The user may open its own standard streams anew (`/dev/stderr`), so they belong to it.
fn own_stdio(identity: &Identity) -> Result<(), StartError> {
    let uid = rustix::fs::Uid::from_raw(identity.uid);
    for stream in [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ] {
        let Ok(stat) = fstat(stream) else { continue };
        let device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
        let null = device && stat.st_rdev == rustix::fs::makedev(1, 3);
        if null || stat.st_uid == identity.uid {
            continue;
        }
        match fchown(stream, Some(uid), None) {
            // Outside the user namespace, or on a read-only file system.
            Ok(()) | Err(Errno::INVAL | Errno::PERM | Errno::ROFS) => {}
            Err(error) => {
                let what = "giving the standard streams to the user";
                return Err(failed(Stage::Console, &error.into(), "", what));
            }
        }
    }
    Ok(())
}

fn apparmor(procfs: &Procfs, profile: &str) -> Result<(), StartError> {
    if profile.is_empty() {
        return Ok(());
    }
    procfs
        .write(
            "thread-self/attr/apparmor/exec",
            format!("exec {profile}").as_bytes(),
        )
        .map_err(|error| {
            let what = match Errno::from_io_error(&error) {
                // The words that clients search, and what to do.
                Some(Errno::NOENT) => format!(
                    "unable to apply apparmor profile: {profile:?} is not loaded (apparmor_parser --replace FILE loads one)"
                ),
                _ => format!("unable to apply apparmor profile {profile:?}"),
            };
            failed(Stage::Privilege, &error, "", &what)
        })
}

impl Waiting<'_> {
    /// Becomes the program. Where that fails in `execve` itself, the process has started
    /// as far as others are concerned: it says why on its own standard error and ends
    /// with 255, as runc does. Every earlier failure goes to `channel`.
    pub(crate) fn go(self, filter: Option<&Filter>, own_limits: bool, channel: &Channel) -> i32 {
        /// runc's exit code of a program that the kernel does not run.
        const NOT_RUN: i32 = 255;
        let error = self.restrict_and_run(filter, own_limits);
        if error.stage == Stage::Exec {
            let _ = rustix::io::write(rustix::stdio::stderr(), format!("{error}\n").as_bytes());
            return NOT_RUN;
        }
        let _ = channel.send(&Message::Failed(error), None);
        1
    }

    fn restrict_and_run(self, filter: Option<&Filter>, own_limits: bool) -> StartError {
        match self.restrict(filter, own_limits) {
            Ok(()) => self.program.run(&self.path, &self.environment),
            Err(error) => error,
        }
    }

    /// Takes on the last restrictions. After the filter is in force only calls follow
    /// that every filter must allow a program's start: capset, prctl, execve.
    fn restrict(&self, filter: Option<&Filter>, own_limits: bool) -> Result<(), StartError> {
        let process = self.program.process;
        let fail = |error: io::Error, what: &str| failed(Stage::Privilege, &error, "", what);
        limits::set_priorities(process)?;
        task::close_on_exec_from(3 + self.program.preserve_fds)
            .map_err(|error| fail(error, "closing descriptors"))?;
        signal_state::reset().map_err(|error| fail(error, "resetting signals"))?;
        if own_limits {
            limits::set(process, None)?;
        }
        let load = || match filter {
            Some(filter) => seccomp::load(filter)
                .map_err(|error| failed(Stage::Seccomp, &error, "", "loading the filter")),
            None => Ok(()),
        };
        if process.no_new_privileges {
            rustix::thread::set_no_new_privs(true)
                .map_err(|error| fail(error.into(), "setting no_new_privs"))?;
            credentials::restrict(&self.program.capabilities)?;
            load()?;
        } else {
            load()?;
            credentials::restrict(&self.program.capabilities)?;
        }
        Ok(())
    }
}
