//! Changes, layers and copies read back from containers' directories, the kernel's own
//! overlay having made them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Overlay, apply_to, archive, directory, file, place, set_xattr, symlink, tree};
use corten_archive::{
    ChangeKind, Compression, Compressor, DiffOptions, Error, LowerView, PackOptions, changes, diff,
    go_file_mode, pack, stat,
    tar::{Entry, EntryKind, Reader, Time},
};
use std::{
    fs::{self, File},
    io::{BufReader, Write},
    os::{fd::AsFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

/// An image of two layers and a container on it.
struct Container {
    _place: tempfile::TempDir,
    layers: Vec<PathBuf>,
    upper: PathBuf,
    root: Overlay,
}

impl Container {
    fn new() -> Self {
        let place = place();
        let mut layers = Vec::new();
        let images = [
            vec![
                directory("etc/"),
                file("etc/passwd"),
                file("etc/group"),
                directory("usr/"),
                directory("usr/lib/"),
                file("usr/lib/a"),
                file("usr/lib/b"),
                directory("var/"),
                symlink("run", "/var/run"),
            ],
            vec![directory("srv/"), file("srv/page"), file("etc/.wh.group")],
        ];
        for (number, entries) in images.iter().enumerate() {
            let root = place.path().join(number.to_string());
            fs::create_dir(&root).unwrap();
            apply_to(&archive(entries), &root).unwrap();
            layers.push(root);
        }
        let [upper, work] = ["upper", "work"].map(|name| place.path().join(name));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&work).unwrap();
        let root = Overlay::new(&layers, Some((&upper, &work)));
        Self {
            _place: place,
            layers,
            upper,
            root,
        }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.root.path().join(inside)
    }

    fn changes(&self, exclude: &[PathBuf]) -> Vec<String> {
        let lower: Vec<_> = self.layers.iter().rev().collect();
        let lower = LowerView::open(&lower).unwrap();
        let upper = File::open(&self.upper).unwrap();
        let word = |kind| match kind {
            ChangeKind::Modified => 'C',
            ChangeKind::Added => 'A',
            ChangeKind::Deleted => 'D',
        };
        let found = changes(upper.as_fd(), &lower, exclude).unwrap();
        found
            .iter()
            .map(|change| format!("{} {}", word(change.kind), change.path.display()))
            .collect()
    }

    fn layer(&self) -> Vec<u8> {
        let upper = File::open(&self.upper).unwrap();
        diff(upper.as_fd(), Vec::new(), &DiffOptions::default()).unwrap()
    }
}

fn names(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(BufReader::new(bytes), Default::default());
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(String::from_utf8(entry.path).unwrap());
    }
    names
}

#[test]
fn an_untouched_container_has_no_changes() {
    let container = Container::new();
    assert!(container.changes(&[]).is_empty());
    assert_eq!(names(&container.layer()), Vec::<String>::new());
}

