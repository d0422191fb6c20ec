//! Hostile archives: whatever they say, nothing outside the root is touched.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Arena, apply_to, archive, directory, file, hard_link, symlink, tree};
use corten_archive::{
    ApplyOptions, Error, ExtractOptions, Limit, Limits, apply, extract,
    tar::{Entry, EntryKind, Reader},
};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    io::{BufReader, Cursor, Read},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::Path,
};

/// Unpacks both ways and looks at the canary after each.
fn contained(entries: &[Entry]) -> (Result<(), Error>, Result<(), Error>) {
    let bytes = archive(entries);
    let arena = Arena::new();
    let applied = apply_to(&bytes, &arena.root()).map(drop);
    arena.check();
    let arena = Arena::new();
    let root = File::open(arena.root()).unwrap();
    let options = ExtractOptions::default();
    let extracted = extract(Cursor::new(bytes), root.as_fd(), Path::new("/"), &options).map(drop);
    arena.check();
    (applied, extracted)
}

#[track_caller]
fn refused(entries: &[Entry], is_it: impl Fn(&Error) -> bool) {
    let (applied, extracted) = contained(entries);
    for error in [applied.unwrap_err(), extracted.unwrap_err()] {
        assert!(is_it(&error), "{error}");
    }
}

#[test]
fn names_that_climb_out_are_refused() {
    for name in [
        "../canary/file",
        "a/../../canary/file",
        "/../canary/file",
        "..",
        "./..",
    ] {
        refused(&[file(name)], |error| matches!(error, Error::Escape { .. }));
        refused(&[directory(name)], |error| {
            matches!(error, Error::Escape { .. })
        });
        refused(&[hard_link("x", name)], |error| {
            matches!(error, Error::Escape { .. })
        });
    }
}

#[test]
fn absolute_names_and_links_stay_inside_the_root() {
    // CVE-2014-6407: a link out, then a write through it.
    for target in [
        "/canary",
        "../canary",
        "../../../../../canary",
        "/../canary",
    ] {
        let (applied, extracted) = contained(&[
            symlink("out", target),
            file("out/file"),
            file("/etc/passwd"),
        ]);
        applied.unwrap();
        extracted.unwrap();
    }
}

#[test]
fn a_link_inside_the_root_is_followed_inside_the_root() {
    let arena = Arena::new();
    let entries = [symlink("out", "/canary"), file("out/file"), file("/abs")];
    apply_to(&archive(&entries), &arena.root()).unwrap();
    let found = tree(&arena.root(), false);
    assert!(
        found.contains_key("canary/file") && found.contains_key("abs"),
        "{found:?}"
    );
    assert_eq!(found["out"], "777 0:0 -> /canary");
}

#[test]
fn modes_owners_and_times_never_go_through_a_link() {
    // CVE-2021-32760, CVE-2026-33056.
    let canary = Arena::new();
    let target = canary.canary();
    let link = symlink("x", target.to_str().unwrap());
    let entries = [
        link,
        Entry {
            mode: 0o777,
            uid: 9,
            ..directory("x")
        },
    ];
    let root = canary.root();
    apply_to(&archive(&entries), &root).unwrap();
    canary.check();
    let stat = root.join("x").symlink_metadata().unwrap();
    assert!(stat.is_dir() && stat.uid() == 9);
    let again = [
        symlink("y", target.join("file").to_str().unwrap()),
        Entry {
            mode: 0o4777,
            uid: 9,
            ..file("y")
        },
        Entry {
            uid: 9,
            ..symlink("z", target.to_str().unwrap())
        },
    ];
    apply_to(&archive(&again), &root).unwrap();
    canary.check();
}

#[test]
fn hard_links_to_what_lies_outside_are_never_made() {
    let arena = Arena::new();
    let entries = [symlink("out", "../canary"), hard_link("x", "out/file")];
    let applied = apply_to(&archive(&entries), &arena.root()).unwrap();
    assert!(
        !applied.unsettled.is_empty(),
        "the link stands for a lower layer's file"
    );
    arena.check();
    refused(&[hard_link("x", "x/../../canary/file")], |error| {
        matches!(error, Error::Escape { .. })
    });
}

#[test]
fn whiteouts_that_name_nothing_or_too_much_are_refused() {
    for name in [".wh.", "d/.wh.", ".wh..", ".wh...", ".wh.x/y", ".wh./x"] {
        let arena = Arena::new();
        let error = apply_to(&archive(&[file(name)]), &arena.root()).unwrap_err();
        assert!(matches!(error, Error::Whiteout { .. }), "{name}: {error}");
        arena.check();
    }
}

