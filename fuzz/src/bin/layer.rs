//! Layers unpacked and settled in a directory beside a canary: whiteouts, links and names
//! lead nowhere else. Needs root.
#![no_main]

use corten_archive::{ApplyOptions, Error, LowerView, apply, settle};
use std::{fs::File, os::fd::AsFd, path::PathBuf, sync::OnceLock};

/// A directory of this process.
fn base() -> &'static PathBuf {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let base = std::env::temp_dir().join(format!("corten-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(base.join("lower/etc")).expect("a directory");
        std::fs::write(base.join("canary"), "sings").expect("a file");
        std::fs::write(base.join("lower/etc/file"), "lower").expect("a file");
        std::os::unix::fs::symlink("../../..", base.join("lower/up")).expect("a link");
        base
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let root = base().join("root");
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir(&root).expect("a directory");
    let directory = File::open(&root).expect("it is there");
    if let Ok(mut applied) = apply(bytes, directory.as_fd(), &ApplyOptions::default()) {
        let lower = LowerView::open(&[base().join("lower")]).expect("it is there");
        let again = || Ok::<_, Error>(bytes);
        let options = ApplyOptions::default();
        let _ = settle(directory.as_fd(), &mut applied, &lower, &options, again);
    }
    let names: Vec<_> = std::fs::read_dir(base())
        .expect("it is there")
        .map(|entry| entry.expect("a name").file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let sings = std::fs::read(base().join("canary")).expect("it is there");
    assert_eq!(sings, b"sings");
    let lower = std::fs::read(base().join("lower/etc/file")).expect("it is there");
    assert_eq!(lower, b"lower");
});
