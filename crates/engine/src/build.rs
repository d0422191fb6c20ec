//! Building images: the builder with the engine's images, networks and events.

use crate::{
    ByteStream, Engine, EngineError, Result, messages,
    streams::{BodyReader, from_blocking_writer},
    tar_join::Joined,
    time_filter,
};
use corten_archive::{PackOptions, Times, tar};
use corten_base::Timestamp;
use corten_build::{
    ArchiveContext, ArchiveKind, Artifact, BuildRequest, BuildResult, Builder, Failure, Filter,
    Keep, ProgressSender, PruneOptions, Pruned, RequestSession, Session, TreeSend,
};
use corten_model::{EventKind, Filters, RegistryAuth};
use corten_oci::{Digest, Platform};
use futures_util::FutureExt;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::Read,
    os::fd::AsFd,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Where files of a platform go beside those of others: `linux_arm64`.
pub fn platform_directory(platform: &Platform) -> String {
    platform.to_string().replace('/', "_")
}
/// Bytes of a context that failed which are still read, so that the client hears why.
const DRAINED_BYTES_MAX: u64 = 2 << 30;

/// A result in an archive.
pub struct TarPart {
    /// Its files.
    pub result: Arc<BuildResult>,
    /// A directory that all of it is below.
    pub below: Option<String>,
    /// Further files: names and contents, for their owner alone.
    pub files: Vec<(String, Vec<u8>)>,
    /// The time of every file, in seconds since 1970; without one they keep theirs.
    pub epoch: Option<i64>,
}

impl TarPart {
    fn write_files<W: std::io::Write>(&self, out: W) -> corten_archive::Result<W> {
        let now = || corten_base::Timestamp::now().unix_seconds();
        let mut writer = tar::Writer::new(out);
        for (name, bytes) in &self.files {
            let path = match &self.below {
                Some(directory) => format!("{directory}/{name}"),
                None => name.clone(),
            };
            let entry = tar::Entry {
                mode: 0o600,
                mtime: tar::Time {
                    seconds: self.epoch.unwrap_or_else(now),
                    nanoseconds: 0,
                },
                ..tar::Entry::file(path, bytes.len() as u64)
            };
            writer.append(&entry, &bytes[..])?;
        }
        writer.finish()
    }
}

/// What a prune of the build cache did.
#[derive(Debug, Clone, Default)]
pub struct BuildPruneReport {
    /// Keys of the entries that are gone.
    pub deleted: Vec<String>,
    /// Bytes of layers that came back.
    pub space_reclaimed: u64,
}

impl Engine {
    /// The builder.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    /// Builds an image and gives it names. Dropping the future stops the build.
    pub async fn image_build(
        self: &Arc<Self>,
        request: &BuildRequest,
        session: &dyn Session,
        names: &[String],
        progress: &ProgressSender,
    ) -> std::result::Result<Digest, Failure> {
        let result = Box::pin(self.builder.build(request, session, progress)).await?;
        let exporting = self.builder.export_image(&result, names, None, progress);
        let exported = Box::pin(exporting).await;
        let id = exported.map_err(Failure::early)?;
        self.image_built(&id, names);
        Ok(id)
    }

    /// Tells of an image that was built.
    pub fn image_built(&self, id: &Digest, names: &[String]) {
        let text = id.to_string();
        for name in names {
            self.image_event("tag", &text, name);
        }
    }

    /// The client's side of a classic build: files and credentials come with its request.
    pub fn request_session(&self, auths: Vec<(String, RegistryAuth)>) -> RequestSession {
        let credentials = auths.into_iter().map(|(server, auth)| {
            let domain = server
                .trim_start_matches("https://")
                .trim_start_matches("http://");
            let domain = domain.split('/').next().unwrap_or_default();
            let domain = match domain {
                "index.docker.io" | "registry-1.docker.io" => "docker.io",
                other => other,
            };
            (domain.to_owned(), crate::image::credentials(auth))
        });
        RequestSession {
            credentials: credentials.collect(),
        }
    }

