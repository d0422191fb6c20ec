//! What goes wrong here, as the engine is told.

use corten_base::chain;
use corten_cgroup::CgroupError;
use corten_logs::LogError;
use corten_runtime::{Stage, StartError};
use corten_shim_proto::{Failure, FailureStage};
use std::io;

pub(crate) fn of_start(error: &StartError) -> Failure {
    let stage = match error.stage {
        Stage::LookUp | Stage::Exec => FailureStage::Exec,
        // As the runtime names it.
        stage => FailureStage::Setup(
            serde_json::to_value(stage)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
        ),
    };
    Failure {
        stage,
        errno: Some(error.errno).filter(|&errno| errno != 0),
        path: Some(error.path.as_str())
            .filter(|path| !path.is_empty())
            .map(Into::into),
        message: error.to_string(),
    }
}

pub(crate) fn of_cgroup(error: &CgroupError) -> Failure {
    Failure::new(FailureStage::Cgroup, chain(error))
}

pub(crate) fn of_log(error: &LogError) -> Failure {
    Failure::new(FailureStage::Log, chain(error))
}

pub(crate) fn of_io(what: &str, error: &io::Error) -> Failure {
    let errno = error.raw_os_error();
    Failure {
        errno,
        ..Failure::new(FailureStage::Shim, format!("{what}: {error}"))
    }
}

pub(crate) fn state(message: impl Into<String>) -> Failure {
    Failure::new(FailureStage::State, message)
}

pub(crate) fn request(message: impl Into<String>) -> Failure {
    Failure::new(FailureStage::Request, message)
}
