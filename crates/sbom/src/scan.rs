//! A tree looked through for records of packages.

use crate::{
    Error, Package, Result, apk, dpkg, modules,
    release::Release,
    walk::{self, DIRECTORY},
};
use corten_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags};
use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

/// Bytes of a package manager's database.
const DATABASE_BYTES_MAX: u64 = 128 << 20;
/// Packages of one tree.
const PACKAGES_MAX: usize = 200_000;

const DPKG_STATUS: &str = "/var/lib/dpkg/status";
const DPKG_PARTS: &str = "/var/lib/dpkg/status.d";
const APK: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];
const RELEASES: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// What a tree holds.
#[derive(Debug, Default)]
pub struct Found {
    /// In order, each once.
    pub packages: Vec<Package>,
    /// Which distribution it is.
    pub release: Release,
}

/// Looks through the tree. Blocking.
///
/// # Errors
/// A tree that cannot be read, or is larger than any image.
pub fn scan(root: &Root) -> Result<Found> {
    let mut found = BTreeSet::new();
    let text = |path: &str| {
        let bytes = root
            .read_regular(Path::new(path), DATABASE_BYTES_MAX)
            .ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    if let Some(status) = text(DPKG_STATUS) {
        add(&mut found, dpkg::packages(&status, DPKG_STATUS))?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    if let Ok(parts) = root.open_file(Path::new(DPKG_PARTS), flags, Mode::empty()) {
        let mut names = 0;
        for (name, kind) in walk::entries(parts.as_fd(), DPKG_PARTS, &mut names)? {
            if kind != FileType::RegularFile || name.ends_with(".md5sums") {
                continue;
            }
            if let Some(bytes) = walk::read(parts.as_fd(), &name) {
                let record = format!("{DPKG_PARTS}/{name}");
                let text = String::from_utf8_lossy(&bytes);
                add(&mut found, dpkg::packages(&text, &record))?;
            }
        }
    }
    // The second is a link to the first, or the other way round, where both are there.
    if let Some((path, database)) = APK.iter().find_map(|path| Some((path, text(path)?))) {
        add(&mut found, apk::packages(&database, path))?;
    }
    let top = root
        .open_file(Path::new("/"), DIRECTORY, Mode::empty())
        .map_err(|error| Error::path("opening", "/", error))?;
    walk::directories(top, |path, directory| {
        add(&mut found, module(path, directory))
    })?;
    let release = RELEASES.iter().find_map(|path| text(path));
    Ok(Found {
        packages: found.into_iter().collect(),
        release: Release::parse(&release.unwrap_or_default()),
    })
}

fn add(found: &mut BTreeSet<Package>, more: impl IntoIterator<Item = Package>) -> Result<()> {
    found.extend(more);
    if found.len() > PACKAGES_MAX {
        return Err(Error::TooLarge {
            what: "packages",
            limit: PACKAGES_MAX,
        });
    }
    Ok(())
}

/// The module that a directory is, or whose record it is.
fn module(path: &str, directory: BorrowedFd<'_>) -> Option<Package> {
    let record = match path.rsplit_once('.').map(|it| it.1) {
        Some("dist-info") => Some("METADATA"),
        Some("egg-info") => Some("PKG-INFO"),
        _ => None,
    };
    if let Some(name) = record {
        let bytes = walk::read(directory, name)?;
        let text = String::from_utf8_lossy(&bytes);
        return modules::python(&text, &format!("{path}/{name}"));
    }
    let (above, own) = path.rsplit_once('/')?;
    let above = match above.rsplit_once('/') {
        Some((higher, scope)) if scope.starts_with('@') => higher,
        _ => above,
    };
    if !above.ends_with("/node_modules") || own.starts_with(['.', '@']) {
        return None;
    }
    let bytes = walk::read(directory, "package.json")?;
    modules::npm(&bytes, &format!("{path}/package.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    fn names(found: &Found) -> Vec<&str> {
        found.packages.iter().map(|it| it.name.as_str()).collect()
    }

    #[test]
    fn records_of_every_kind_are_found_wherever_they_are() {
        let tree = tree(&[
            ("etc/os-release", "NAME=x\nID=debian\nVERSION_ID=\"13\"\n"),
            ("var/lib/dpkg/status", "Package: bash\nVersion: 5\n"),
            (
                "var/lib/dpkg/status.d/tzdata",
                "Package: tzdata\nVersion: 1\n",
            ),
            ("var/lib/dpkg/status.d/tzdata.md5sums", "Package: no\n"),
            ("lib/apk/db/installed", "P:musl\nV:1\n"),
            ("opt/v/six-1.dist-info/METADATA", "Name: six\nVersion: 1\n"),
            ("opt/old.egg-info/PKG-INFO", "Name: old\nVersion: 2\n"),
            (
                "app/node_modules/a/package.json",
                r#"{"name":"a","version":"1"}"#,
            ),
            (
                "app/node_modules/a/node_modules/b/package.json",
                r#"{"name":"b"}"#,
            ),
            ("app/node_modules/@s/c/package.json", r#"{"name":"@s/c"}"#),
            // Not a module, only a file of one.
            ("app/node_modules/a/lib/package.json", r#"{"name":"lib"}"#),
            ("app/package.json", r#"{"name":"app"}"#),
        ]);
        let root = Root::open(tree.path()).unwrap();
        let found = scan(&root).unwrap();
        let all = ["bash", "tzdata", "musl", "old", "six", "@s/c", "a", "b"];
        assert_eq!(names(&found), all);
        assert_eq!(found.release.id, "debian");
        assert_eq!(found.release.version, "13");
    }

    #[test]
    fn links_never_lead_out_of_the_tree() {
        let outside = tree(&[
            ("status", "Package: host\nVersion: 1\n"),
            ("m/package.json", r#"{"name":"host"}"#),
            ("x.dist-info/METADATA", "Name: host\n"),
        ]);
        let inside = tree(&[("node_modules/x", ""), ("data/status", "Package: own\n")]);
        let link = |to: &Path, name: &str| {
            let path = inside.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        };
        link(&outside.path().join("status"), "var/lib/dpkg/status");
        link(&outside.path().join("m"), "node_modules/m");
        link(
            &outside.path().join("m/package.json"),
            "node_modules/n/package.json",
        );
        link(&outside.path().join("x.dist-info"), "x.dist-info");
        link(Path::new("/dev/zero"), "lib/apk/db/installed");
        let root = Root::open(inside.path()).unwrap();
        assert!(names(&scan(&root).unwrap()).is_empty());
        // One that stays inside is followed, as package managers' databases may be links.
        fs::remove_file(inside.path().join("var/lib/dpkg/status")).unwrap();
        link(Path::new("/data/status"), "var/lib/dpkg/status");
        assert_eq!(names(&scan(&root).unwrap()), ["own"]);
    }
}