    /// Takes the tar of a build's context as it comes.
    pub async fn build_context(
        self: &Arc<Self>,
        body: ByteStream,
        kind: ArchiveKind,
    ) -> Result<ArchiveContext> {
        let mut body = BodyReader::new(body);
        let engine = self.clone();
        self.streams
            .run(move || {
                let taken = engine.builder.take_context(&mut body, kind);
                if taken.is_err() {
                    // A client that is still sending would not read the answer.
                    let mut rest = body.take(DRAINED_BYTES_MAX);
                    let _gone = std::io::copy(&mut rest, &mut std::io::sink());
                }
                Ok(taken?)
            })
            .await
    }

    /// Remembers a running build under the client's ID, so that another request can end it.
    pub fn register_build(&self, id: &str) -> BuildToken {
        let (sender, cancelled) = tokio::sync::watch::channel(false);
        if !id.is_empty() {
            let mut running = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|_, sender| !sender.is_closed());
            running.insert(id.to_owned(), sender);
            return BuildToken(Some(cancelled));
        }
        BuildToken(None)
    }

    /// `POST /build/cancel`. An unknown ID is no error, as with dockerd.
    pub fn build_cancel(&self, id: &str) {
        let running = self.builds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.get(id) {
            sender.send_replace(true);
        }
    }

    /// Layers that images have.
    pub fn layers_of_images(&self) -> Result<HashSet<Digest>> {
        let everything = corten_images::ListRequest {
            all: true,
            ..corten_images::ListRequest::default()
        };
        let mut layers = HashSet::new();
        for image in self.images.list(&everything)? {
            layers.extend(image.image.layers().iter().cloned());
        }
        Ok(layers)
    }

    /// Drops entries of the build cache, and the layers that nobody else needs; without
    /// `all` those stay that images share. Answers the bytes that came back, too.
    pub async fn build_prune_entries(
        self: &Arc<Self>,
        mut options: PruneOptions,
        all: bool,
    ) -> Result<(Pruned, u64)> {
        if !all {
            options.shared = self.layers_of_images()?;
        }
        let engine = self.clone();
        let pruned = self
            .pool
            .run(move || Ok(engine.builder.prune(&options)?))
            .await?;
        Ok((pruned, self.images.collect().await?))
    }

    /// A result as an archive that is an OCI layout and what `docker load` reads, with names.
    pub fn build_export_image_tar(
        self: &Arc<Self>,
        result: &Arc<BuildResult>,
        names: &[String],
    ) -> Result<ByteStream> {
        let request = self.builder.built_request(result, names)?;
        let (engine, result) = (self.clone(), Arc::clone(result));
        Ok(crate::streams::from_writer(move |writer| {
            async move {
                engine.images.save_built(request, writer).await?;
                // Kept so far: the result holds the layers.
                drop(result);
                Ok(())
            }
            .boxed()
        }))
    }

    /// The root file system of a result, for its files to be sent one by one.
    pub fn build_export_tree(&self, result: &BuildResult) -> Result<TreeSend> {
        let root = corten_snapshot::open_root(&self.snapshots.view(&result.layers)?)?;
        Ok(TreeSend::list(root)?)
    }

    /// Root file systems of results as one tar, each with the files beside it.
    pub fn build_export_tar(self: &Arc<Self>, parts: Vec<TarPart>) -> Result<ByteStream> {
        let mut opened = Vec::new();
        for part in parts {
            let view = self.snapshots.view(&part.result.layers)?;
            opened.push((corten_snapshot::open_root(&view)?, part));
        }
        Ok(from_blocking_writer(self.streams.clone(), move |writer| {
            let mut writer = Joined::new(writer);
            for (root, part) in opened {
                let options = PackOptions {
                    rebase: part.below.clone().map(Into::into),
                    times: part.epoch.map_or(Times::Kept, Times::All),
                    ..PackOptions::default()
                };
                writer.next();
                writer = corten_archive::pack(root.as_fd(), Path::new("/"), writer, &options)?;
                if !part.files.is_empty() {
                    writer.next();
                    writer = part.write_files(writer)?;
                }
            }
            Ok(writer.finish().map_err(corten_archive::Error::Write)?)
        }))
    }

    /// An artifact as an archive, which is an OCI layout.
    pub fn build_export_artifact(self: &Arc<Self>, artifact: Artifact) -> ByteStream {
        let engine = self.clone();
        crate::streams::from_writer(move |writer| {
            async move { Ok(engine.images.save_artifact(artifact, writer).await?) }.boxed()
        })
    }

    /// `POST /build/prune`.
    pub async fn build_prune(
        self: &Arc<Self>,
        filters: &Filters,
        all: bool,
        keep: Keep,
    ) -> Result<BuildPruneReport> {
        let (terms, until) = prune_terms(filters)?;
        let options = PruneOptions {
            keep,
            until,
            filters: terms,
            ..PruneOptions::default()
        };
        let (pruned, space_reclaimed) = self.build_prune_entries(options, all).await?;
        let report = BuildPruneReport {
            deleted: pruned
                .entries
                .iter()
                .map(|(key, _)| key)
                .chain(pruned.mounts.iter().map(|(key, _)| key))
                .map(|key| key.hex()[..25].to_owned())
                .collect(),
            space_reclaimed,
        };
        let reclaimed = BTreeMap::from([("reclaimed".into(), report.space_reclaimed.to_string())]);
        self.events
            .publish(EventKind::Builder, "prune", "", reclaimed);
        Ok(report)
    }
}

