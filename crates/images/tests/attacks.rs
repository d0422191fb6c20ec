//! Images that lead out of their layers, and many that fail at once.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer, odd_layer};
use corten_archive::tar::EntryKind;
use corten_testkit::Registry;

/// What lies outside of every root.
fn canary() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "of the host").unwrap();
    directory
}

#[track_caller]
fn is_untouched(canary: &tempfile::TempDir) {
    let names: Vec<_> = std::fs::read_dir(canary.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["file"]);
    let text = std::fs::read_to_string(canary.path().join("file")).unwrap();
    assert_eq!(text, "of the host");
}

/// CVE-2025-47290: layers are unpacked side by side, and one makes a link of the directory
/// that the next one writes to.
#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_makes_a_link_of_a_directory_leads_no_other_layer_out() {
    let registry = Registry::start();
    let canary = canary();
    let outside = canary.path().to_str().unwrap();
    let inside = outside.trim_start_matches('/');
    for (number, target) in [
        outside.to_owned(),
        format!("../../../../../../..{outside}"),
        format!("/proc/self/root{outside}"),
        format!("/proc/1/root{outside}"),
    ]
    .into_iter()
    .enumerate()
    {
        let tars = [
            layer(&[("dir/", b""), ("dir/own", b"first")]),
            odd_layer("dir", EntryKind::Symlink, &target),
            layer(&[("dir/file", b"broken"), ("dir/new", b"broken")]),
            odd_layer("hard", EntryKind::HardLink, "dir/file"),
            layer(&[("dir/deep/", b""), ("dir/deep/new", b"broken")]),
        ];
        let name = format!("{}/out:{number}", registry.address());
        Made::new(&tars).push(&name).await;
        let root = Root::new().await;
        // Twice at once, so that layers of both are unpacked at the same time.
        let pulls = (0..2).map(|_| root.pull(&name));
        let pulled = futures_util::future::join_all(pulls).await;
        is_untouched(&canary);
        if number < 2 {
            // The link leads to the image's own directory of that name.
            pulled.into_iter().for_each(|one| drop(one.unwrap()));
            assert_eq!(
                root.file(&name, &format!("{inside}/new")).unwrap(),
                b"broken"
            );
            assert_eq!(root.file(&name, "hard").unwrap(), b"broken");
        }
        assert!(!root.directory.path().join("layers/new").exists());
    }
}

/// CVE-2021-20291: pulls that fail in the middle of unpacking, a thousand at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pulls_that_fail_in_unpacking_hold_nothing_afterwards() {
    let registry = Registry::start();
    let root = Root::new().await;
    let shared = layer(&[("etc/", b""), ("etc/name", &[7; 100_000])]);
    let broken = layer(&[
        ("more/", b""),
        ("more/file", &[8; 100_000]),
        ("../out", b"x"),
    ]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.address());
    for tag in 0..8 {
        let own = layer(&[("own", format!("{tag}").as_bytes())]);
        let tars = [shared.clone(), own, broken.clone()];
        Made::new(&tars).push(&name(&tag.to_string())).await;
    }
    let pulls = (0..1000).map(|number| {
        let name = name(&(number % 8).to_string());
        let root = &root;
        async move { root.pull(&name).await }
    });
    for failed in futures_util::future::join_all(pulls).await {
        let error = failed.map(drop).unwrap_err();
        assert!(error.contains("failed to register layer"), "{error}");
    }
    assert_eq!(root.counts(), (0, 0), "nothing of them is held");
    // The same layers are free for others, and for going.
    Made::new(&[shared, layer(&[("good", b"x")])])
        .push(&name("good"))
        .await;
    let good = name("good");
    let pull = tokio::time::timeout(std::time::Duration::from_secs(10), root.pull(&good));
    pull.await.expect("no lock is left").unwrap();
    let options = corten_images::RemoveOptions {
        force: false,
        prune: true,
    };
    root.images.remove(&good, options, &[]).await.unwrap();
    assert_eq!(root.counts(), (0, 0));
}
