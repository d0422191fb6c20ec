//! Which OCI runtime makes a container: our own, or one that daemon.json names.

use crate::{Engine, EngineError, Result, RuntimeProgram, messages};
use corten_model::RuntimeInfo;
use corten_shim_proto::ExternalRuntime;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The path that `info` shows for our own runtime.
const OWN_PATH: &str = "corten-runtime";

impl Engine {
    /// Refuses a runtime that nobody has registered.
    pub(super) fn check_runtime(&self, name: &str) -> Result<()> {
        let known = name.is_empty()
            || RuntimeProgram::OWN.contains(&name)
            || self.live.get().runtimes.contains_key(name);
        if known {
            return Ok(());
        }
        Err(EngineError::Invalid(messages::invalid_runtime(name)))
    }

    /// How the shim is to make a container; `None`: by itself. The name may have been
    /// taken out of daemon.json since the container was created.
    pub(super) fn external_runtime(&self, name: &str) -> Result<Option<ExternalRuntime>> {
        if name.is_empty() || RuntimeProgram::OWN.contains(&name) {
            return Ok(None);
        }
        let live = self.live.get();
        let found = live.runtimes.get(name);
        let found = found.ok_or_else(|| EngineError::Invalid(messages::invalid_runtime(name)))?;
        Ok(Some(ExternalRuntime {
            name: name.to_owned(),
            program: look_up(&found.path, std::env::var_os("PATH").as_deref()),
            arguments: found.arguments.clone(),
        }))
    }

    /// All of them, for `info`.
    pub(crate) fn runtime_list(&self) -> BTreeMap<String, RuntimeInfo> {
        // The names that dockerd lists as well.
        let own = RuntimeProgram::OWN.iter().take(2).map(|&name| {
            let info = RuntimeInfo {
                path: OWN_PATH.into(),
                arguments: Vec::new(),
            };
            (name.to_owned(), info)
        });
        let live = self.live.get();
        let registered = live.runtimes.iter().map(|(name, runtime)| {
            let info = RuntimeInfo {
                path: runtime.path.clone(),
                arguments: runtime.arguments.clone(),
            };
            (name.clone(), info)
        });
        own.chain(registered).collect()
    }
}

/// A bare name as a shell finds it. What is nowhere is left: the start names it.
fn look_up(program: &Path, path: Option<&std::ffi::OsStr>) -> PathBuf {
    if program.components().count() != 1 || program.is_absolute() {
        return program.to_owned();
    }
    std::env::split_paths(path.unwrap_or_default())
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| program.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_looked_up_and_a_path_is_not() {
        let path = Some(std::ffi::OsStr::new("/nowhere:/bin"));
        assert_eq!(look_up(Path::new("sh"), path), Path::new("/bin/sh"));
        assert_eq!(look_up(Path::new("/x/sh"), path), Path::new("/x/sh"));
        assert_eq!(look_up(Path::new("no-such"), path), Path::new("no-such"));
    }
}
