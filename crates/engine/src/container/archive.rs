//! `HEAD`, `GET`, `PUT /containers/{id}/archive`.

use super::volumes::Borrowed;
use crate::{
    ArchivePutOptions, ByteStream, Engine, EngineError, PathStat, Result,
    handle::Handle,
    messages,
    streams::{BodyReader, from_blocking_writer},
    users,
};
use corten_archive::{ExtractOptions, Owner, Owners, PackOptions};
use corten_base::Timestamp;
use corten_model::{Container, MountKind, MountPoint};
use corten_snapshot::{AssembledRoot, MountedIn};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::OwnedMutexGuard;

/// /etc/passwd of an image; more is no such file.
const PASSWD_MAX_BYTES: u64 = 1 << 20;

/// A directory that stands for `/`, and a path in it.
struct Place {
    root: Root,
    path: PathBuf,
    /// Seen from the host, its files have the host's numbers of this container's users.
    owners: Option<Owners>,
    /// What is mounted in the root of a container that does not run, and goes after it.
    _volumes: Vec<Borrowed>,
    /// Nobody starts or copies meanwhile: its upper directory is mounted here, and its
    /// volumes are held in one name by every copy. Goes last.
    _owner: Option<OwnedMutexGuard<()>>,
}

/// A container's root directory.
enum Root {
    /// As its processes see it, or its layers without anything else.
    Plain(OwnedFd),
    /// Its layers, with its volumes and binds.
    Assembled(AssembledRoot),
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(root) => root.as_fd(),
            Self::Assembled(root) => root.as_fd(),
        }
    }
}

impl Engine {
    /// `HEAD /containers/{id}/archive`.
    pub async fn archive_stat(self: &Arc<Self>, name: &str, path: &str) -> Result<PathStat> {
        let place = self.place(name, path).await?;
        let (name, path) = (name.to_owned(), path.to_owned());
        self.streams.run(move || stat(&place, &name, &path)).await
    }

    /// `GET /containers/{id}/archive`.
    pub async fn archive_get(
        self: &Arc<Self>,
        name: &str,
        path: &str,
    ) -> Result<(PathStat, ByteStream)> {
        let place = self.place(name, path).await?;
        let (owned_name, owned_path) = (name.to_owned(), path.to_owned());
        let (stat, place) = self
            .streams
            .run(move || Ok((stat(&place, &owned_name, &owned_path)?, place)))
            .await?;
        let handle = self.table.find(name)?;
        self.container_event(&handle.record(), "archive-path", []);
        let body = from_blocking_writer(self.streams.clone(), move |writer| {
            corten_archive::pack(
                place.root.as_fd(),
                &place.path,
                writer,
                &PackOptions {
                    owners: place.owners.clone(),
                    ..PackOptions::default()
                },
            )?;
            Ok(())
        });
        Ok((stat, body))
    }

    /// `PUT /containers/{id}/archive`; the tar may be compressed.
    pub async fn archive_put(
        self: &Arc<Self>,
        name: &str,
        options: ArchivePutOptions,
        body: ByteStream,
    ) -> Result<()> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        check_writable(&record, &options.path)?;
        let place = self.place(name, &options.path).await?;
        let (name, user) = (name.to_owned(), record.config.user.clone());
        let reader = BodyReader::new(body);
        let copied = self.streams.run(move || {
            let owner = match options.copy_uid_gid && !user.is_empty() {
                true => owner(&place, &user),
                false => None,
            };
            let extract = ExtractOptions {
                no_overwrite_dir_non_dir: options.no_overwrite_directory_non_directory,
                owner,
                owners: place.owners.clone(),
                ..ExtractOptions::default()
            };
            // The archive's own links, too, lead nowhere but into this directory.
            let target = target(&place, &name, &options.path)?;
            corten_archive::extract(reader, target.as_fd(), Path::new("/"), &extract)
                .map(drop)
                .map_err(|error| extract_error(error, &options.path))
        });
        copied.await?;
        self.container_event(&record, "extract-to-dir", []);
        Ok(())
    }

    /// What `path` means: in the running container what its processes see, else its root
    /// with its volumes and binds.
    async fn place(self: &Arc<Self>, name: &str, path: &str) -> Result<Place> {
        let handle = self.table.find(name)?;
        let absolute = absolute(path);
        let record = handle.record();
        if let Some(root) = running_root(&handle).await? {
            return Ok(Place {
                root: Root::Plain(root),
                path: absolute,
                owners: record.id_map.as_ref().map(users::owners),
                _owner: None,
                _volumes: Vec::new(),
            });
        }
        let owner = handle.own().await;
        let record = handle.record();
        // It was started meanwhile.
        if let Some(root) = running_root(&handle).await? {
            return Ok(Place {
                root: Root::Plain(root),
                path: absolute,
                owners: record.id_map.as_ref().map(users::owners),
                _owner: None,
                _volumes: Vec::new(),
            });
        }
        let engine = self.clone();
        let opened = self.pool.run(move || engine.root_at_rest(&record));
        let (root, volumes) = opened.await?;
        Ok(Place {
            root,
            path: absolute,
            // Mounted for this copy alone, or a volume's directory: as it is on disk.
            owners: None,
            _owner: Some(owner),
            _volumes: volumes,
        })
    }

    /// The root of a container that does not run, with its volumes and binds as it would
    /// have them. Blocking.
    fn root_at_rest(self: &Arc<Self>, record: &Container) -> Result<(Root, Vec<Borrowed>)> {
        let root = self.snapshots.mounts(&record.id.to_string())?;
        let mut points: Vec<_> = record.mounts.iter().filter(|it| has_files(it)).collect();
        if points.is_empty() {
            let root = corten_snapshot::open_root(&root)?;
            return Ok((Root::Plain(root), Vec::new()));
        }
        points.sort_by_key(|point| Path::new(&point.destination).components().count());
        let volumes = points.iter().map(|point| self.borrow_volume(record, point));
        let volumes = volumes.collect::<Result<Vec<_>>>()?;
        let mounts: Vec<_> = points
            .iter()
            .zip(&volumes)
            .map(|(point, volume)| MountedIn {
                source: volume.as_ref().map_or(&point.source, |it| &it.path),
                destination: &point.destination,
                read_only: !point.rw,
                recursive: takes_mounts_along(point),
            })
            .collect();
        let assembled = corten_snapshot::assemble_root(&root, &mounts)?;
        let volumes = volumes.into_iter().flatten().collect();
        Ok((Root::Assembled(assembled), volumes))
    }
}

