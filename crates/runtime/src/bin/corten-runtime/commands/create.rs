//! `create` and `start`.

use crate::arguments::{Arguments, OptionShape};
use crate::commands::find;
use crate::error::CommandError;
use crate::record::{Record, RecordDirectory, start_time};
use crate::terminal;
use corten_base::{Timestamp, Undo};
use corten_cgroup::{Cgroup, JoinHandles};
use corten_oci::RootMount;
use corten_oci::runtime::{Spec, Status};
use corten_runtime::{
    CgroupJoin, CreateRequest, Created, Gate, Stdio, WindowSize, create as create_container,
    default_device_rules, run_hooks, start_through,
};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

pub(super) const SHAPES: &[OptionShape] = &[
    ("bundle", Some('b'), true),
    ("console-socket", None, true),
    ("pid-file", None, true),
    ("preserve-fds", None, true),
    ("no-pivot", None, false),
    ("no-new-keyring", None, false),
    ("detach", Some('d'), false),
    ("keep", None, false),
    ("no-subreaper", None, false),
];

/// A container as the library made it, and its record.
pub(super) struct Made {
    pub directory: RecordDirectory,
    pub record: Record,
    pub created: Created,
}

pub(super) fn create(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, SHAPES)?;
    let id = arguments.only("create")?;
    let mut made = make(root, id, &arguments, true)?;
    // The process waits at its socket for `start`, this one need not live.
    if let Some(master) = made.created.console.take() {
        let path = arguments.value("console-socket").unwrap_or_default();
        terminal::send_master(Path::new(path), master.as_fd())?;
    }
    Ok(0)
}

pub(super) fn start(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[])?;
    let (directory, record) = find(root, arguments.only("start")?)?;
    match record.status(&directory) {
        Status::Created => {}
        Status::Stopped => {
            let sentence = "cannot start a container that has stopped";
            return Err(CommandError::State(sentence.to_owned()));
        }
        _ => {
            let sentence = "cannot start an already running container";
            return Err(CommandError::State(sentence.to_owned()));
        }
    }
    start_made(&directory, &record)?;
    Ok(0)
}

pub(super) fn start_made(directory: &RecordDirectory, record: &Record) -> Result<(), CommandError> {
    let (_held, socket) = directory.socket()?;
    start_through(&socket)?;
    directory.forget_socket();
    if let Some(hooks) = &record.spec.hooks {
        // runtime.md § Lifecycle: a failure here does not stop the container.
        if let Err(error) = run_hooks(&hooks.poststart, &record.state(Status::Running)) {
            eprintln!("warning: {error}");
        }
    }
    Ok(())
}

/// Reads the bundle, makes cgroup, record and process.
pub(super) fn make(
    root: &Path,
    id: &str,
    arguments: &Arguments,
    detached: bool,
) -> Result<Made, CommandError> {
    if arguments.has("no-pivot") {
        let sentence = "--no-pivot is not supported: the root is always entered by pivot_root";
        return Err(CommandError::Usage(sentence.to_owned()));
    }
    if arguments.has("no-new-keyring") {
        let sentence = "--no-new-keyring is not supported: a container has its own keyring";
        return Err(CommandError::Usage(sentence.to_owned()));
    }
    let bundle = fs::canonicalize(arguments.value("bundle").unwrap_or("."))
        .map_err(CommandError::file(arguments.value("bundle").unwrap_or(".")))?;
    let spec = read_spec(&bundle)?;
    let stdio = stdio(&spec, arguments, detached)?;
    let directory = RecordDirectory::create(root, id)?;
    let mut undo = Undo::new();
    let path = directory.path.clone();
    undo.push(move || drop(fs::remove_dir_all(path)));
    let gate = Gate::Listener(listen(&directory)?);
    let (cgroup_path, cgroup) = make_cgroup(id, &spec)?;
    let group = Cgroup::open(&cgroup_path)?;
    undo.push(move || drop(group.delete()));
    let handles = cgroup.join_handles()?;
    let join = match &handles {
        JoinHandles::Write(files) => CgroupJoin::Write(files),
        JoinHandles::CloneInto(directory) => CgroupJoin::CloneInto(directory.as_fd()),
    };
    let spec_root = spec.root.clone().unwrap_or_default();
    let created = create_container(CreateRequest {
        id,
        spec: &spec,
        bundle: &bundle,
        root: &RootMount::Directory(bundle.join(&spec_root.path)),
        root_readonly: spec_root.readonly,
        root_id_mapped: false,
        stdio,
        netns: None,
        cgroup: join,
        seccomp: None,
        user: None,
        gate,
        preserve_fds: arguments.number("preserve-fds")?.unwrap_or(0),
    })?;
    let record = Record {
        id: id.to_owned(),
        pid: created.pid,
        start_time: start_time(created.pid).unwrap_or(0),
        bundle,
        created: Timestamp::now().to_string(),
        cgroup: cgroup_path,
        spec,
    };
    let pidfd = created
        .pidfd
        .try_clone()
        .map_err(CommandError::call("copying a descriptor"))?;
    undo.push(move || {
        let _ = rustix::process::pidfd_send_signal(pidfd, rustix::process::Signal::KILL);
    });
    directory.save(&record)?;
    if let Some(path) = arguments.value("pid-file") {
        fs::write(path, created.pid.to_string()).map_err(CommandError::file(path))?;
    }
    undo.release();
    Ok(Made {
        directory,
        record,
        created,
    })
}

