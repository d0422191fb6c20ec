//! `GET /containers/{id}/top`: what ps(1) would show, read from /proc.

use crate::{Engine, EngineError, Result, TopOutput, messages, ps, spec::cgroup_path};
use corten_model::Status;
use std::{path::Path, sync::Arc};

impl Engine {
    /// `GET /containers/{id}/top`; empty arguments are `-ef`.
    pub async fn container_top(self: &Arc<Self>, name: &str, ps_args: &str) -> Result<TopOutput> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        match record.state.status {
            Status::Running | Status::Paused => {}
            Status::Restarting => {
                return Err(EngineError::Conflict(messages::restarting(record.id)));
            }
            _ => return Err(EngineError::Conflict(messages::not_running(record.id))),
        }
        let listing = ps::listing(ps_args)?;
        let path = cgroup_path(&record, &self.config);
        let group = record.id.to_string();
        let boot = self.host.boot_time;
        let read = self.pool.run(move || {
            let mut pids = corten_cgroup::Cgroup::open(Path::new(&path))?.pids()?;
            pids.sort_unstable();
            Ok(TopOutput {
                titles: listing.titles(),
                processes: listing.rows(&pids, &group, boot),
            })
        });
        let output = read.await?;
        self.container_event(&record, "top", []);
        Ok(output)
    }
}
