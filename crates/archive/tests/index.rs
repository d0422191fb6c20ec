//! A layer mounted from its tar must look as if it had been unpacked, and what cannot be
//! kept so must be said.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{apply_to, archive, directory, file, hard_link, symlink, tree};
use corten_archive::{
    Applied, ApplyOptions, Compression, Compressor, Error, Indexed, Unfit, compare, index,
    tar::{Entry, EntryKind, Time, Writer},
};
use corten_sys::mount::{Parameter, new_filesystem};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    io::{Cursor, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

/// A layer in both forms.
struct Both {
    directory: tempfile::TempDir,
    unpacked: Applied,
    indexed: Applied,
    mount: OwnedFd,
}

impl Both {
    fn new(bytes: &[u8]) -> Result<Self, Unfit> {
        // The kernel does not mount files that lie in memory.
        let directory = tempfile::tempdir().unwrap();
        let (applied, image) = match into(bytes, directory.path()) {
            Ok(Indexed::Image(applied, image)) => (applied, image),
            Ok(Indexed::Unpacked(_, reason)) => return Err(reason),
            Err(_) => return Err(Unfit::Unusual),
        };
        let name = |name: &str| directory.path().join(name);
        fs::write(name("image"), image).unwrap();
        let text = |name: PathBuf| name.to_str().unwrap().to_owned();
        let device = Parameter::Text("device".into(), text(name("tar")));
        let mount = new_filesystem("erofs", Some(&name("image")), &[device], 1).unwrap();
        fs::create_dir(name("other")).unwrap();
        assert_eq!(fs::read_dir(name("root")).unwrap().count(), 0);
        Ok(Self {
            unpacked: apply_to(bytes, &name("other")).unwrap(),
            indexed: *applied,
            mount,
            directory,
        })
    }

    #[track_caller]
    fn check(&self) {
        let mounted = PathBuf::from(format!("/proc/self/fd/{}/.", self.mount.as_raw_fd()));
        let root = self.directory.path().join("other");
        let times = |path: &Path| {
            let mut tree = tree(path, true);
            // A whiteout's time says nothing.
            tree.retain(|_, text| !text.contains("device 0"));
            tree
        };
        assert_eq!(times(&mounted), times(&root));
        assert_eq!(tree(&mounted, false), tree(&root, false));
        let open = |path| File::open(path).unwrap();
        let (found, expected) = (open(&mounted), open(&root));
        assert_eq!(compare(found.as_fd(), expected.as_fd()).unwrap(), None);
        let facts = |applied: &Applied| {
            (
                applied.diff_id.clone(),
                applied.uncompressed_bytes,
                applied.size_bytes,
                applied.entries,
                applied.has_root,
                applied.root_opaque,
                applied.skipped_xattrs,
            )
        };
        assert_eq!(facts(&self.indexed), facts(&self.unpacked));
        assert!(self.unpacked.unsettled.is_empty());
    }
}

fn into(bytes: &[u8], directory: &Path) -> Result<Indexed, Error> {
    let mut options = File::options();
    let options = options.create_new(true).read(true).write(true);
    let tar = options.open(directory.join("tar")).unwrap();
    fs::create_dir(directory.join("root")).unwrap();
    let root = File::open(directory.join("root")).unwrap();
    let bytes = Cursor::new(bytes.to_vec());
    index(bytes, &tar, root.as_fd(), &ApplyOptions::default())
}

#[track_caller]
fn same(entries: &[Entry]) {
    Both::new(&archive(entries)).unwrap().check();
}

#[test]
fn a_layer_with_everything_looks_mounted_as_it_does_unpacked() {
    let time = |seconds| Time {
        seconds,
        nanoseconds: 123_456_789,
    };
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let note = |value: &[u8]| vec![(b"user.note".to_vec(), value.to_vec())];
    let device = |name: &str, kind| Entry {
        mode: 0o660,
        gid: 6,
        ..Entry::new(name, kind)
    };
    let long = "n".repeat(255);
    same(&[
        Entry {
            mode: 0o1777,
            uid: 3_000_000,
            gid: 2_999_999,
            mtime: time(1_600_000_000),
            xattrs: note(b"root"),
            ..directory("./")
        },
        Entry {
            mode: 0o2755,
            xattrs: note(&[0; 2000]),
            ..directory("d/")
        },
        Entry {
            mode: 0o4755,
            mtime: time(-5),
            xattrs: vec![
                (b"security.capability".to_vec(), capability.to_vec()),
                (b"user.note".to_vec(), b"bin\0ary".to_vec()),
                (b"trusted.overlay.redirect".to_vec(), b"/".to_vec()),
                (b"unknown.name".to_vec(), b"x".to_vec()),
            ],
            ..file("d/file")
        },
        hard_link("d/second", "d/file"),
        hard_link("third", "./d/second"),
        directory(&long),
        symlink(&format!("{long}/link"), &"t".repeat(300)),
        symlink("short", "d/file"),
        symlink(&format!("{long}/longest"), &"t".repeat(4000)),
        device("null", EntryKind::CharDevice { major: 1, minor: 3 }),
        device(
            "disk",
            EntryKind::BlockDevice {
                major: 259,
                minor: 700_000,
            },
        ),
        device("pipe", EntryKind::Fifo),
        file("d/.wh.gone"),
        file(".wh.also"),
        device("overlay", EntryKind::CharDevice { major: 0, minor: 0 }),
        directory("opaque/"),
        file("opaque/.wh.hidden"),
        file("opaque/.wh..wh..opq"),
        file("opaque/new"),
        file(".wh..wh.plnk"),
        directory("empty/"),
    ]);
}

#[test]
fn directories_of_any_size_are_found_in_whole() {
    for count in [0, 1, 14, 15, 16, 200, 3000] {
        let mut entries = vec![directory("d/")];
        entries.extend((0..count).map(|n| file(&format!("d/{}{n}", "x".repeat(n % 40)))));
        same(&entries);
    }
}

#[test]
fn files_of_any_length_have_their_bytes() {
    let mut writer = Writer::new(Vec::new());
    for length in [
        0_usize, 1, 511, 512, 513, 4095, 4096, 4097, 70_000, 3_000_000,
    ] {
        let bytes: Vec<u8> = (0..length).map(|n| (n * 31 / 7) as u8).collect();
        let entry = Entry::file(format!("f{length}"), 0);
        writer.append_bytes(&entry, &bytes).unwrap();
    }
    Both::new(&writer.finish().unwrap()).unwrap().check();
}

#[test]
fn an_opaque_root_and_a_compressed_stream_are_indexed_too() {
    let plain = archive(&[file(".wh..wh..opq"), file(".wh.gone"), file("new")]);
    let mut packed = Compressor::new(Vec::new(), Compression::Gzip, None).unwrap();
    packed.write_all(&plain).unwrap();
    let both = Both::new(&packed.finish().unwrap().0).unwrap();
    both.check();
    assert!(both.indexed.root_opaque);
    assert_eq!(both.indexed.compression, Compression::Gzip);
    assert_eq!(fs::read(both.directory.path().join("tar")).unwrap(), plain);
}

#[test]
fn what_depends_on_lower_layers_or_on_order_is_unpacked() {
    let sparse = Entry {
        sparse: Some(vec![(0, 512)]),
        ..Entry::file("sparse", 4096)
    };
    let acl = Entry {
        xattrs: vec![(b"system.posix_acl_access".to_vec(), vec![2, 0, 0, 0])],
        ..file("f")
    };
    for (entries, expected) in [
        (vec![file("a/b")], Unfit::Below),
        (vec![file("a/b"), directory("a/")], Unfit::Below),
        (vec![hard_link("a", "lower")], Unfit::Below),
        (vec![symlink("a", "b"), file("a/c")], Unfit::Unusual),
        (vec![file("a"), file("a")], Unfit::Twice),
        (vec![directory("a/"), directory("a/")], Unfit::Twice),
        (vec![file("a"), file(".wh.a")], Unfit::Twice),
        (vec![file(".wh.a"), directory("a/")], Unfit::Twice),
        (vec![file(".wh.a"), hard_link("b", "a")], Unfit::Unusual),
        (vec![file(".wh.a/b")], Unfit::Unusual),
        (vec![file(".wh.")], Unfit::Image(corten_erofs::Error::Name)),
        (vec![file("../a")], Unfit::Unusual),
        (vec![acl], Unfit::Unusual),
    ] {
        let mut entries = entries;
        entries.push(file("last"));
        unpacked(&archive(&entries), expected);
    }
    let mut writer = Writer::new(Vec::new());
    for n in 0..3000 {
        let entry = Entry::file(format!("f{n}"), 0);
        writer.append_bytes(&entry, &[n as u8; 3000]).unwrap();
    }
    writer.append(&sparse, &[1_u8; 512][..]).unwrap();
    writer.append_bytes(&file("last"), b"text").unwrap();
    unpacked(&writer.finish().unwrap(), Unfit::Sparse);
}

/// The layer is unpacked as if nobody had tried anything else.
#[track_caller]
fn unpacked(bytes: &[u8], expected: Unfit) {
    let (place, other) = (common::place(), common::place());
    let plain = apply_to(bytes, other.path());
    match (into(bytes, place.path()), plain) {
        (Ok(Indexed::Unpacked(applied, reason)), Ok(plain)) => {
            assert_eq!(reason, expected);
            assert_eq!(applied.diff_id, plain.diff_id);
            assert_eq!(applied.unsettled, plain.unsettled);
            assert_eq!(applied.entries, plain.entries);
            let root = place.path().join("root");
            assert_eq!(tree(&root, false), tree(other.path(), false));
        }
        (Err(error), Err(plain)) => assert_eq!(error.to_string(), plain.to_string()),
        (found, _) => panic!("{expected}: {found:?}"),
    }
}

#[test]
fn a_damaged_layer_is_refused_as_unpacking_refuses_it() {
    let bytes = archive(&[directory("d/"), file("d/f")]);
    let (place, other) = (common::place(), common::place());
    let error = into(&bytes[..700], place.path()).unwrap_err();
    let plain = apply_to(&bytes[..700], other.path()).unwrap_err();
    assert_eq!(error.to_string(), plain.to_string());
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]), 1..4)
        .prop_map(|words| words.join("/"))
}

fn entry() -> impl Strategy<Value = Entry> {
    let marked = |mark: &'static str| {
        move |path: String| {
            let at = path.rfind('/').map_or(0, |slash| slash + 1);
            file(&format!("{}{mark}{}", &path[..at], &path[at..]))
        }
    };
    prop_oneof![
        6 => (name(), 0_u32..8).prop_map(|(path, mode)| Entry { mode: 0o700 | mode, uid: mode, ..directory(&path) }),
        4 => name().prop_map(|path| file(&path)),
        1 => (name(), name()).prop_map(|(path, target)| symlink(&path, &target)),
        1 => (name(), name()).prop_map(|(path, target)| hard_link(&path, &target)),
        1 => name().prop_map(marked(".wh.")),
        1 => name().prop_map(|path| file(&format!("{path}/.wh..wh..opq"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150,
        max_global_rejects: 100_000,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_indexed_equals_what_is_unpacked(
        entries in prop::collection::vec(entry(), 1..12)
    ) {
        // Parents first, as layers have them: most are fit then.
        let mut entries = entries;
        entries.sort_by_key(|entry| entry.path.iter().filter(|byte| **byte == b'/').count());
        if let Ok(both) = Both::new(&archive(&entries)) {
            both.check();
        }
    }
}
