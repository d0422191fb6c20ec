//! Mounts put together into one tree that no process sees: for reading and writing the files
//! of what does not run as if it ran.

use crate::{
    mount::{self, Attributes, SLAVE},
    namespace::{NEWNS, unshare},
    root::Root,
};
use rustix::{
    fs::{FileType, Mode, OFlags, fstat, open},
    io::Errno,
};
use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

/// A directory tree with others mounted in it, in a mount namespace of its own, which has no
/// process. All of it goes with the value.
#[derive(Debug)]
pub struct Assembled {
    root: OwnedFd,
    _namespace: OwnedFd,
}

/// A detached mount, and where it goes: a path in the tree, links followed inside of it.
#[derive(Debug)]
pub struct Part {
    /// From `open_tree` or `fsmount`.
    pub mount: OwnedFd,
    pub at: PathBuf,
}

impl Assembled {
    /// Attaches `parts` in their order in the detached mount `tree`, a directory. What they
    /// go over is made where it is missing; one for which there can be no place is left out.
    /// Blocking, for a thread's time.
    ///
    /// # Errors
    /// Those of unshare(2) and move_mount(2).
    pub fn new(tree: OwnedFd, parts: Vec<Part>) -> io::Result<Self> {
        // unshare(2) moves the calling thread; this one ends in its namespace.
        let assembling = std::thread::spawn(move || {
            unshare(NEWNS)?;
            let top = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
            // What is unmounted elsewhere goes here, too, and nothing from here goes there.
            let slave = Attributes {
                propagation: SLAVE,
                recursive: true,
                ..Attributes::default()
            };
            mount::set_attributes(top.as_fd(), slave)?;
            mount::set_attributes(tree.as_fd(), slave)?;
            mount::attach(tree.as_fd(), top.as_fd())?;
            let tree = Root::new(tree);
            for part in &parts {
                mount::set_attributes(part.mount.as_fd(), slave)?;
                part.attach(&tree)?;
            }
            // What came is of O_PATH: it cannot be read.
            let readable = OFlags::RDONLY | OFlags::DIRECTORY;
            let root = tree.open_file(Path::new("/"), readable, Mode::empty())?;
            let namespace = open(
                "/proc/thread-self/ns/mnt",
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            Ok(Self {
                root,
                _namespace: namespace,
            })
        });
        let assembled = assembling.join();
        assembled.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl AsFd for Assembled {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.root.as_fd()
    }
}

impl Part {
    /// The file or directory that it goes over, made where it is missing, as a start does.
    fn place(&self, root: &Root) -> io::Result<OwnedFd> {
        let mode = fstat(&self.mount)?.st_mode;
        match FileType::from_raw_mode(mode) {
            FileType::Directory => root.create_directories(&self.at, DIRECTORY_MODE),
            _ => root.create_file(&self.at, FILE_MODE),
        }
    }

    fn attach(&self, root: &Root) -> io::Result<()> {
        let attached = self
            .place(root)
            .and_then(|place| mount::attach(self.mount.as_fd(), place.as_fd()));
        match attached {
            Err(error) if is_no_place(&error) => Ok(()),
            other => other,
        }
    }
}

/// It cannot be made, or a directory is where a file is to go.
fn is_no_place(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        errno,
        Some(Errno::NOENT | Errno::NOTDIR | Errno::EXIST | Errno::LOOP | Errno::ROFS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{ResolveFlags, openat2};
    use std::fs;

    #[test]
    fn a_tree_has_what_is_mounted_in_it_and_the_machine_does_not() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        for path in ["tree/data/below", "volume/below", "inner"] {
            fs::create_dir_all(at(path)).unwrap();
        }
        fs::write(at("volume/file"), "of the volume").unwrap();
        fs::write(at("inner/deep"), "of the inner one").unwrap();
        fs::write(at("tree/plain"), "a file").unwrap();
        std::os::unix::fs::symlink("/data/below", at("tree/link")).unwrap();
        let cloned = |path: &str| mount::clone_tree(&at(path), true).unwrap();
        let part = |path: &str, to: &str| Part {
            mount: cloned(path),
            at: to.into(),
        };
        let parts = vec![
            part("volume", "/data"),
            part("inner", "/link"),
            part("inner", "/made/here"),
            part("inner/deep", "/made/file"),
            part("inner", "/plain/below"),
        ];
        let tree = Assembled::new(cloned("tree"), parts).unwrap();
        let read = |path: &str| {
            let how = ResolveFlags::IN_ROOT;
            let file = openat2(tree.as_fd(), path, OFlags::RDONLY, Mode::empty(), how)?;
            Ok::<_, io::Error>(io::read_to_string(fs::File::from(file)).unwrap())
        };
        assert_eq!(read("data/file").unwrap(), "of the volume");
        assert_eq!(read("data/below/deep").unwrap(), "of the inner one");
        assert_eq!(read("link/deep").unwrap(), "of the inner one");
        assert_eq!(read("made/here/deep").unwrap(), "of the inner one");
        assert_eq!(read("made/file").unwrap(), "of the inner one");
        assert_eq!(read("plain").unwrap(), "a file");
        // Nobody else sees any of it.
        assert!(!Path::new(&at("tree/data/file")).exists());
        assert!(!Path::new(&at("volume/below/deep")).exists());
        drop(tree);
        fs::remove_dir_all(at("tree")).unwrap();
    }
}
