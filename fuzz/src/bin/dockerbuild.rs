//! Bundles of builds (`.dockerbuild`): any bytes, any archive and any documents that name
//! each other are builds or an error, and builds are written and read to the same.
#![no_main]

use corten_client::build::bundle::{pack, unpack};
use corten_oci::Digest;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

/// Lines of an input that are documents; `@0` to `@9` in one stand for those before it.
const DOCUMENTS_MAX: usize = 11;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    read(&packed(bytes));
    read(&packed(&archive(bytes)));
});

fn read(bundle: &[u8]) {
    let Ok(builds) = unpack(bundle) else {
        return;
    };
    let written = pack(&builds, "linux/amd64").expect("builds can be written");
    let again = unpack(&written[..]).expect("our own bundle");
    assert_eq!(again, builds);
}

/// Compressed as little as can be, for speed.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::none());
    packer.write_all(bytes).expect("there is memory");
    packer.finish().expect("there is memory")
}

/// An archive of each line as a blob, the last as the index. A line with `!` before it is a lie:
/// the blob lacks the mark, which its digest counts.
fn archive(bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, path, bytes)
            .expect("there is memory");
    };
    let mut digests: Vec<String> = Vec::new();
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .take(DOCUMENTS_MAX)
        .peekable();
    while let Some(line) = lines.next() {
        let document = named(line, &digests);
        let digest = Digest::of(&document);
        let kept = document.strip_prefix(b"!").unwrap_or(&document);
        match lines.peek() {
            Some(_) => add(&format!("blobs/sha256/{}", digest.hex()), kept),
            None => add("index.json", kept),
        }
        digests.push(digest.to_string());
    }
    archive.into_inner().expect("there is memory")
}

/// The document with digests for the numbers of others.
fn named(line: &[u8], digests: &[String]) -> Vec<u8> {
    let mut document = Vec::new();
    let mut rest = line.iter();
    while let Some(byte) = rest.next() {
        let number = rest.as_slice().first().map(|it| it.wrapping_sub(b'0'));
        match number.and_then(|it| digests.get(usize::from(it))) {
            Some(digest) if *byte == b'@' => {
                document.extend_from_slice(digest.as_bytes());
                rest.next();
            }
            _ => document.push(*byte),
        }
    }
    document
}
