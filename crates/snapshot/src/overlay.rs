//! Snapshots as overlays: an upper directory a container, layers below.

use crate::{
    Error, Form, LayerStore, Result, Snapshotter, Usage, disk,
    error::On,
    limit,
    roots::{self, Root},
    snapshots,
};
use corten_oci::{Digest, RootMount};
use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, XattrFlags},
    io::Errno,
};
use std::path::{Path, PathBuf};

/// Snapshots on overlayfs. A snapshot's directories are `<containers>/<key>/overlay/`
/// `upper` and `work`; `<containers>/<key>` is made if missing and left on removal.
pub struct Overlay {
    layers: LayerStore,
    containers: PathBuf,
}

/// OVERLAYFS_SUPER_MAGIC of linux/magic.h.
const OVERLAYFS_MAGIC: i64 = 0x794c_7630;

impl Overlay {
    /// Fails with [`Error::NoOverlay`] when the file system of `containers` cannot hold
    /// an upper directory.
    pub fn open(layers: LayerStore, containers: &Path) -> Result<Self> {
        disk::private_directory(containers)?;
        disk::spread_below(containers);
        let probe = layers.begin()?;
        check_upper(containers, &probe.path())?;
        Ok(Self {
            layers,
            containers: containers.into(),
        })
    }

    fn directory(&self, key: &str) -> PathBuf {
        self.containers.join(key).join("overlay")
    }

    fn mount(&self, key: &str, layers: &[Digest]) -> Result<RootMount> {
        let directory = self.directory(key);
        let mut lower = self.layers.directories(layers)?;
        if lower.is_empty() {
            // An image without layers; overlay needs a lower directory.
            lower.push(roots::empty(&self.layers));
        }
        let upper = Some(directory.join("upper"));
        Ok(RootMount::Overlay {
            lower,
            upper,
            work: Some(directory.join("work")),
        })
    }
}

impl Snapshotter for Overlay {
    fn name(&self) -> &'static str {
        match self.layers.form() {
            Form::Unpacked => "overlay2",
            Form::Indexed => "erofs",
        }
    }

    fn layers(&self) -> &LayerStore {
        &self.layers
    }

    fn prepare(&self, key: &str, layers: &[Digest]) -> Result<RootMount> {
        snapshots::record(&self.layers, key, layers)?;
        let directory = self.directory(key);
        let upper = directory.join("upper");
        if !upper.is_dir() {
            let root = Root::of(&self.layers, &self.layers.stack(layers)?)?;
            corten_base::step("snapshot.directory");
            disk::private_directory(&directory.join("work"))?;
            // The upper directory's owner and mode are what the container sees as `/`.
            // Named last: an upper directory that is there is complete.
            let new = directory.join("new");
            disk::private_directory(&new)?;
            root.set(&new)?;
            corten_base::step("snapshot.name");
            std::fs::rename(&new, &upper).on("renaming", &new)?;
        }
        self.mount(key, layers)
    }

    fn mounts(&self, key: &str) -> Result<RootMount> {
        let layers = snapshots::layers(&self.layers, key)?;
        match self.directory(key).join("upper").is_dir() {
            true => self.mount(key, &layers),
            false => Err(Error::NotFound { key: key.into() }),
        }
    }

    fn view(&self, layers: &[Digest]) -> Result<RootMount> {
        let stack = self.layers.stack(layers)?;
        let mut lower = self.layers.directories(layers)?;
        if stack.last().is_none_or(|top| !top.has_root) {
            lower.insert(0, Root::of(&self.layers, &stack)?.directory(&self.layers)?);
        }
        if lower.len() < 2 {
            // Without an upper directory the kernel wants two.
            lower.push(roots::empty(&self.layers));
        }
        Ok(RootMount::Overlay {
            lower,
            upper: None,
            work: None,
        })
    }

    fn can_limit(&self) -> bool {
        limit::is_possible(&self.containers)
    }

    fn limit(&self, key: &str, bytes: u64) -> Result<()> {
        snapshots::layers(&self.layers, key)?;
        if !self.can_limit() {
            return Err(Error::NoLimit { key: key.into() });
        }
        limit::set(&self.directory(key), &self.containers, bytes)
    }

    fn remove(&self, key: &str) -> Result<()> {
        snapshots::check_key(key)?;
        limit::take_away(&self.directory(key), &self.containers)?;
        self.layers.inner.trash.throw(&self.directory(key))?;
        corten_base::step("snapshot.forget");
        snapshots::forget(&self.layers, key)
    }

    fn keys(&self) -> Result<Vec<String>> {
        snapshots::keys(&self.layers)
    }

    fn upper(&self, key: &str) -> Result<Option<PathBuf>> {
        snapshots::layers(&self.layers, key)?;
        Ok(Some(self.directory(key).join("upper")))
    }

    fn usage(&self, key: &str) -> Result<Usage> {
        snapshots::layers(&self.layers, key)?;
        snapshots::usage(&self.directory(key).join("upper"))
    }
}

/// Tries in `probe` what overlay does in an upper directory. `containers` should be on
/// the same file system, or be one that can do the same.
fn check_upper(containers: &Path, probe: &Path) -> Result<()> {
    let fault = |reason| Error::NoOverlay {
        path: containers.into(),
        reason,
    };
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let module = Path::new("/sys/module/overlay").exists();
    if !module && !known.lines().any(|line| line.ends_with("\toverlay")) {
        // The module may still be loaded by the first mount; the kernel then says so itself.
        tracing::debug!("the kernel does not list overlay yet");
    }
    let kind = fs::statfs(containers).on("asking for the file system of", containers)?;
    if kind.f_type as i64 == OVERLAYFS_MAGIC {
        return Err(fault("it is an overlay itself"));
    }
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = fs::open(probe, flags, Mode::empty()).on("opening", probe)?;
    match fs::fsetxattr(
        &directory,
        "trusted.overlay.opaque",
        b"y",
        XattrFlags::empty(),
    ) {
        Err(Errno::NOTSUP) => return Err(fault("it has no extended attributes")),
        Err(Errno::PERM) => return Err(fault("trusted extended attributes need root rights")),
        other => other.on("marking", probe)?,
    }
    fs::mknodat(&directory, "file", FileType::RegularFile, Mode::RUSR, 0)
        .on("creating in", probe)?;
    match fs::renameat_with(
        &directory,
        "file",
        &directory,
        "moved",
        RenameFlags::WHITEOUT,
    ) {
        Err(Errno::INVAL | Errno::NOTSUP) => return Err(fault("it cannot leave whiteouts")),
        other => other.on("renaming in", probe)?,
    }
    let mut typed = true;
    for entry in fs::Dir::read_from(&directory).on("reading", probe)? {
        typed &= entry.on("reading", probe)?.file_type() != FileType::Unknown;
    }
    for name in ["file", "moved"] {
        fs::unlinkat(&directory, name, AtFlags::empty()).on("removing in", probe)?;
    }
    match typed {
        true => Ok(()),
        false => Err(fault(
            "its directories do not tell the type of their entries",
        )),
    }
}
