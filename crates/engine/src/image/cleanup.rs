//! `POST /system/cleanup`, and the clean-up that comes by itself: images that the declared
//! policy lets go.

use crate::{DoomedImage, Engine, EngineError, Result, messages};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::watch;

/// How often uses of images become durable and a new period is looked for.
const TICK: Duration = Duration::from_secs(60);

/// What a clean-up did, or would do.
#[derive(Debug, Clone, Default)]
pub struct CleanupReport {
    /// The images, in order.
    pub images: Vec<DoomedImage>,
    /// Bytes.
    pub space_reclaimed: u64,
}

impl Engine {
    /// Removes what the policy lets go; a dry run only says what.
    pub async fn image_cleanup(self: &Arc<Self>, dry_run: bool) -> Result<CleanupReport> {
        let policy = self.live.get().cleanup.policy.clone();
        let policy = policy.ok_or_else(|| EngineError::Invalid(messages::no_cleanup_policy()))?;
        let images = self
            .images
            .plan_cleanup(&policy, &self.image_users())
            .await?;
        if dry_run || images.is_empty() {
            let space_reclaimed = images.iter().map(|one| one.bytes).sum();
            return Ok(CleanupReport {
                images,
                space_reclaimed,
            });
        }
        let gone = self.images.cleanup(&images, &self.image_users()).await?;
        self.tell(gone.removed);
        // What came into use meanwhile has stayed.
        let gone = |one: &DoomedImage| self.images.get(&one.id).is_err();
        let images: Vec<DoomedImage> = images.into_iter().filter(gone).collect();
        Ok(CleanupReport {
            space_reclaimed: images.iter().map(|one| one.bytes).sum(),
            images,
        })
    }

    /// From now on the clean-up comes by itself.
    pub(crate) fn begin_cleanups(self: &Arc<Self>) {
        tokio::spawn(cleanups(Arc::downgrade(self), self.closing.subscribe()));
    }
}

/// Until the engine goes. The settings are looked at in each round: they may change.
async fn cleanups(engine: Weak<Engine>, mut closing: watch::Receiver<bool>) {
    let mut since_last = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            // The engine closes, or is gone.
            _ = closing.wait_for(|closing| *closing) => return,
        }
        let Some(here) = engine.upgrade() else { return };
        since_last += TICK;
        if let Err(error) = here.images.remember_uses().await {
            let error = corten_base::chain(&error);
            tracing::warn!(error, "when images were last used is not durable");
        }
        let settings = here.live.get().cleanup.clone();
        let period = Duration::from_secs(settings.period_seconds);
        if settings.policy.is_none() || period.is_zero() || since_last < period {
            continue;
        }
        since_last = Duration::ZERO;
        match here.image_cleanup(false).await {
            Ok(done) if done.images.is_empty() => {}
            Ok(done) => tracing::info!(
                images = done.images.len(),
                bytes = done.space_reclaimed,
                "images were cleaned up"
            ),
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::warn!(error, "images could not be cleaned up");
            }
        }
    }
}