#[test]
fn an_opaque_mark_or_a_whiteout_behind_a_link_stays_in_the_root() {
    for (target, mark) in [
        ("../canary", "l/.wh..wh..opq"),
        ("../canary", "l/.wh.file"),
        ("/", "l/.wh..wh..opq"),
        ("..", "l/.wh.canary"),
    ] {
        let arena = Arena::new();
        // It may be refused, as long as nothing outside changes.
        let _ = apply_to(&archive(&[symlink("l", target), file(mark)]), &arena.root());
        arena.check();
    }
}

#[test]
fn overlay_attributes_of_an_archive_are_dropped_and_others_kept() {
    let capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    let xattrs = vec![
        (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"trusted.overlay.redirect".to_vec(), b"/etc".to_vec()),
        (b"user.overlay.opaque".to_vec(), b"y".to_vec()),
        (b"user.note".to_vec(), b"kept".to_vec()),
    ];
    let mut tool = Entry {
        xattrs: xattrs.clone(),
        ..file("tool")
    };
    tool.xattrs
        .push((b"security.capability".to_vec(), capability.clone()));
    let arena = Arena::new();
    let entries = [
        Entry {
            xattrs,
            ..directory("d")
        },
        tool,
    ];
    apply_to(&archive(&entries), &arena.root()).unwrap();
    let found = tree(&arena.root(), false);
    assert_eq!(
        found["d"],
        format!("755 0:0 directory user.note={:?}", b"kept")
    );
    assert!(found["tool"].contains(&format!("security.capability={capability:?}")));
    assert!(!found["tool"].contains("overlay"));
}

#[test]
fn a_device_is_made_as_docker_makes_it_and_one_with_number_zero_only_hides() {
    let device = |name: &str, major, minor| Entry {
        mode: 0o666,
        ..Entry::new(name, EntryKind::CharDevice { major, minor })
    };
    let arena = Arena::new();
    let pipe = Entry {
        mode: 0o622,
        ..Entry::new("pipe", EntryKind::Fifo)
    };
    let applied = apply_to(
        &archive(&[device("null", 1, 3), device("gone", 0, 0), pipe]),
        &arena.root(),
    );
    applied.unwrap();
    let found = tree(&arena.root(), false);
    assert_eq!(found["null"], "666 0:0 device 103");
    assert_eq!(found["gone"], "0 0:0 device 0");
    assert_eq!(found["pipe"], "622 0:0 special");
}

fn limited(limits: Limits, bytes: Vec<u8>) -> Result<(), Error> {
    let arena = Arena::new();
    let root = File::open(arena.root()).unwrap();
    apply(Cursor::new(bytes), root.as_fd(), &ApplyOptions { limits }).map(drop)
}

