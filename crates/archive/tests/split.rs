//! A layer's tar put together again from its files must be the very bytes that came, and
//! where it cannot be, that must be said before anybody throws the bytes away.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{archive, directory, file, hard_link, place, set_xattr, symlink};
use corten_archive::{
    Applied, ApplyOptions, LowerView, Reassembled, apply_recording, settle,
    tar::{Entry, EntryKind, Writer},
};
use corten_oci::Digest;
use proptest::prelude::*;
use std::{
    fs::{self, File},
    io::{Cursor, Read, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::Command,
};

/// An unpacked layer and the record of its tar.
struct Kept {
    place: tempfile::TempDir,
    applied: Applied,
}

impl Kept {
    fn new(bytes: &[u8]) -> Self {
        let place = place();
        let name = |name| place.path().join(name);
        fs::create_dir(name("root")).unwrap();
        let root = File::open(name("root")).unwrap();
        let record = File::create_new(name("record")).unwrap();
        let options = ApplyOptions::default();
        let reader = Cursor::new(bytes.to_vec());
        let applied = apply_recording(reader, root.as_fd(), &options, record).unwrap();
        Self { place, applied }
    }

    fn root(&self, name: &str) -> PathBuf {
        self.place.path().join("root").join(name)
    }

    fn record(&self) -> PathBuf {
        self.place.path().join("record")
    }

    fn tar(&self) -> std::io::Result<Vec<u8>> {
        let open = |path: &Path| File::open(path).unwrap();
        let root = open(&self.root(""));
        let mut tar = Vec::new();
        Reassembled::open(open(&self.record()), root.into())
            .map_err(std::io::Error::other)?
            .read_to_end(&mut tar)?;
        Ok(tar)
    }

    #[track_caller]
    fn check(&self, bytes: &[u8]) {
        assert!(self.applied.recorded);
        let again = self.tar().unwrap();
        // Not compared as a whole: nobody reads megabytes of difference.
        assert_eq!(again.len(), bytes.len());
        assert_eq!(Digest::of(&again), self.applied.diff_id);
        assert!(again == bytes);
    }
}

/// A tree with one of everything, packed by GNU tar.
fn packed(format: &str) -> Vec<u8> {
    let place = place();
    let name = |name: &str| place.path().join(name);
    fs::create_dir_all(name("usr/share/doc")).unwrap();
    fs::create_dir_all(name("empty")).unwrap();
    let noise: Vec<u8> = (0..700_000_u32).flat_map(u32::to_le_bytes).collect();
    for (path, size) in [("big", 700_000 * 4), ("usr/odd", 513), ("usr/none", 0)] {
        fs::write(name(path), &noise[..size]).unwrap();
    }
    let long = format!("usr/share/doc/{}", "n".repeat(180));
    if format != "v7" {
        fs::write(name(&long), "a long name").unwrap();
    }
    fs::hard_link(name("big"), name("usr/second")).unwrap();
    std::os::unix::fs::symlink("../big", name("usr/link")).unwrap();
    if format == "posix" {
        set_xattr(&name("usr/odd"), "user.kind", b"odd");
    }
    let packed = Command::new("tar")
        .arg(format!("--format={format}"))
        .args(["--xattrs", "-c", "."])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(packed.status.success());
    packed.stdout
}

#[test]
fn what_gnu_tar_packs_is_had_again_to_the_byte() {
    for format in ["gnu", "oldgnu", "posix", "ustar", "v7"] {
        let bytes = packed(format);
        let kept = Kept::new(&bytes);
        kept.check(&bytes);
        // Or nothing would be gained.
        let record = fs::metadata(kept.record()).unwrap().len();
        assert!(record < 4000, "{format}: {record} bytes");
    }
}

#[test]
fn compression_padding_and_what_follows_the_end_do_not_matter() {
    let mut bytes = packed("posix");
    bytes.extend(b"anything at all".repeat(10_000));
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let kept = Kept::new(&gzip.finish().unwrap());
    kept.check(&bytes);
}

#[test]
fn whiteouts_devices_and_links_through_directories_are_had_again() {
    let bytes = archive(&[
        directory("etc/"),
        file("etc/.wh.gone"),
        directory("opt/"),
        file("opt/.wh..wh..opq"),
        file(".wh..wh.plnk"),
        Entry::new("etc/fifo", EntryKind::Fifo),
        Entry::new("etc/null", EntryKind::CharDevice { major: 1, minor: 3 }),
        symlink("lib", "opt"),
        Entry::file("lib/through", 11),
        file("./a/../a/b"),
        hard_link("etc/again", "opt/through"),
    ]);
    // The file has its name as content.
    let kept = Kept::new(&bytes);
    assert!(kept.root("opt/through").exists());
    kept.check(&bytes);
}

#[test]
fn a_layer_whose_files_do_not_have_all_of_its_tar_is_told() {
    let cases: &[(&str, &[Entry])] = &[
        ("a file twice", &[file("a"), file("a")]),
        ("a link after a file", &[file("a"), symlink("a", "b")]),
        ("a directory after a file", &[file("a"), directory("a/")]),
        (
            "a file after a full directory",
            &[directory("a/"), file("a/b"), file("a")],
        ),
        (
            "a link to a lower file",
            &[directory("a/"), hard_link("a/b", "c")],
        ),
    ];
    for (what, entries) in cases {
        let kept = Kept::new(&archive(entries));
        assert!(!kept.applied.recorded, "{what}");
    }
}

#[test]
fn a_sparse_file_is_had_again() {
    let mut sparse = Entry::file("holes", 10_000);
    sparse.sparse = Some(vec![(4096, 512), (9000, 1000)]);
    let mut writer = Writer::new(Vec::new());
    writer.append(&sparse, &[7_u8; 1512][..]).unwrap();
    let bytes = writer.finish().unwrap();
    Kept::new(&bytes).check(&bytes);
}

#[test]
fn a_layer_that_is_unpacked_anew_on_others_has_no_record() {
    let below = place();
    fs::create_dir(below.path().join("usr")).unwrap();
    std::os::unix::fs::symlink("usr", below.path().join("bin")).unwrap();
    let bytes = archive(&[file("bin/sh")]);
    let mut kept = Kept::new(&bytes);
    assert!(kept.applied.recorded);
    let root = File::open(kept.root("")).unwrap();
    let lower = LowerView::open(&[below.path()]).unwrap();
    let mut applied = kept.applied.clone();
    let again = || Ok::<_, corten_archive::Error>(Cursor::new(bytes.clone()));
    settle(
        root.as_fd(),
        &mut applied,
        &lower,
        &ApplyOptions::default(),
        again,
    )
    .unwrap();
    assert!(!applied.recorded);
    // On plain directories only attributes are copied, and the record stands.
    let plain = place();
    fs::create_dir(plain.path().join("bin")).unwrap();
    kept = Kept::new(&bytes);
    let root = File::open(kept.root("")).unwrap();
    let lower = LowerView::open(&[plain.path()]).unwrap();
    let again = || -> Result<Cursor<Vec<u8>>, corten_archive::Error> { unreachable!() };
    settle(
        root.as_fd(),
        &mut kept.applied,
        &lower,
        &ApplyOptions::default(),
        again,
    )
    .unwrap();
    kept.check(&bytes);
}

#[test]
fn files_that_were_changed_are_noticed() {
    let bytes = packed("gnu");
    type Damage = fn(&Path);
    let damages: &[(&str, Damage)] = &[
        ("missing", |path| fs::remove_file(path).unwrap()),
        ("short", |path| fs::write(path, "x").unwrap()),
        ("a pipe", |path| {
            fs::remove_file(path).unwrap();
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }),
        ("a link out", |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let kept = Kept::new(&bytes);
        damage(&kept.root("usr/odd"));
        let error = kept.tar().unwrap_err().to_string();
        assert!(error.contains("usr/odd"), "{what}: {error}");
    }
    let kept = Kept::new(&bytes);
    fs::write(kept.root("usr/odd"), [7; 513]).unwrap();
    assert_ne!(Digest::of(&kept.tar().unwrap()), kept.applied.diff_id);
}

#[test]
fn a_damaged_record_is_an_error_and_no_panic() {
    let kept = Kept::new(&packed("gnu"));
    let whole = fs::read(kept.record()).unwrap();
    for end in (0..whole.len()).step_by(37) {
        fs::write(kept.record(), &whole[..end]).unwrap();
        assert!(kept.tar().is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 0x55;
        fs::write(kept.record(), &other).unwrap();
        if let Ok(tar) = kept.tar() {
            let same = Digest::of(&tar) == kept.applied.diff_id;
            // Some bits of a zstd frame mean nothing.
            assert!(same || tar.len() < 10 << 20);
        }
    }
}

fn names() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(&["a", "b", "c", ".wh.a", "..", "."][..]),
        1..4,
    )
    .prop_map(|parts| parts.join("/"))
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (names(), names(), 0..5_u8).prop_map(|(name, target, kind)| match kind {
        0 | 1 => file(&name),
        2 => directory(&format!("{name}/")),
        3 => symlink(&name, &target),
        _ => hard_link(&name, &target),
    });
    prop::collection::vec(entry, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever a layer does to its own names: what is said to be recorded is had again.
    #[test]
    fn whatever_is_recorded_is_had_again(entries in entries()) {
        let bytes = archive(&entries);
        let place = place();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        let root = File::open(root).unwrap();
        let record = File::create_new(place.path().join("record")).unwrap();
        let options = ApplyOptions::default();
        let applied = apply_recording(Cursor::new(bytes.clone()), root.as_fd(), &options, record);
        if let Ok(applied) = applied && applied.recorded {
            let kept = Kept { place, applied };
            prop_assert!(kept.tar().unwrap() == bytes);
        }
    }
}