#[test]
fn changes_are_those_docker_lists() {
    let container = Container::new();
    fs::write(container.path("etc/hosts"), "x").unwrap();
    fs::write(container.path("etc/passwd"), "changed").unwrap();
    fs::remove_dir_all(container.path("usr/lib")).unwrap();
    fs::set_permissions(container.path("var"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::create_dir_all(container.path("new/dir")).unwrap();
    fs::remove_file(container.path("srv/page")).unwrap();
    fs::write(container.path("etc/group"), "again").unwrap();
    fs::remove_file(container.path("etc/group")).unwrap();
    assert_eq!(
        container.changes(&[]),
        [
            "C /etc",
            "A /etc/hosts",
            "C /etc/passwd",
            "A /new",
            "A /new/dir",
            "C /srv",
            "D /srv/page",
            "C /usr",
            "D /usr/lib",
            "C /var",
        ]
    );
    // Mount points that the engine made are no changes, nor is their directory.
    let exclude = ["/etc/hosts", "etc/passwd", "/new"].map(PathBuf::from);
    let rest = container.changes(&exclude);
    assert_eq!(
        rest,
        ["C /srv", "D /srv/page", "C /usr", "D /usr/lib", "C /var"]
    );
}

#[test]
fn a_directory_made_anew_hides_and_lists_what_was_in_it() {
    let container = Container::new();
    fs::remove_dir_all(container.path("usr/lib")).unwrap();
    fs::create_dir(container.path("usr/lib")).unwrap();
    fs::write(container.path("usr/lib/b"), "usr/lib/b").unwrap();
    let changes = container.changes(&[]);
    assert!(changes.contains(&"D /usr/lib/a".to_owned()), "{changes:?}");
    assert!(changes.contains(&"C /usr/lib/b".to_owned()), "{changes:?}");
    assert!(names(&container.layer()).contains(&"usr/lib/.wh..wh..opq".to_owned()));
}

#[test]
fn a_layer_made_from_a_container_brings_its_tree_back() {
    let container = Container::new();
    fs::write(container.path("etc/passwd"), "changed").unwrap();
    fs::remove_dir_all(container.path("usr")).unwrap();
    fs::create_dir_all(container.path("usr/lib")).unwrap();
    fs::write(container.path("usr/lib/new"), "new").unwrap();
    fs::remove_file(container.path("srv/page")).unwrap();
    fs::hard_link(container.path("usr/lib/new"), container.path("alias")).unwrap();
    set_xattr(&container.path("usr/lib/new"), "user.note", b"kept");
    std::os::unix::fs::chown(container.path("var"), Some(8), Some(9)).unwrap();
    fs::set_permissions(
        container.path("usr/lib/new"),
        fs::Permissions::from_mode(0o6755),
    )
    .unwrap();
    std::os::unix::net::UnixListener::bind(container.path("socket")).unwrap();
    let layer = container.layer();
    assert_eq!(layer, container.layer(), "the same bytes every time");
    let mut before = tree(&container.root.path(), false);
    assert!(before.remove("socket").is_some(), "a socket is in no layer");

    for format in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let mut packed = Compressor::new(Vec::new(), format, None).unwrap();
        packed.write_all(&layer).unwrap();
        let (packed, written) = packed.finish().unwrap();
        let again = place();
        let applied = apply_to(&packed, again.path()).unwrap();
        assert_eq!(
            (applied.diff_id, applied.compression),
            (written.diff_id, format)
        );
        assert!(applied.unsettled.is_empty());
        let mut layers = container.layers.clone();
        layers.push(again.path().to_owned());
        assert_eq!(tree(&Overlay::new(&layers, None).path(), false), before);
    }
}

#[test]
fn a_copy_out_has_the_names_docker_gives_it() {
    let container = Container::new();
    let copy = |path: &str, rebase: Option<&str>| {
        let options = PackOptions {
            rebase: rebase.map(Into::into),
            ..PackOptions::default()
        };
        names(&pack(container.root.fd(), Path::new(path), Vec::new(), &options).unwrap())
    };
    assert_eq!(copy("/usr/lib", None), ["lib/", "lib/a", "lib/b"]);
    assert_eq!(copy("/usr/lib/", None), ["lib/", "lib/a", "lib/b"]);
    assert_eq!(copy("usr/lib/.", None), ["./", "./a", "./b"]);
    assert_eq!(copy("/usr/lib/a", Some("other")), ["other"]);
    assert_eq!(copy("/usr/lib", Some("x")), ["x/", "x/a", "x/b"]);
    assert_eq!(copy("/run", None), ["run"], "the link itself");
    let all = copy("/", None);
    assert!(
        all.starts_with(&["etc/".into(), "etc/passwd".into(), "run".into()]),
        "{all:?}"
    );
    let missing = pack(
        container.root.fd(),
        Path::new("/none"),
        std::io::sink(),
        &PackOptions::default(),
    );
    assert!(matches!(missing, Err(Error::NotFound { .. })));
    let exclude = PackOptions {
        exclude: vec!["/usr/lib".into()],
        ..PackOptions::default()
    };
    let export = names(&pack(container.root.fd(), Path::new("/"), Vec::new(), &exclude).unwrap());
    assert!(export.contains(&"usr/lib/".into()) && !export.contains(&"usr/lib/a".into()));
}

#[test]
fn a_path_is_looked_at_as_the_api_tells_it() {
    let container = Container::new();
    let look = |path: &str| stat(container.root.fd(), Path::new(path));
    let page = look("/srv/page").unwrap();
    assert_eq!(
        (page.name.to_str(), page.size, page.mode & 0o777),
        (Some("page"), 8, 0o644)
    );
    let link = look("/run").unwrap();
    assert_eq!(
        (link.link_target.to_str(), go_file_mode(link.mode) >> 27),
        (Some("/var/run"), 1)
    );
    assert!(
        matches!(look("/run/"), Err(Error::NotFound { .. })),
        "the link leads nowhere"
    );
    fs::create_dir(container.path("var/run")).unwrap();
    assert_eq!(go_file_mode(look("/run/").unwrap().mode), (1 << 31) | 0o755);
    assert_eq!(look("/").unwrap().name, "/");
    assert!(
        matches!(look("/etc/group"), Err(Error::NotFound { .. })),
        "deleted by a layer"
    );
    assert!(matches!(look("/srv/page/x"), Err(Error::NotFound { .. })));
}

#[test]
fn everything_an_entry_can_say_survives_being_written_and_read() {
    let long = "d/".repeat(150) + "name";
    let entries = [
        Entry {
            uid: u32::MAX,
            gid: 3_000_000,
            mode: 0o7777,
            ..Entry::file(long.as_str(), 5)
        },
        Entry {
            mtime: Time {
                seconds: -2,
                nanoseconds: 7,
            },
            ..directory("old/")
        },
        Entry {
            mtime: Time {
                seconds: 1 << 40,
                nanoseconds: 0,
            },
            ..directory("far/")
        },
        Entry {
            atime: Some(Time {
                seconds: 9,
                nanoseconds: 1,
            }),
            ..symlink("l", &"x".repeat(300))
        },
        Entry {
            xattrs: vec![(b"user.a".to_vec(), b"\n\0=".to_vec())],
            ..Entry::file("x", 0)
        },
        Entry::new(
            "tty",
            EntryKind::CharDevice {
                major: 4095,
                minor: 1_000_000,
            },
        ),
        Entry {
            sparse: Some(vec![(512, 512), (1 << 40, 2)]),
            ..Entry::file("sparse", 1 << 41)
        },
        Entry {
            sparse: Some((0..300).map(|n| (n * 1024, 512)).collect()),
            ..Entry::file("many", 1 << 20)
        },
        Entry::file("größe \u{1f980}", 1),
    ];
    let mut writer = corten_archive::tar::Writer::new(Vec::new());
    for entry in &entries {
        writer.append(entry, &b"hello".repeat(40_000)[..]).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let limits = corten_archive::Limits {
        total_bytes: 1 << 50,
        ..Default::default()
    };
    let mut reader = Reader::new(BufReader::new(&bytes[..]), limits);
    for entry in &entries {
        let found = reader.next_entry().unwrap().unwrap();
        assert_eq!(&found, entry);
        assert_eq!(
            reader.read_all(1 << 20).unwrap().len() as u64,
            entry.stored_bytes()
        );
    }
    assert_eq!(reader.next_entry().unwrap(), None);
}
