//! What a failed start means to a user.

use crate::{EngineError, messages};
use corten_base::Kind;
use corten_shim_proto::{Failure, FailureStage, client::ShimError};

/// How a failed start is remembered where neither 126 nor 127 says it.
pub(super) const FAILED: i64 = 128;
const NOT_EXECUTABLE: i64 = 126;
const NOT_FOUND: i64 = 127;

/// What dockerd asks when a mount failed so.
pub(crate) const DIRECTORY_AND_FILE: &str = ": Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";

/// What runc's init process does, and says so.
const INIT: [&str; 4] = [
    "error setting rlimits",
    "error mounting",
    "sethostname",
    "unable to apply apparmor profile",
];

/// Docker's sentence, and the exit code and status that it makes of it by searching the
/// sentence (moby: `translateContainerdStartErr`), since clients do the same.
pub(super) fn start_error(error: ShimError) -> EngineError {
    let ShimError::Failed(failure) = error else {
        return error.into();
    };
    let Failure { stage, message, .. } = failure;
    // Users and groups are looked up by dockerd itself, before the runtime is asked.
    if let Some((_, group)) = message.split_once("Unable to find group ") {
        return EngineError::Start {
            message: messages::no_such_group(group),
            exit_code: FAILED,
            kind: Kind::Internal,
        };
    }
    const BY_DOCKERD: [&str; 3] = [
        "unable to find user",
        "unable to find group",
        "uids and gids must be in range",
    ];
    if BY_DOCKERD.iter().any(|it| message.contains(it)) {
        let message = messages::plain(message);
        return EngineError::Start {
            message,
            exit_code: FAILED,
            kind: Kind::Internal,
        };
    }
    // So is the working directory made.
    if let Some(path) = no_directory(&message) {
        return EngineError::Start {
            message: messages::cannot_make_directory(path),
            exit_code: FAILED,
            kind: Kind::Internal,
        };
    }
    if let FailureStage::Log = stage {
        let missing = message.contains("no such file or directory");
        return EngineError::Start {
            message: messages::log_driver(message),
            exit_code: if missing { NOT_FOUND } else { FAILED },
            kind: if missing {
                Kind::InvalidParameter
            } else {
                Kind::Internal
            },
        };
    }
    let mut text = match stage {
        FailureStage::Exec => format!(
            "runc create failed: unable to start container process: error during container init: {message}"
        ),
        // Its own sentence from the first word on.
        FailureStage::Runtime => message,
        _ if INIT.iter().any(|start| message.starts_with(start)) => format!(
            "runc create failed: unable to start container process: error during container init: {message}"
        ),
        _ => format!("runc create failed: {message}"),
    };
    // crun's begin with a capital.
    let found = |text: &str, words: &[&str]| {
        let text = text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    };
    // runc says both of a directory.
    if found(&text, &["is a directory"]) && !found(&text, &["permission denied"]) {
        text.push_str(": permission denied");
    }
    let (exit_code, kind) = if found(
        &text,
        &["executable file not found", "no such file or directory"],
    ) {
        (NOT_FOUND, Kind::InvalidParameter)
    } else if found(&text, &["permission denied"]) {
        (NOT_EXECUTABLE, Kind::InvalidParameter)
    } else if found(&text, &["not a directory"]) {
        text.push_str(DIRECTORY_AND_FILE);
        (NOT_FOUND, Kind::InvalidParameter)
    } else if matches!(stage, FailureStage::Exec) {
        (NOT_EXECUTABLE, Kind::InvalidParameter)
    } else {
        (FAILED, Kind::Internal)
    };
    EngineError::Start {
        message: messages::task_failed(text),
        exit_code,
        kind,
    }
}

/// The working directory that is a file, or below one.
fn no_directory(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("chdir to cwd (\"")?;
    rest.strip_suffix("\") set in config.json failed: not a directory")
}
