//! Results as manifests and an index, and on their way to a registry.

use crate::{
    Builder, Error, Result,
    context::told,
    export::told_pushing,
    key::Key,
    progress::{Event, ProgressSender, Status},
    request::references,
    session::Session,
};
use corten_base::Timestamp;
use corten_images::{Artifact, ArtifactRequest};
use corten_oci::Digest;

impl Builder {
    /// Makes the artifact as a step of the build with this title.
    ///
    /// # Errors
    /// The image store's.
    pub async fn make_artifact(
        &self,
        request: ArtifactRequest,
        progress: &ProgressSender,
        title: &str,
    ) -> Result<Artifact> {
        let mut key = Key::new("artifact");
        key.text(title);
        for image in &request.images {
            key.texts(image.config.diff_ids().iter().map(Digest::hex));
        }
        let digest = key.finish();
        told(progress, title, &digest, async {
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
            let layers = || "exporting layers".to_owned();
            progress.send(piece(layers(), started, None)).await;
            let made = self.images().make_artifact(request).await?;
            let now = Timestamp::now();
            progress.send(piece(layers(), started, Some(now))).await;
            for (kind, digest) in made.documents_made() {
                let text = format!("exporting {kind} {digest}");
                progress.send(piece(text, now, Some(now))).await;
            }
            Ok(made)
        })
        .await
    }

    /// Gives an image of this machine names that stand for the artifact, as a step of the
    /// build.
    ///
    /// # Errors
    /// The image store's, and names that are none.
    pub async fn name_artifact(
        &self,
        artifact: Artifact,
        image: &Digest,
        names: &[String],
        progress: &ProgressSender,
    ) -> Result<Artifact> {
        let names = references(names)?;
        let mut key = Key::new("name");
        key.digest(&artifact.root.digest);
        let digest = key.finish();
        told(progress, "naming what was made", &digest, async {
            for name in &names {
                let now = Some(Timestamp::now());
                let status = Status {
                    id: format!("naming to {name}"),
                    vertex: digest.clone(),
                    current: 0,
                    total: 0,
                    started: now,
                    completed: now,
                };
                progress.send(Event::Status(status)).await;
            }
            let naming = self.images().name_artifact(artifact, image.clone(), names);
            Ok(naming.await?)
        })
        .await
    }

    /// Pushes an artifact under each of its names, with the client's credentials.
    ///
    /// # Errors
    /// The registry's.
    pub async fn push_artifact(
        &self,
        artifact: &Artifact,
        by_digest: bool,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Result<()> {
        if artifact.names.is_empty() {
            return Err(Error::Invalid(
                "tag is needed when pushing to registry".into(),
            ));
        }
        for name in &artifact.names {
            let mut key = Key::new("push");
            key.text(&name.to_string()).digest(&artifact.root.digest);
            let digest = key.finish();
            let title = format!("pushing {name}@{}", artifact.root.digest);
            let credentials = session.credentials(name.domain()).await?;
            let work = told_pushing(progress, &digest, move |sender| async move {
                let images = self.images();
                images
                    .push_artifact(artifact, name, by_digest, credentials, &sender)
                    .await
            });
            told(progress, &title, &digest, Box::pin(work)).await?;
        }
        Ok(())
    }
}