/// The filters of `POST /build/prune` in BuildKit's words, and what `until` or
/// `unused-for` says (moby: `toBuildkitPruneInfo`).
fn prune_terms(filters: &Filters) -> Result<(Vec<Filter>, Option<Timestamp>)> {
    let refused = |reason: String| EngineError::Invalid(messages::build_prune_failed(reason));
    let several = || refused("filters expect only one value".to_owned());
    const FIELDS: [&str; 7] = [
        "id",
        "parent",
        "type",
        "description",
        "inuse",
        "shared",
        "private",
    ];
    const AGES: [&str; 2] = ["until", "unused-for"];
    filters
        .validate(&[&FIELDS[..], &AGES[..]].concat())
        .map_err(|error| refused(error.to_string()))?;
    if AGES.iter().all(|it| filters.contains(it)) {
        return Err(refused(
            "conflicting filters: \"until\" and \"unused-for\"".to_owned(),
        ));
    }
    let mut terms = Vec::new();
    for field in FIELDS.into_iter().filter(|it| filters.contains(it)) {
        let sign = if field == "id" { "~=" } else { "==" };
        let values: Vec<&str> = filters.get(field).collect();
        terms.push(match values.as_slice() {
            [] => field.to_owned(),
            [value] => format!("{field}{sign}{value}"),
            _ => return Err(several()),
        });
    }
    let filter = match terms.is_empty() {
        true => Vec::new(),
        false => vec![Filter::parse(&terms.join(","))?],
    };
    let mut ages = AGES.into_iter().flat_map(|key| {
        let values = filters.get(key);
        values.map(move |value| (key, value))
    });
    let until = match (ages.next(), ages.next()) {
        (Some(_), Some(_)) => return Err(several()),
        (None, _) => None,
        (Some((key, value)), None) => Some(time_filter::parse(value).map_err(|error| {
            refused(format!(
                "\"{key}\" filter expects a duration (e.g., '24h') or a timestamp: {error}"
            ))
        })?),
    };
    Ok((filter, until))
}

/// A build that may be cancelled by its ID.
pub struct BuildToken(Option<tokio::sync::watch::Receiver<bool>>);

impl BuildToken {
    /// Waits until somebody cancels the build; for ever, if nobody does.
    pub async fn cancelled(&mut self) {
        if let Some(receiver) = &mut self.0
            && receiver.wait_for(|cancelled| *cancelled).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}

/// Running builds by the IDs of clients.
// Lock: held for memory work only.
pub(crate) type Builds = Mutex<HashMap<String, tokio::sync::watch::Sender<bool>>>;