/// Not so with `bind-recursive=disabled`.
fn takes_mounts_along(point: &MountPoint) -> bool {
    let request = point.request.as_ref();
    let options = request.and_then(|it| it.bind_options.as_ref());
    options.is_none_or(|it| !it.non_recursive)
}

/// Whether a mount has files while the container does not run.
fn has_files(point: &MountPoint) -> bool {
    matches!(point.kind, MountKind::Bind | MountKind::Volume)
}

impl Handle {
    /// The container's own lock, to be held beyond a borrow.
    async fn own(self: &Arc<Self>) -> OwnedMutexGuard<()> {
        self.lock.clone().lock_owned().await
    }
}

/// Docker takes relative paths as below `/`; a final `/` or `/.` keeps its meaning.
fn absolute(path: &str) -> PathBuf {
    if path.starts_with('/') {
        PathBuf::from(path)
    } else {
        PathBuf::from(format!("/{path}"))
    }
}

async fn running_root(handle: &Handle) -> Result<Option<OwnedFd>> {
    let Some(process) = handle.first_process().await? else {
        return Ok(None);
    };
    match process.root() {
        Ok(root) => Ok(Some(root)),
        // It ended this moment.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EngineError::File {
            operation: "opening",
            path: "the root of a container".into(),
            source,
        }),
    }
}

/// The mount that `path` lies in.
fn mount_of<'a>(record: &'a Container, path: &Path) -> Option<&'a MountPoint> {
    let fits = record
        .mounts
        .iter()
        .filter(|point| has_files(point) && path.starts_with(&point.destination));
    fits.max_by_key(|point| point.destination.components().count())
}

fn check_writable(record: &Container, path: &str) -> Result<()> {
    match mount_of(record, &absolute(path)) {
        Some(point) if !point.rw => Err(EngineError::Forbidden(messages::read_only_volume())),
        None if record.host_config.readonly_rootfs => {
            Err(EngineError::Forbidden(messages::read_only_root()))
        }
        _ => Ok(()),
    }
}

fn stat(place: &Place, name: &str, path: &str) -> Result<PathStat> {
    let found = corten_archive::stat(place.root.as_fd(), &place.path)
        .map_err(|error| not_found(error, name, path))?;
    Ok(PathStat {
        name: found.name.to_string_lossy().into_owned(),
        size: found.size as i64,
        mode: corten_archive::go_file_mode(found.mode),
        modified: Timestamp::from_unix(found.mtime.seconds, found.mtime.nanoseconds),
        link_target: found.link_target.to_string_lossy().into_owned(),
    })
}

/// The directory to extract into; links in its path are followed inside the root.
fn target(place: &Place, name: &str, path: &str) -> Result<OwnedFd> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(place.root.as_fd(), &place.path, flags, Mode::empty(), how).map_err(|errno| match errno
    {
        rustix::io::Errno::NOENT => EngineError::NotFound(messages::no_such_path(path, name)),
        rustix::io::Errno::NOTDIR => corten_archive::Error::NotADirectory.into(),
        errno => EngineError::File {
            operation: "opening",
            path: path.into(),
            source: errno.into(),
        },
    })
}

/// dockerd's sentences, which it sends with 500.
fn extract_error(error: corten_archive::Error, root: &str) -> EngineError {
    use corten_archive::Error;
    let below = |path: &Path| path.strip_prefix("/").unwrap_or(path).display().to_string();
    EngineError::Failed(match error {
        Error::Escape { path } => messages::invalid_entry_name(path.display()),
        Error::DirectoryByOther { path, .. } => messages::directory_by_other(below(&path), root),
        Error::OtherByDirectory { path, .. } => messages::other_by_directory(below(&path), root),
        other => return other.into(),
    })
}

fn not_found(error: corten_archive::Error, name: &str, path: &str) -> EngineError {
    match error {
        corten_archive::Error::NotFound { .. } => {
            EngineError::NotFound(messages::no_such_path(path, name))
        }
        other => other.into(),
    }
}

/// The numbers of the container's user, who shall own what is copied in.
fn owner(place: &Place, user: &str) -> Option<Owner> {
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut text = String::new();
    if let Ok(file) = openat2(place.root.as_fd(), "etc/passwd", flags, Mode::empty(), how) {
        let mut limited = File::from(file).take(PASSWD_MAX_BYTES);
        // What cannot be read names nobody.
        drop(limited.read_to_string(&mut text));
    }
    let number = name.parse::<u32>().ok();
    let line = text
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| {
            fields.len() > 3
                && (fields[0] == name || fields[2].parse().ok() == number && number.is_some())
        });
    let uid = number.or_else(|| line.as_ref()?[2].parse().ok())?;
    let gid = group
        .parse()
        .ok()
        .or_else(|| line.as_ref()?[3].parse().ok())
        .unwrap_or(0);
    Some(Owner { uid, gid })
}
