//! Where a result goes: the image store.

use crate::{
    BuildResult, Builder, Error, Result,
    context::told,
    key::Key,
    progress::{Event, ProgressSender, Status},
    request::{references, shown_names},
    session::Session,
};
use corten_base::Timestamp;
use corten_images::{BuildOrigin, BuiltRequest, Progress, PushRequest};
use corten_oci::{Digest, Reference};
use std::{collections::HashMap, sync::Arc};

/// How a push tells that a layer is at the registry.
const DONE: [&str; 3] = ["Pushed", "Layer already exists", "Mounted from"];

/// Tells an export that goes elsewhere than to the image store as a step of the build.
/// `work` answers how many bytes it told; 0 where that is not shown.
///
/// # Errors
/// Those of `work`.
pub async fn tell_export(
    results: &[Arc<BuildResult>],
    progress: &ProgressSender,
    title: &str,
    piece: &str,
    work: impl Future<Output = Result<u64>>,
) -> Result<()> {
    let mut key = Key::new("export");
    key.text(title);
    for result in results {
        key.texts(result.layers.iter().map(Digest::hex));
    }
    let digest = key.finish();
    told(progress, title, &digest, async {
        let started = Timestamp::now();
        let status = |bytes: u64, completed| {
            Event::Status(Status {
                id: piece.to_owned(),
                vertex: digest.clone(),
                current: i64::try_from(bytes).unwrap_or(i64::MAX),
                total: 0,
                started: Some(started),
                completed,
            })
        };
        progress.send(status(0, None)).await;
        let bytes = work.await?;
        let done = status(bytes, Some(Timestamp::now()));
        progress.send(done).await;
        Ok(())
    })
    .await
}

impl Builder {
    /// What the image store gets of a result.
    ///
    /// # Errors
    /// Names that are none.
    pub fn built_request(&self, result: &BuildResult, names: &[String]) -> Result<BuiltRequest> {
        Ok(BuiltRequest {
            config: result.config.clone(),
            names: references(names)?,
            origin: None,
        })
    }

    /// Pushes names that the result has been given here, with the client's credentials.
    ///
    /// # Errors
    /// The registry's.
    pub async fn push(
        &self,
        names: &[String],
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Result<()> {
        for reference in references(names)? {
            let shown = match reference.tag() {
                Some("latest") => reference.name().to_owned(),
                _ => reference.to_string(),
            };
            let mut key = Key::new("push");
            key.text(&shown);
            let digest = key.finish();
            let title = format!("pushing {shown} with docker");
            let work = Box::pin(self.push_one(reference, session, progress, &digest));
            told(progress, &title, &digest, work).await?;
        }
        Ok(())
    }

    pub(crate) async fn push_one(
        &self,
        reference: Reference,
        session: &dyn Session,
        progress: &ProgressSender,
        vertex: &Digest,
    ) -> Result<()> {
        let request = PushRequest {
            credentials: session.credentials(reference.domain()).await?,
            reference,
            all_tags: false,
            platform: None,
        };
        let work = told_pushing(progress, vertex, move |sender| async move {
            Box::pin(self.images().push(request, &sender)).await
        });
        work.await
    }

    /// Makes the result an image of this machine, with names; `build` is what the history of
    /// builds has it under. Answers its ID.
    ///
    /// # Errors
    /// The image store's, and names that are none.
    pub async fn export_image(
        &self,
        result: &BuildResult,
        names: &[String],
        build: Option<&str>,
        progress: &ProgressSender,
    ) -> Result<Digest> {
        let shown = shown_names(names);
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
            let origin = BuildOrigin {
                reference: build.map(str::to_owned),
                at: Timestamp::now(),
            };
            let request = BuiltRequest {
                config: result.config.clone(),
                names: names.clone(),
                origin: Some(origin),
            };
            corten_base::step("build.export");
            let id = self
                .images()
                .add_built(request)
                .await
                .map_err(Error::from)?;
            corten_base::step("build.done");
            let now = Timestamp::now();
            progress
                .send(piece("exporting layers".into(), started, Some(now)))
                .await;
            progress
                .send(piece(format!("writing image {id}"), now, Some(now)))
                .await;
            for name in &shown {
                progress
                    .send(piece(format!("naming to {name}"), now, Some(now)))
                    .await;
            }
            Ok(id)
        })
        .await
    }
}

/// Tells what is pushed, layer by layer, as pieces of a step.
pub(crate) async fn told_pushing<Work>(
    progress: &ProgressSender,
    vertex: &Digest,
    work: impl FnOnce(corten_images::ProgressSender) -> Work,
) -> Result<()>
where
    Work: Future<Output = corten_images::Result<()>>,
{
    let (sender, mut receiver) = corten_images::ProgressSender::channel();
    // The sender goes with the work, which ends what is told.
    let pushing = work(sender);
    let telling = async {
        let mut begun: HashMap<String, Timestamp> = HashMap::new();
        while let Some(message) = receiver.recv().await {
            let (id, done) = match message {
                Progress::Working { id, .. } => (id, false),
                Progress::Status {
                    id: Some(id),
                    text,
                    layer: true,
                } => (id, DONE.iter().any(|word| text.starts_with(word))),
                _ => continue,
            };
            let known = begun.contains_key(&id);
            let now = Timestamp::now();
            let started = *begun.entry(id.clone()).or_insert(now);
            if known && !done {
                continue;
            }
            let status = Status {
                id: format!("pushing layer {id}"),
                vertex: vertex.clone(),
                current: 0,
                total: 0,
                started: Some(started),
                completed: done.then_some(now),
            };
            progress.send(Event::Status(status)).await;
        }
    };
    Ok(tokio::join!(pushing, telling).0?)
}

/// Names as users write them, each with a tag.
///
/// # Errors
/// What is no name.
pub fn parse_names(names: &[String]) -> Result<Vec<Reference>> {
    references(names)
}