fn over(result: Result<(), Error>) -> Limit {
    match result {
        Err(Error::OverLimit { limit, .. }) => limit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_budget_stops_the_archive_that_goes_over_it() {
    let few = |entries| Limits {
        entries,
        ..Limits::default()
    };
    let three = archive(&[file("a"), file("b"), file("c")]);
    assert!(limited(few(3), three.clone()).is_ok());
    assert_eq!(over(limited(few(2), three)), Limit::Entries);
    let deep = archive(&[directory(&"d/".repeat(600))]);
    assert_eq!(over(limited(Limits::default(), deep)), Limit::PathDepth);
    let long = archive(&[file(&"n".repeat(1 << 20))]);
    assert!(matches!(
        over(limited(Limits::default(), long)),
        Limit::PathBytes | Limit::HeaderBytes
    ));
    let xattrs = (0..20)
        .map(|n| (format!("user.{n}").into_bytes(), vec![0; 60_000]))
        .collect();
    let heavy = archive(&[Entry {
        xattrs,
        ..file("x")
    }]);
    let limits = Limits {
        header_bytes: 8 << 20,
        ..Limits::default()
    };
    assert_eq!(over(limited(limits, heavy)), Limit::XattrBytes);
    let through = archive(&[symlink("a", "b"), symlink("b", "a"), file("a/x")]);
    assert_eq!(
        over(limited(Limits::default(), through)),
        Limit::SymlinksFollowed
    );
    let floor = Limits {
        free_floor_bytes: u64::MAX,
        ..Limits::default()
    };
    let error = limited(floor, archive(&[Entry::file("f", 0), file("g")])).unwrap_err();
    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
}

#[test]
fn a_bomb_is_stopped_by_the_byte_budget() {
    let small = Limits {
        total_bytes: 1 << 20,
        ..Limits::default()
    };
    // An honest file that is too large, a sparse one that only says so, and a stream of
    // zero bytes behind the end mark.
    let mut writer = corten_archive::tar::Writer::new(Vec::new());
    writer
        .append(&Entry::file("f", 2 << 20), std::io::repeat(0))
        .unwrap();
    assert_eq!(
        over(limited(small.clone(), writer.finish().unwrap())),
        Limit::TotalBytes
    );
    let sparse = Entry {
        sparse: Some(Vec::new()),
        ..Entry::file("f", 8 << 60)
    };
    let mut writer = corten_archive::tar::Writer::new(Vec::new());
    writer.append(&sparse, std::io::empty()).unwrap();
    assert_eq!(
        over(limited(Limits::default(), writer.finish().unwrap())),
        Limit::TotalBytes
    );
    let endless = Cursor::new(archive(&[file("f")])).chain(std::io::repeat(0).take(1 << 30));
    let mut packed = Vec::new();
    let arena = Arena::new();
    let root = File::open(arena.root()).unwrap();
    let options = ApplyOptions { limits: small };
    let result = apply(endless, root.as_fd(), &options).map(drop);
    assert_eq!(over(result), Limit::TotalBytes);
    // The same compressed: 10 MB of zero bytes in 10 KB.
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::best());
    std::io::copy(&mut std::io::repeat(0).take(10 << 20), &mut encoder).unwrap();
    drop(encoder);
    let result = apply(Cursor::new(packed), root.as_fd(), &options).map(drop);
    assert_eq!(over(result), Limit::TotalBytes);
}

#[test]
fn packed_streams_that_cost_more_than_they_bring_are_refused_or_cheap() {
    let unpack = |bytes: Vec<u8>| limited(Limits::default(), bytes);
    // zstd with a window of 2 GiB (RFC 8878 § 3.1.1.1.2): exponent 21, one raw block.
    let content = archive(&[file("f")]);
    let frame = |window: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        let block = (content.len() as u32) << 3 | 1;
        frame.extend_from_slice(&block.to_le_bytes()[..3]);
        frame.extend_from_slice(&content);
        frame
    };
    unpack(frame(10 << 3)).unwrap();
    assert!(unpack(frame(21 << 3)).is_err());
    // A hundred thousand empty gzip members before the archive.
    let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let mut members = empty.finish().unwrap().repeat(100_000);
    let mut last = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut last, &content).unwrap();
    members.extend(last.finish().unwrap());
    let begun = std::time::Instant::now();
    unpack(members).unwrap();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

/// Entries with a header changed after the checksum was made right again.
fn patched(entry: &Entry, patch: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = archive(std::slice::from_ref(entry));
    patch(&mut bytes[..512]);
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|&byte| u32::from(byte)).sum();
    bytes[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    bytes
}

