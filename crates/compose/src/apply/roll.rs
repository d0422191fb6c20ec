//! A container takes the place of another one that goes on until it is healthy: at no
//! time is there none.
//!
//! The engine knows whose place it takes (`corten.succeeds`): until the old one is stopped
//! the service's name and published ports lead there, then to the new one, and the old
//! one's connections may end. Where hooks run before the stop, all that is done before
//! them: a hook that ends the service ends it for nobody.

use super::wait::{LONGEST, Look, SHORTEST, look};
use super::{Apply, ApplyError, Before, Containers, Phase};
use crate::body::View;
use crate::plan::{Action, Found};
use serde_json::Value as J;
use std::time::Duration;

impl Apply<'_> {
    pub(super) async fn roll(
        &self,
        action: &Action,
        containers: &Containers,
    ) -> Result<(), ApplyError> {
        let Action::Roll {
            service,
            number,
            old,
            name,
            pause_nanoseconds,
            required,
        } = action
        else {
            return Ok(());
        };
        let shown = format!("Container {name}");
        let pause = u64::try_from(*pause_nanoseconds).unwrap_or(0);
        tokio::time::sleep(Duration::from_nanos(pause)).await;
        self.tell(&shown, Phase::Working, "Recreate");
        let before = Before::GoesOn(old);
        self.create(service, *number, name, before, containers)
            .await?;
        let id = self.id_of(service, *number, containers);
        let handed_over = async {
            self.start(service, &id).await?;
            self.until_healthy(service, &id).await?;
            self.tell(&shown, Phase::Working, "Healthy");
            match self.pass_place(service, old).await? {
                true => Ok(true),
                false => self.stop(old).await.map(|()| false),
            }
        };
        let passed = match handed_over.await {
            Ok(passed) => passed,
            Err(error) => return self.give_up(&id, name, *required, error).await,
        };
        if passed {
            // The new one serves already: the old one goes, whatever its hooks come to.
            if let Err(error) = self.before_stop(old).await {
                self.progress.warn(&format!("{}: {error}", old.name));
            }
            self.end(old).await?;
        }
        self.take_name(&id, old, name).await?;
        self.tell(&shown, Phase::Done, "Rolled over");
        Ok(())
    }

    /// The new one goes, the old one stays: nothing has changed but for the error.
    async fn give_up(
        &self,
        id: &str,
        name: &str,
        required: bool,
        error: ApplyError,
    ) -> Result<(), ApplyError> {
        let shown = format!("Container {name}");
        self.tell(&shown, Phase::Error, &error.to_string());
        let removed = self.client.delete(format!("/containers/{id}"));
        removed.flag("force", true).send().await?.bytes().await?;
        if required {
            return Err(error);
        }
        self.progress.warn(&format!(
            "{name} is left as it is, the update goes on: {error}"
        ));
        Ok(())
    }

    /// Has the engine pass names and ports on before the hooks of the old one run; whether
    /// it has.
    async fn pass_place(&self, service: &str, old: &Found) -> Result<bool, ApplyError> {
        let (_, node) = self.service(service)?;
        let hooks = View(node).objects("pre_stop").next().is_some();
        if !self.state.hands_over || !hooks || !old.is_up() {
            return Ok(false);
        }
        let path = format!("/containers/{}/handover", old.id);
        let request = self.client.post(path).query_if("t", self.stop_timeout());
        request.send().await?.bytes().await?;
        Ok(true)
    }

    async fn until_healthy(&self, service: &str, id: &str) -> Result<(), ApplyError> {
        let mut pause = SHORTEST;
        loop {
            let path = format!("/containers/{id}/json");
            let container: J = self.client.get(path).send().await?.json().await?;
            let name = container["Name"].as_str().unwrap_or_default();
            let name = name.trim_start_matches('/');
            match look(&container, name, service, "running_or_healthy") {
                Look::Good => return Ok(()),
                Look::Bad(message) => return Err(ApplyError::Dependency(message)),
                Look::NotYet => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}
