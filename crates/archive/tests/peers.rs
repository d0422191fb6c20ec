//! The same archives read by GNU tar and Python's tarfile, as judges.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{apply_to, directory, file, hard_link, symlink, tree};
use corten_archive::tar::{Entry, EntryKind, Reader, Time, Writer};
use std::{
    fs::{self, File},
    io::{BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

/// A tree that needs every feature of the format.
fn sample(root: &Path) {
    fs::create_dir_all(root.join("d/e")).unwrap();
    fs::write(root.join("d/file"), "content").unwrap();
    fs::hard_link(root.join("d/file"), root.join("hard")).unwrap();
    std::os::unix::fs::symlink("d/file", root.join("link")).unwrap();
    let long = root.join("n".repeat(120)).join("m".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("deep"), "deep").unwrap();
    std::os::unix::fs::symlink("t".repeat(180), root.join("long-link")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    use std::os::unix::fs::FileExt;
    sparse.write_all_at(b"one", 0).unwrap();
    for part in 1..60_u64 {
        sparse.write_all_at(b"more", part << 16).unwrap();
    }
    sparse.set_len(5 << 20).unwrap();
    std::os::unix::fs::chown(root.join("d/e"), Some(3_000_000), Some(2_999_999)).unwrap();
    fs::set_permissions(root.join("d/e"), fs::Permissions::from_mode(0o3751)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
    File::open(root.join("d/file"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    common::set_xattr(&root.join("d/file"), "user.note", b"bin\0ary\n");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
}

/// An ordinary file system: a tree in memory has no holes that GNU tar finds.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn gnu_tar(arguments: &[&str], directory: &Path) -> Vec<u8> {
    let output = Command::new("tar")
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test]
fn whatever_gnu_tar_writes_unpacks_as_it_was() {
    let source = on_disk();
    sample(source.path());
    let xattrs = &["--xattrs", "--xattrs-include=*"][..];
    let formats: [(&str, &[&str], bool); 6] = [
        ("gnu", &[], false),
        ("gnu sparse", &["--sparse"], false),
        ("posix", xattrs, true),
        (
            "posix sparse 0.0",
            &["--sparse", "--sparse-version=0.0"],
            true,
        ),
        (
            "posix sparse 0.1",
            &["--sparse", "--sparse-version=0.1"],
            true,
        ),
        (
            "posix sparse 1.0",
            &["--sparse", "--sparse-version=1.0"],
            true,
        ),
    ];
    for (name, more, fine) in formats {
        let format = if fine {
            "--format=posix"
        } else {
            "--format=gnu"
        };
        let arguments = [&["-c", format, "--numeric-owner"], more, &["."]].concat();
        let bytes = gnu_tar(&arguments, source.path());
        let target = on_disk();
        let applied = apply_to(&bytes, target.path()).unwrap();
        assert!(applied.has_root && applied.unsettled.is_empty(), "{name}");
        let (mut expected, mut found) = (tree(source.path(), fine), tree(target.path(), fine));
        if more != xattrs {
            for text in expected.values_mut().chain(found.values_mut()) {
                *text = text.split(" user.note").next().unwrap().to_owned();
            }
            // The names of one file follow the note.
            let alias = |text: &String| text.contains("content");
            expected.retain(|_, text| !alias(text));
            found.retain(|_, text| !alias(text));
        }
        for (path, text) in &expected {
            assert_eq!(found.get(path), Some(text), "{name}: {path}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

/// Every kind of entry in our own writing.
fn ours() -> Vec<u8> {
    let entries = [
        directory("d/"),
        Entry {
            mtime: Time {
                seconds: 1_700_000_000,
                nanoseconds: 5_000,
            },
            ..Entry::file("d/f", 7)
        },
        Entry {
            uid: 4_000_000_000,
            gid: 1 << 22,
            mode: 0o6755,
            ..file(&("long/".repeat(60) + "name"))
        },
        hard_link("hard", "d/f"),
        symlink("link", &"target/".repeat(40)),
        Entry {
            sparse: Some(vec![(4096, 512), (1 << 20, 4)]),
            ..Entry::file("sparse", 2 << 20)
        },
        Entry {
            xattrs: vec![(b"user.note".to_vec(), b"n\0\n".to_vec())],
            ..Entry::file("noted", 7)
        },
        Entry {
            mode: 0o640,
            ..Entry::new("pipe", EntryKind::Fifo)
        },
        Entry::file("zero", 0),
    ];
    let mut writer = Writer::new(Vec::new());
    for entry in &entries {
        writer.append(entry, &b"content"[..]).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn gnu_tar_unpacks_what_we_write_as_we_do() {
    let bytes = ours();
    let (theirs, mine) = (on_disk(), on_disk());
    let mut tar = Command::new("tar")
        .args([
            "-xp",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--warning=no-timestamp",
        ])
        .current_dir(theirs.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    tar.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(tar.wait().unwrap().success());
    apply_to(&bytes, mine.path()).unwrap();
    // Directories without an entry get the time of unpacking.
    let strip = |root: &Path| {
        let mut found = tree(root, true);
        found.retain(|path, _| !path.starts_with("long") || path.ends_with("name"));
        found
    };
    assert_eq!(strip(theirs.path()), strip(mine.path()));
}

/// Lists an archive as Python sees it, in the words of `listed`.
const PYTHON: &str = r#"
import sys, tarfile
for m in tarfile.open(fileobj=sys.stdin.buffer, mode="r|"):
    kind = {b"1": "hard", b"2": "link", b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo"}.get(m.type, "file")
    size = m.size if kind == "file" else 0
    print(m.name.rstrip("/"), kind, m.linkname if kind in ("hard", "link") else "-", oct(m.mode & 0o7777)[2:], m.uid, m.gid, size, int(m.mtime // 1))
"#;

fn listed(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(BufReader::new(bytes), Default::default());
    let mut lines = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let kind = match entry.kind {
            EntryKind::Regular => "file",
            EntryKind::HardLink => "hard",
            EntryKind::Symlink => "link",
            EntryKind::CharDevice { .. } => "char",
            EntryKind::BlockDevice { .. } => "block",
            EntryKind::Directory => "dir",
            EntryKind::Fifo => "fifo",
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (name, link) = (text(&entry.path), text(&entry.link));
        let link = if link.is_empty() { "-" } else { &link };
        lines.push(format!(
            "{} {kind} {link} {:o} {} {} {} {}",
            name.trim_end_matches('/'),
            entry.mode,
            entry.uid,
            entry.gid,
            entry.size,
            entry.mtime.seconds
        ));
    }
    lines
}

#[test]
fn python_lists_the_same_entries() {
    let source = on_disk();
    sample(source.path());
    let mut archives = vec![ours()];
    for arguments in [
        &["-c", "--format=gnu", "."][..],
        &["-c", "--format=gnu", "--sparse", "."],
        &["-c", "--format=posix", "--sparse", "."],
        &[
            "-c",
            "--format=ustar",
            "d",
            "hard",
            "link",
            "pipe",
            "--owner=0",
            "--group=0",
        ],
        &[
            "-c",
            "--format=v7",
            "d",
            "hard",
            "link",
            "--owner=0",
            "--group=0",
        ],
    ] {
        archives.push(gnu_tar(arguments, source.path()));
    }
    for bytes in archives {
        let script = on_disk();
        let script = script.path().join("list.py");
        fs::write(&script, PYTHON).unwrap();
        let mut python = Command::new("python3")
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = python.stdin.take().unwrap();
        let sent = bytes.clone();
        let sender = std::thread::spawn(move || input.write_all(&sent));
        let output = python.wait_with_output().unwrap();
        sender.join().unwrap().unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        assert_eq!(listed(&bytes), theirs.lines().collect::<Vec<_>>());
    }
}
