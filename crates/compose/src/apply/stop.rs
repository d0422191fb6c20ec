//! A container's stop and restart: its hooks run before, and after it is there again.

use super::{Apply, ApplyError, send_unless_gone};
use crate::plan::Found;

impl Apply<'_> {
    pub(super) async fn restart(&self, container: &Found) -> Result<(), ApplyError> {
        let name = &container.service;
        let service = self.service(name).ok().map(|(_, service)| service);
        if let Some(service) = service.filter(|_| container.is_up()) {
            self.hooks(name, service, "pre_stop", &container.id).await?;
        }
        let timeout = self.stop_timeout();
        self.act(container, "restart", &[("t", &timeout)]).await?;
        match service {
            Some(service) => self.hooks(name, service, "post_start", &container.id).await,
            None => Ok(()),
        }
    }

    /// Seconds, or nothing for each container's own.
    pub(super) fn stop_timeout(&self) -> String {
        let seconds = self.settings.stop_timeout;
        seconds.map_or_else(String::new, |seconds| seconds.to_string())
    }

    pub(super) async fn stop(&self, container: &Found) -> Result<(), ApplyError> {
        self.before_stop(container).await?;
        self.end(container).await
    }

    /// Runs the hooks of a container that is about to be stopped.
    pub(super) async fn before_stop(&self, container: &Found) -> Result<(), ApplyError> {
        let service = &container.service;
        match self.service(service) {
            Ok((_, node)) if container.is_up() => {
                self.hooks(service, node, "pre_stop", &container.id).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn end(&self, container: &Found) -> Result<(), ApplyError> {
        let request = self
            .client
            .post(format!("/containers/{}/stop", container.id))
            .query_if("t", self.stop_timeout());
        send_unless_gone(request).await
    }
}