fn read_spec(bundle: &Path) -> Result<Spec, CommandError> {
    let path = bundle.join("config.json");
    let text = match fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let sentence = format!("JSON specification file {} not found", path.display());
            return Err(CommandError::Usage(sentence));
        }
        result => result.map_err(CommandError::file(&path))?,
    };
    let spec: Spec = serde_json::from_slice(&text).map_err(|source| CommandError::Json {
        path: path.clone(),
        source,
    })?;
    if spec.root.is_none() {
        return Err(CommandError::Usage("root must be specified".to_owned()));
    }
    Ok(spec)
}

fn stdio(spec: &Spec, arguments: &Arguments, detached: bool) -> Result<Stdio, CommandError> {
    let terminal = spec
        .process
        .as_ref()
        .is_some_and(|process| process.terminal);
    let socket = arguments.value("console-socket").is_some();
    let usage = |sentence: &str| Err(CommandError::Usage(sentence.to_owned()));
    match (terminal, socket, detached) {
        (true, false, true) => {
            usage("cannot allocate tty if runc will detach without setting console socket")
        }
        (false, true, _) => {
            usage("cannot use console socket if runc will not detach or allocate tty")
        }
        (true, ..) => Ok(Stdio::Terminal {
            size: size(spec, detached),
        }),
        (false, ..) => Ok(Stdio::Inherit),
    }
}

fn size(spec: &Spec, detached: bool) -> WindowSize {
    let wanted = spec
        .process
        .as_ref()
        .and_then(|process| process.console_size);
    match wanted {
        Some(size) => WindowSize {
            rows: size.height,
            columns: size.width,
        },
        None if detached => WindowSize::default(),
        None => terminal::own_size(),
    }
}

/// The socket at which the process waits for its start.
fn listen(directory: &RecordDirectory) -> Result<OwnedFd, CommandError> {
    let (_held, path) = directory.socket()?;
    let listen = || -> rustix::io::Result<OwnedFd> {
        let (kind, flags) = (SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path)?)?;
        rustix::net::listen(&socket, 1)?;
        Ok(socket)
    };
    listen().map_err(CommandError::call("making the start socket"))
}

/// The group that the specification names, or one named after the container.
fn make_cgroup(id: &str, spec: &Spec) -> Result<(PathBuf, Cgroup), CommandError> {
    let linux = spec.linux.as_ref();
    let path = match linux.map(|linux| linux.cgroups_path.as_str()) {
        None | Some("") => Path::new("/").join(id),
        Some(path) => Path::new("/").join(path),
    };
    let mut resources = linux
        .and_then(|linux| linux.resources.clone())
        .unwrap_or_default();
    resources.devices.extend(default_device_rules());
    let cgroup = Cgroup::create(&path, &resources)?;
    Ok((path, cgroup))
}
