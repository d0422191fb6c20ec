//! `POST /images/verify`: images held against their digests, and mended.

use super::pull::{credentials, with_progress_once_begun};
use crate::{Engine, EngineError, ImageVerifyRequest, Result, messages};
use corten_images::VerifyRequest;
use corten_model::Progress;
use futures_util::{future::FutureExt, stream::BoxStream};
use std::sync::Arc;

/// Key of Docker Hub's credentials in the stock client's configuration.
const HUB: &str = "https://index.docker.io/v1/";

impl Engine {
    /// Verifies images; each damage is a line, and damage that stays is the failure at the
    /// end. Dropping the stream stops the work.
    pub async fn image_verify(
        self: &Arc<Self>,
        request: ImageVerifyRequest,
    ) -> Result<BoxStream<'static, Progress>> {
        let auths = request.auths.into_iter().map(|(server, auth)| {
            let domain = match server.as_str() {
                HUB => corten_oci::reference::DEFAULT_DOMAIN.to_owned(),
                _ => server,
            };
            (domain, credentials(auth))
        });
        let request = VerifyRequest {
            names: request.names,
            repair: request.repair,
            credentials: auths.collect(),
        };
        let engine = self.clone();
        with_progress_once_begun(move |sender| {
            async move {
                let (repair, users) = (request.repair, engine.image_users());
                let found = engine.images.verify(request, &users, &sender).await?;
                let summary =
                    messages::verified(found.images, found.layers, found.damaged, found.repaired);
                sender.line(summary.to_string()).await;
                match found.damaged - found.repaired {
                    0 => Ok(()),
                    left if repair => Err(EngineError::Failed(messages::not_repaired(left))),
                    left => Err(EngineError::Failed(messages::damaged(left))),
                }
            }
            .boxed()
        })
        .await
    }
}
