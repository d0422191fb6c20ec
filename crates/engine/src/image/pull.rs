//! `POST /images/create?fromImage=`, `POST /images/{name}/push`, `POST /auth`.

use super::convert;
use crate::{Engine, EngineError, PullRequest, PushRequest, Result};
use corten_images::{Credentials, ProgressSender};
use corten_model::{Progress, RegistryAuth};
use corten_oci::{Digest, Platform, Reference};
use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::{self, BoxStream},
};
use std::sync::Arc;

impl Engine {
    /// `POST /images/create?fromImage=`; dropping the stream stops the pull.
    pub async fn image_pull(
        self: &Arc<Self>,
        request: PullRequest,
    ) -> Result<BoxStream<'static, Progress>> {
        let reference = reference(&request.image, &request.tag)?;
        let request = corten_images::PullRequest {
            all_tags: reference.is_name_only(),
            reference,
            platform: platform(request.platform.as_deref())?,
            keep_name: false,
            credentials: request.auth.map(credentials),
        };
        let engine = self.clone();
        with_progress_once_begun(move |sender| {
            async move {
                let pulled = engine.images.pull(request, &sender).await?;
                for (name, _) in &pulled.images {
                    let familiar = name.familiar();
                    engine.image_event("pull", &familiar, &name.familiar_name());
                }
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// `POST /images/{name}/push`; dropping the stream stops the push.
    pub async fn image_push(
        self: &Arc<Self>,
        request: PushRequest,
    ) -> Result<BoxStream<'static, Progress>> {
        let reference = reference(&request.image, &request.tag)?;
        let request = corten_images::PushRequest {
            all_tags: reference.is_name_only(),
            reference,
            platform: platform(request.platform.as_deref())?,
            credentials: request.auth.map(credentials),
        };
        let engine = self.clone();
        with_progress_once_begun(move |sender| {
            async move {
                let (familiar, name) = (
                    request.reference.familiar(),
                    request.reference.familiar_name(),
                );
                engine.images.push(request, &sender).await?;
                engine.image_event("push", &familiar, &name);
                Ok(())
            }
            .boxed()
        })
        .await
    }

    /// `POST /auth`: tries the credentials; answers an identity token or nothing.
    pub async fn registry_login(self: &Arc<Self>, auth: RegistryAuth) -> Result<String> {
        Ok(self.images.login(credentials(auth)).await?.identity_token)
    }
}

/// Runs `work` beside the stream of its progress; its failure is the last message. The work
/// stops when the stream is dropped.
pub(super) fn with_progress(
    work: impl FnOnce(ProgressSender) -> BoxFuture<'static, Result<()>>,
) -> BoxStream<'static, Progress> {
    Running::new(work).into_stream()
}

/// As [`with_progress`], but work that fails before it tells anything fails here, so that
/// the client gets a status and not a stream, as from dockerd.
pub(super) async fn with_progress_once_begun(
    work: impl FnOnce(ProgressSender) -> BoxFuture<'static, Result<()>>,
) -> Result<BoxStream<'static, Progress>> {
    let mut running = Running::new(work);
    match (running.message().await, running.failure.take()) {
        (None, Some(error)) => Err(error),
        (first, failure) => {
            running.failure = failure;
            Ok(stream::iter(first).chain(running.into_stream()).boxed())
        }
    }
}

struct Running {
    work: Option<BoxFuture<'static, Result<()>>>,
    failure: Option<EngineError>,
    receiver: tokio::sync::mpsc::Receiver<corten_images::Progress>,
}

impl Running {
    fn new(work: impl FnOnce(ProgressSender) -> BoxFuture<'static, Result<()>>) -> Self {
        let (sender, receiver) = ProgressSender::channel();
        let work = Some(work(sender));
        Self {
            work,
            failure: None,
            receiver,
        }
    }

    /// The next message; the work goes on only while somebody waits here.
    async fn message(&mut self) -> Option<Progress> {
        while let Some(work) = &mut self.work {
            tokio::select! {
                biased;
                Some(message) = self.receiver.recv() => return Some(convert::progress(message)),
                result = work => {
                    self.work = None;
                    self.failure = result.err();
                }
            }
        }
        // What was told before the end is still in the queue.
        self.receiver.recv().await.map(convert::progress)
    }

    fn into_stream(self) -> BoxStream<'static, Progress> {
        stream::unfold(self, |mut running| async move {
            let message = match running.message().await {
                Some(message) => message,
                None => Progress {
                    error: Some(corten_base::chain(&running.failure.take()?)),
                    ..Progress::default()
                },
            };
            Some((message, running))
        })
        .boxed()
    }
}

/// `image[:tag]` and the separate `tag`, which may be a digest.
fn reference(image: &str, tag: &str) -> Result<Reference> {
    let reference: Reference = image.parse()?;
    Ok(match (tag, tag.parse::<Digest>()) {
        ("", _) => reference,
        (_, Ok(digest)) => reference.with_digest(digest),
        (tag, Err(_)) => reference.with_tag(tag)?,
    })
}

pub(super) fn platform(text: Option<&str>) -> Result<Option<Platform>> {
    Ok(text
        .filter(|it| !it.is_empty())
        .map(str::parse)
        .transpose()?)
}

pub(crate) fn credentials(auth: RegistryAuth) -> Credentials {
    let mut credentials = Credentials {
        username: auth.username,
        password: auth.password,
        identity_token: auth.identity_token,
        registry_token: auth.registry_token,
        server_address: auth.server_address,
    };
    if credentials.username.is_empty()
        && let Some((username, password)) = basic(auth.auth.expose())
    {
        credentials.username = username;
        credentials.password = corten_base::Redacted::new(password);
    }
    credentials
}

/// `base64(user:password)`.
fn basic(text: &str) -> Option<(String, String)> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}
