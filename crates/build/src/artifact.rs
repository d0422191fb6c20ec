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
use corten_images::{Artifact, ArtifactRequest, PushedArtifact};
use corten_oci::Digest;
use std::collections::BTreeMap;

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
        let pushed = PushedArtifact {
            request,
            ..PushedArtifact::default()
        };
        let make = |pushed: PushedArtifact| self.images().make_artifact(pushed.request);
        self.making(pushed, progress, title, make).await
    }

    /// As [`Builder::make_artifact`], of what is going to be pushed with the client's
    /// credentials; `is_kept`: this machine keeps it, too.
    ///
    /// # Errors
    /// The image store's.
    pub async fn make_artifact_to_push(
        &self,
        request: ArtifactRequest,
        is_kept: bool,
        session: &dyn Session,
        progress: &ProgressSender,
        title: &str,
    ) -> Result<Artifact> {
        let mut credentials = BTreeMap::new();
        for domain in self.images().push_domains(&request) {
            // Who cannot be asked now is asked by the push itself.
            if let Ok(Some(own)) = session.credentials(&domain).await {
                credentials.insert(domain, own);
            }
        }
        let pushed = PushedArtifact {
            request,
            is_kept,
            credentials,
        };
        let make = |pushed| self.images().make_artifact_to_push(pushed);
        self.making(pushed, progress, title, make).await
    }

    async fn making<Work>(
        &self,
        pushed: PushedArtifact,
        progress: &ProgressSender,
        title: &str,
        make: impl FnOnce(PushedArtifact) -> Work,
    ) -> Result<Artifact>
    where
        Work: Future<Output = corten_images::Result<Artifact>>,
    {
        let mut key = Key::new("artifact");
        key.text(title);
        for image in &pushed.request.images {
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
            let made = make(pushed).await?;
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
