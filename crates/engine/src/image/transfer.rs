//! `POST /images/load`, `GET /images/get`, `POST /images/create?fromSrc=`.

use super::{
    list::target,
    pull::{platform, with_progress, with_progress_once_begun},
};
use crate::{
    ByteStream, Engine, ImportRequest, Result,
    streams::{Empty, Framed, from_writer},
};
use corten_images::LoadRequest;
use corten_model::Progress;
use futures_util::{future::FutureExt, stream::BoxStream};
use std::sync::Arc;

impl Engine {
    /// `POST /images/load`.
    pub async fn image_load(
        self: &Arc<Self>,
        body: ByteStream,
        quiet: bool,
        wanted: Option<&str>,
    ) -> Result<BoxStream<'static, Progress>> {
        let engine = self.clone();
        let platform = platform(wanted)?;
        Ok(with_progress(move |sender| {
            async move {
                let request = LoadRequest { quiet, platform };
                let tar = Framed::new(Empty, Some(body), None);
                let loaded = engine.images.load(request, tar, &sender).await?;
                for (id, _) in &loaded.images {
                    engine.image_event("load", &id.to_string(), &id.to_string());
                }
                Ok(())
            }
            .boxed()
        }))
    }

    /// `GET /images/get`, `GET /images/{name}/get`.
    pub async fn image_save(
        self: &Arc<Self>,
        names: Vec<String>,
        wanted: Option<&str>,
    ) -> Result<ByteStream> {
        let platform = platform(wanted)?;
        self.images.check_save(&names, platform.as_ref())?;
        let engine = self.clone();
        Ok(from_writer(move |writer| {
            async move {
                let saved = engine
                    .images
                    .save(&names, platform.as_ref(), writer)
                    .await?;
                for id in saved {
                    engine.image_event("save", &id.to_string(), &id.to_string());
                }
                Ok(())
            }
            .boxed()
        }))
    }

    /// `POST /images/create?fromSrc=-`.
    pub async fn image_import(
        self: &Arc<Self>,
        request: ImportRequest,
        body: ByteStream,
    ) -> Result<BoxStream<'static, Progress>> {
        let reference = match request.repository.as_str() {
            "" => None,
            repository => Some(target(repository, &request.tag)?),
        };
        let name = reference.as_ref().map(corten_oci::Reference::familiar);
        let request = corten_images::ImportRequest {
            reference,
            message: request.message,
            changes: request.changes,
            platform: platform(request.platform.as_deref())?,
        };
        let engine = self.clone();
        with_progress_once_begun(move |sender| {
            async move {
                let tar = Framed::new(Empty, Some(body), None);
                let id = engine.images.import(request, tar, &sender).await?;
                if let Some(name) = name {
                    engine.image_event("tag", &id.to_string(), &name);
                }
                engine.image_event("import", &id.to_string(), &id.to_string());
                Ok(())
            }
            .boxed()
        })
        .await
    }
}
