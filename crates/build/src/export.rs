//! Where a result goes: the image store.

use crate::{
    BuildResult, Builder, Error, Result,
    context::told,
    key::Key,
    progress::{Event, ProgressSender, Status},
    request::references,
};
use corten_base::Timestamp;
use corten_images::BuiltRequest;
use corten_oci::Digest;

impl Builder {
    /// Makes the result an image of this machine, with names. Answers its ID.
    ///
    /// # Errors
    /// The image store's, and names that are none.
    pub async fn export_image(
        &self,
        result: &BuildResult,
        names: &[String],
        progress: &ProgressSender,
    ) -> Result<Digest> {
        let names = references(names)?;
        let mut key = Key::new("export");
        key.texts(result.layers.iter().map(Digest::hex));
        let digest = key.finish();
        told(progress, "exporting to image", &digest, async {
            let piece = |id: String, started, completed| {
                Event::Status(Status {
                    id,
                    vertex: digest.clone(),
                    current: 0,
                    total: 0,
                    started: Some(started),
                    completed,
                })
            };
            let started = Timestamp::now();
            progress
                .send(piece("exporting layers".into(), started, None))
                .await;
            let request = BuiltRequest {
                config: result.config.clone(),
                names: names.clone(),
            };
            let id = self
                .images()
                .add_built(request)
                .await
                .map_err(Error::from)?;
            let now = Timestamp::now();
            progress
                .send(piece("exporting layers".into(), started, Some(now)))
                .await;
            progress
                .send(piece(format!("writing image {id}"), now, Some(now)))
                .await;
            for name in &names {
                progress
                    .send(piece(format!("naming to {name}"), now, Some(now)))
                    .await;
            }
            Ok(id)
        })
        .await
    }
}
