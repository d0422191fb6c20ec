//! `--storage-opt`: how much a container may write to its own files (moby: overlay2's
//! `CreateReadWrite`; there on xfs only, here wherever the file system has project quotas).

use crate::{Engine, EngineError, Result, messages};
use corten_model::{Container, HostConfig};

impl Engine {
    /// Refuses what dockerd refuses, in its order: names, then what the host cannot do, then
    /// values.
    pub(super) fn check_storage_options(&self, host_config: &HostConfig) -> Result<()> {
        let options = || host_config.storage_opt.iter().flatten();
        if let Some((other, _)) = options().find(|(name, _)| name.as_str() != "size") {
            let sentence = messages::unknown_storage_option(other);
            return Err(EngineError::Failed(sentence));
        }
        if options().next().is_some() && !self.snapshots.can_limit() {
            return Err(EngineError::Failed(messages::storage_options()));
        }
        size_bytes(host_config).map(drop)
    }

    /// Limits the new container's own files. Blocking.
    pub(super) fn limit_storage(&self, record: &Container) -> Result<()> {
        match size_bytes(&record.host_config)? {
            Some(bytes) => Ok(self.snapshots.limit(&record.id.to_string(), bytes)?),
            None => Ok(()),
        }
    }
}

/// As Docker reads it: 0 is no limit.
fn size_bytes(host_config: &HostConfig) -> Result<Option<u64>> {
    let options = host_config.storage_opt.as_ref();
    let Some(text) = options.and_then(|it| it.get("size")) else {
        return Ok(None);
    };
    let bytes = corten_base::text::parse_ram_bytes(text);
    match bytes.and_then(|bytes| u64::try_from(bytes).ok()) {
        Some(bytes) => Ok(Some(bytes).filter(|it| *it > 0)),
        None => Err(EngineError::Failed(messages::invalid_size(text))),
    }
}
