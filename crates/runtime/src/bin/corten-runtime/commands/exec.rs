//! `exec`.

use super::find;
use super::run::foreground;
use crate::arguments::{Arguments, OptionShape};
use crate::error::CommandError;
use crate::record::Record;
use crate::terminal;
use corten_cgroup::{Cgroup, JoinHandles};
use corten_oci::runtime::{Capabilities, Process, Status, User};
use corten_runtime::{
    CgroupJoin, ExecRequest, ExecTarget, Namespaces, Stdio, WindowSize, compile_filter,
    exec as exec_process,
};
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

const SHAPES: &[OptionShape] = &[
    ("console-socket", None, true),
    ("cwd", None, true),
    ("env", Some('e'), true),
    ("tty", Some('t'), false),
    ("user", Some('u'), true),
    ("additional-gids", Some('g'), true),
    ("process", Some('p'), true),
    ("detach", Some('d'), false),
    ("pid-file", None, true),
    ("process-label", None, true),
    ("apparmor", None, true),
    ("no-new-privs", None, false),
    ("cap", Some('c'), true),
    ("preserve-fds", None, true),
    ("ignore-paused", None, false),
    ("no-subreaper", None, false),
];

pub(super) fn exec(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, SHAPES)?;
    let usage = || CommandError::Usage("\"exec\" requires a minimum of 1 argument".to_owned());
    let (id, command) = arguments.rest.split_first().ok_or_else(usage)?;
    let (directory, record) = find(root, id)?;
    match record.status(&directory) {
        Status::Stopped => {
            let sentence = "cannot exec in a stopped container";
            return Err(CommandError::State(sentence.to_owned()));
        }
        Status::Paused if !arguments.has("ignore-paused") => {
            let sentence = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(CommandError::State(sentence.to_owned()));
        }
        _ => {}
    }
    let process = process(&record, &arguments, command)?;
    let child = enter(&record, &arguments, &process)?;
    if let Some(path) = arguments.value("pid-file") {
        fs::write(path, child.pid.to_string()).map_err(CommandError::file(path))?;
    }
    let mut master = child.console;
    if let (Some(path), Some(sent)) = (arguments.value("console-socket"), &master) {
        terminal::send_master(Path::new(path), sent.as_fd())?;
        master = None;
    }
    if arguments.has("detach") {
        return Ok(0);
    }
    Ok(foreground(master.as_ref(), &child.pidfd))
}

fn enter(
    record: &Record,
    arguments: &Arguments,
    process: &Process,
) -> Result<corten_runtime::Child, CommandError> {
    let gone = || CommandError::State("cannot exec in a stopped container".to_owned());
    let pidfd = record.process().ok_or_else(gone)?;
    let linux = record.spec.linux.clone().unwrap_or_default();
    let filter = linux.seccomp.as_ref().map(compile_filter).transpose()?;
    let handles = Cgroup::open(&record.cgroup)?.join_handles()?;
    let detach = arguments.has("detach");
    let socket = arguments.value("console-socket").is_some();
    if process.terminal && detach && !socket {
        let sentence = "cannot allocate tty if runc will detach without setting console socket";
        return Err(CommandError::Usage(sentence.to_owned()));
    }
    let stdio = if process.terminal {
        let size = process.console_size.map_or_else(
            || {
                if detach {
                    WindowSize::default()
                } else {
                    terminal::own_size()
                }
            },
            |size| WindowSize {
                rows: size.height,
                columns: size.width,
            },
        );
        Stdio::Terminal { size }
    } else {
        Stdio::Inherit
    };
    let request = ExecRequest {
        process,
        user: None,
        stdio,
        seccomp: filter.as_ref(),
        cgroup: match &handles {
            JoinHandles::Write(files) => CgroupJoin::Write(files),
            JoinHandles::CloneInto(directory) => CgroupJoin::CloneInto(directory.as_fd()),
        },
        preserve_fds: arguments.number("preserve-fds")?.unwrap_or(0),
    };
    let target = ExecTarget {
        pidfd: pidfd.as_fd(),
        namespaces: Namespaces::of(&linux),
    };
    Ok(exec_process(target, request)?)
}

/// The process file, or the container's own process with what the options change.
fn process(
    record: &Record,
    arguments: &Arguments,
    command: &[String],
) -> Result<Process, CommandError> {
    if let Some(path) = arguments.value("process") {
        let text = fs::read(path).map_err(CommandError::file(path))?;
        return serde_json::from_slice(&text).map_err(|source| CommandError::Json {
            path: path.into(),
            source,
        });
    }
    if command.is_empty() {
        return Err(CommandError::Usage(
            "process args cannot be empty".to_owned(),
        ));
    }
    let own = record.spec.process.clone().unwrap_or_default();
    let mut process = Process {
        args: command.to_vec(),
        terminal: arguments.has("tty"),
        console_size: None,
        no_new_privileges: own.no_new_privileges || arguments.has("no-new-privs"),
        ..own
    };
    if let Some(directory) = arguments.value("cwd") {
        process.cwd = directory.into();
    }
    if let Some(profile) = arguments.value("apparmor") {
        profile.clone_into(&mut process.apparmor_profile);
    }
    if let Some(label) = arguments.value("process-label") {
        label.clone_into(&mut process.selinux_label);
    }
    process.env.extend_from_slice(arguments.all("env"));
    if let Some(text) = arguments.value("user") {
        process.user = user(text, process.user)?;
    }
    for gid in arguments.all("additional-gids") {
        process.user.additional_gids.push(id(gid)?);
    }
    let capabilities = process
        .capabilities
        .get_or_insert_with(Capabilities::default);
    for name in arguments.all("cap") {
        let Capabilities {
            bounding,
            effective,
            permitted,
            ..
        } = &mut *capabilities;
        for set in [bounding, effective, permitted] {
            set.push(name.clone());
        }
    }
    Ok(process)
}

/// `uid` or `uid:gid`, exact decimal numbers.
fn user(text: &str, own: User) -> Result<User, CommandError> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (id(uid)?, id(gid)?),
        None => (id(text)?, own.gid),
    };
    Ok(User { uid, gid, ..own })
}

fn id(text: &str) -> Result<u32, CommandError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().ok() } else { None };
    number
        .filter(|number| *number <= i32::MAX as u32)
        .ok_or_else(|| CommandError::Usage(format!("{text:?} is no ID: it must be 0-{}", i32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_numbers_are_users() {
        let parse = |text: &str| {
            user(text, User::default())
                .map(|user| (user.uid, user.gid))
                .ok()
        };
        assert_eq!(parse("1000"), Some((1000, 0)));
        assert_eq!(parse("1000:5"), Some((1000, 5)));
        for text in [
            "1000:",
            " 1000",
            "+1000",
            "0x3e8",
            "1000:0:0",
            "4294967296",
            "4294968296",
            "-1",
            "",
            "root",
            ":",
            ":5",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