#[test]
fn headers_on_which_readers_disagree_are_refused() {
    let size = |bytes: &mut [u8]| bytes[124..136].copy_from_slice(b"00000001000\0");
    let cases = [
        ("data after a directory", patched(&directory("d"), size)),
        ("data after a link", patched(&symlink("l", "x"), size)),
        (
            "a negative size",
            patched(&file("f"), |b| b[124..136].fill(0xff)),
        ),
        (
            "a size past 2^63",
            patched(&file("f"), |b| {
                b[124..136].fill(0xff);
                b[124] = 0x80;
            }),
        ),
        ("an unknown type", patched(&file("f"), |b| b[156] = b'Q')),
        (
            "a link without a target",
            patched(&file("f"), |b| b[156] = b'2'),
        ),
        (
            "a user past 2^32",
            patched(&file("f"), |b| {
                b[108..116].copy_from_slice(&[0x80, 0, 0, 1, 0, 0, 0, 0]);
            }),
        ),
    ];
    for (what, bytes) in cases {
        let arena = Arena::new();
        let error = apply_to(&bytes, &arena.root()).unwrap_err();
        assert!(
            matches!(error, Error::Malformed { .. } | Error::OverLimit { .. }),
            "{what}: {error}"
        );
    }
    let mut lone = archive(&[file("a")]);
    lone.splice(1024..1024, [0; 512]);
    lone.extend(archive(&[file("b")]));
    lone.drain(1536..2560);
    let arena = Arena::new();
    assert!(matches!(
        apply_to(&lone, &arena.root()),
        Err(Error::Malformed { .. })
    ));
    let cut = archive(&[file("a")]);
    for length in [513, 700, 511] {
        assert!(
            apply_to(&cut[..length], &arena.root()).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn replacing_directories_is_refused_where_docker_refuses_it() {
    let arena = Arena::new();
    fs::create_dir_all(arena.root().join("srv/dir")).unwrap();
    fs::write(arena.root().join("srv/file"), "").unwrap();
    let root = File::open(arena.root()).unwrap();
    let strict = ExtractOptions {
        no_overwrite_dir_non_dir: true,
        ..ExtractOptions::default()
    };
    let put = |entry: Entry| {
        let bytes = archive(&[entry]);
        extract(Cursor::new(bytes), root.as_fd(), Path::new("/srv"), &strict)
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        put(file("dir")).unwrap_err(),
        "cannot overwrite directory \"/srv/dir\" with non-directory \"/srv\""
    );
    assert_eq!(
        put(directory("file")).unwrap_err(),
        "cannot overwrite non-directory \"/srv/file\" with directory \"/srv\""
    );
    put(directory("dir")).unwrap();
    put(file("file")).unwrap();
}

#[test]
fn copying_to_what_is_no_directory_is_refused_and_links_on_the_way_are_followed() {
    let arena = Arena::new();
    fs::create_dir_all(arena.root().join("usr/share")).unwrap();
    fs::write(arena.root().join("file"), "").unwrap();
    std::os::unix::fs::symlink("/usr/share", arena.root().join("share")).unwrap();
    let root = File::open(arena.root()).unwrap();
    let put = |path: &str| {
        let options = ExtractOptions {
            owner: Some(corten_archive::Owner { uid: 5, gid: 6 }),
            ..ExtractOptions::default()
        };
        extract(
            Cursor::new(archive(&[file("a/b")])),
            root.as_fd(),
            Path::new(path),
            &options,
        )
    };
    assert_eq!(put("/share").unwrap().entries, 1);
    let stat = fs::metadata(arena.root().join("usr/share/a/b")).unwrap();
    assert_eq!((stat.uid(), stat.gid()), (5, 6));
    assert_eq!(
        fs::metadata(arena.root().join("usr/share/a"))
            .unwrap()
            .uid(),
        5
    );
    assert!(matches!(put("/file"), Err(Error::NotADirectory)));
    assert!(matches!(put("/none"), Err(Error::NotFound { .. })));
    assert!(put("/../../..").is_ok(), "the root's parent is the root");
    arena.check();
}

#[test]
fn nothing_leaves_the_root_while_somebody_swaps_directories_for_links() {
    let arena = Arena::new();
    let (root, canary) = (arena.root(), arena.canary());
    fs::create_dir(root.join("dir")).unwrap();
    std::os::unix::fs::symlink(&canary, root.join("link")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let bytes = archive(&[
        file("dir/dir/new"),
        Entry {
            uid: 7,
            ..directory("dir")
        },
        hard_link("hard", "dir/file"),
    ]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (root.join("dir"), root.join("link"));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                let _ = rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &one,
                    rustix::fs::CWD,
                    &other,
                    flags,
                );
            }
        });
        let directory = File::open(&root).unwrap();
        for _ in 0..2000 {
            let options = ExtractOptions::default();
            // It may fail, as long as nothing outside changes.
            let _ = extract(
                Cursor::new(bytes.clone()),
                directory.as_fd(),
                Path::new("/"),
                &options,
            );
            let _ = corten_archive::pack(
                directory.as_fd(),
                Path::new("/dir/file"),
                std::io::sink(),
                &Default::default(),
            )
            .map(|_| panic!("the canary's file was read"));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    arena.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic_and_never_leave_the_root(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let arena = Arena::new();
        let _ = apply_to(&bytes, &arena.root());
        arena.check();
        let mut reader = Reader::new(BufReader::new(&bytes[..]), Limits::default());
        while let Ok(Some(_)) = reader.next_entry() {}
    }

    #[test]
    fn damaged_archives_never_panic_and_never_leave_the_root(
        damage in prop::collection::vec((0_usize..6000, any::<u8>()), 1..12),
        repair in any::<bool>(),
    ) {
        let mut bytes = archive(&[
            directory("d"), file("d/f"), symlink("l", "../canary"), hard_link("h", "d/f"),
            file(&"long".repeat(60)), Entry { sparse: Some(vec![(512, 5)]), ..Entry::file("s", 4096) },
            file("l/x"), file("d/.wh.f"), file("../x"),
        ][..8]);
        for (at, byte) in damage {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        if repair {
            // Right checksums let the damage through to what lies behind them.
            for block in bytes.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
                block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
            }
        }
        let arena = Arena::new();
        let _ = apply_to(&bytes, &arena.root());
        arena.check();
    }
}
