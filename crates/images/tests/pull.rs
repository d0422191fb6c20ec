//! Images pulled from Debian's docker-registry.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer};
use corten_oci::Digest;
use corten_testkit::Registry;

fn two_layers() -> Made {
    Made::new(&[
        layer(&[("etc/", b""), ("etc/name", b"lower"), ("only-lower", b"1")]),
        layer(&[("etc/", b""), ("etc/name", b"upper")]),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_has_its_files_its_names_and_dockers_lines() {
    let registry = Registry::start();
    let made = two_layers();
    let name = format!("{}/app:v1", registry.address());
    made.push(&name).await;
    let root = Root::new().await;
    let (pulled, lines) = root.pull(&name).await.unwrap();
    assert_eq!(pulled.images[0].1, made.id());
    let image = root.images.resolve(&name).unwrap();
    assert_eq!((image.id, image.size_bytes), (made.id(), 11));
    assert_eq!(root.file(&name, "etc/name").unwrap(), b"upper");
    assert_eq!(root.file(&name, "only-lower").unwrap(), b"1");

    let digest = Digest::of(&made.manifest);
    let first = Digest::of(&made.layers[0]).short().to_owned();
    assert_eq!(lines[0], "v1: Pulling from app");
    let of_first: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(&format!("{first}: ")))
        .collect();
    let words = [
        "Pulling fs layer",
        "Verifying Checksum",
        "Download complete",
        "Pull complete",
    ];
    assert_eq!(of_first, words);
    let end = [
        format!("Digest: {digest}"),
        format!("Status: Downloaded newer image for {name}"),
    ];
    assert_eq!(lines[lines.len() - 2..], end);

    let inspect = root.images.inspect(&name, None).unwrap();
    assert_eq!(inspect.repo_tags, std::slice::from_ref(&name));
    assert_eq!(
        inspect.repo_digests,
        [format!("{}/app@{digest}", registry.address())]
    );

    let (_, lines) = root.pull(&name).await.unwrap();
    let again = [
        "v1: Pulling from app".to_owned(),
        format!("Digest: {digest}"),
        format!("Status: Image is up to date for {name}"),
    ];
    assert_eq!(lines, again);

    let by_digest = format!("{}/app@{digest}", registry.address());
    root.pull(&by_digest).await.unwrap();
    let root = root.reopened().await;
    assert_eq!(root.images.resolve(&by_digest).unwrap().id, made.id());
    assert_eq!(root.file(&name, "etc/name").unwrap(), b"upper");
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_layers_are_fetched_once_and_kept_until_the_last_image_goes() {
    let registry = Registry::start();
    let base = layer(&[("base", b"base")]);
    let one = Made::new(&[base.clone(), layer(&[("one", b"1")])]);
    let two = Made::new(&[base, layer(&[("two", b"22")])]);
    let name = |tag: &str| format!("{}/app:{tag}", registry.address());
    one.push(&name("one")).await;
    two.push(&name("two")).await;
    let root = Root::new().await;
    root.pull(&name("one")).await.unwrap();
    let (_, lines) = root.pull(&name("two")).await.unwrap();
    let base = Digest::of(&one.layers[0]);
    assert!(
        lines.contains(&format!("{}: Already exists", base.short())),
        "{lines:?}"
    );
    assert_eq!(
        root.counts(),
        (4, 3),
        "two images: 2 configurations, 2 manifests; 3 layers"
    );

    let options = corten_images::RemoveOptions {
        force: false,
        prune: true,
    };
    let removed = root
        .images
        .remove(&name("one"), options, &[])
        .await
        .unwrap();
    assert_eq!(
        removed.len(),
        4,
        "two names, the image, its own layer: {removed:?}"
    );
    assert_eq!(root.file(&name("two"), "base").unwrap(), b"base");
    assert_eq!(root.counts(), (2, 2));
    root.images
        .remove(&name("two"), options, &[])
        .await
        .unwrap();
    assert_eq!(root.counts(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_pulls_of_one_image_all_succeed() {
    let registry = Registry::start();
    let made = two_layers();
    let name = format!("{}/app:v1", registry.address());
    made.push(&name).await;
    let root = Root::new().await;
    let pulls = (0..8).map(|_| root.pull(&name));
    for result in futures_util::future::join_all(pulls).await {
        assert_eq!(result.unwrap().0.images[0].1, made.id());
    }
    assert_eq!(root.counts(), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_get_dockers_sentence() {
    let registry = Registry::start();
    let root = Root::new().await;
    let name = format!("{}/nope:x", registry.address());
    let error = root.pull(&name).await.unwrap_err();
    assert_eq!(
        error,
        format!("manifest for {name} not found: manifest unknown: manifest unknown")
    );
    let error = root.pull("127.0.0.1:1/x:y").await.unwrap_err();
    let sentence =
        "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused";
    assert_eq!(error, sentence);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_hostile_images_are_refused_and_leave_nothing() {
    let registry = Registry::start();
    let root = Root::new().await;
    let good = layer(&[("file", b"x")]);
    let name = |tag: &str| format!("{}/bad:{tag}", registry.address());

    let wrong_diff = Made::with_config(
        Made::new(std::slice::from_ref(&good)).config,
        vec![common::gzip(&layer(&[("file", b"other")]))],
    );
    wrong_diff.push(&name("diff")).await;
    let outside = Made::new(&[layer(&[("../outside", b"x")])]);
    outside.push(&name("dotdot")).await;
    let fewer = Made::with_config(outside.config.clone(), Vec::new());
    fewer.push(&name("fewer")).await;
    let not_gzip = Made::with_config(
        Made::new(std::slice::from_ref(&good)).config,
        vec![b"garbage".to_vec()],
    );
    not_gzip.push(&name("garbage")).await;
    let cut = common::gzip(&good);
    let cut = Made::with_config(
        Made::new(&[good]).config,
        vec![cut[..cut.len() / 2].to_vec()],
    );
    cut.push(&name("cut")).await;
    for (tag, words) in [
        ("diff", "filesystem layer verification failed for digest"),
        ("dotdot", "failed to register layer"),
        (
            "fewer",
            "layers from manifest don't match image configuration",
        ),
        ("garbage", "failed to register layer"),
        ("cut", "failed to register layer"),
    ] {
        let error = root.pull(&name(tag)).await.unwrap_err();
        assert!(error.contains(words), "{tag}: {error}");
        assert!(root.images.resolve(&name(tag)).is_err());
    }
    assert_eq!(root.counts(), (0, 0));
    assert!(!root.directory.path().join("layers/outside").exists());

    // The registry's disk lies.
    let damaged = two_layers();
    damaged.push(&name("damaged")).await;
    let path = registry.blob_path(&Digest::of(&damaged.layers[0]).to_string());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();
    let error = root.pull(&name("damaged")).await.unwrap_err();
    let digest = Digest::of(&damaged.layers[0]);
    assert_eq!(
        error,
        format!("filesystem layer verification failed for digest {digest}")
    );
}

/// An index over images for two platforms.
async fn push_index(name: &str, entries: &[(&Made, &str)]) -> Digest {
    use corten_distribution::{Access, Registries};
    use corten_oci::{Descriptor, Index, media_type};
    let mut manifests = Vec::new();
    for (made, platform) in entries {
        let by_digest = format!("{}-{}", name, Digest::of(&made.manifest).short());
        made.push(&by_digest).await;
        let mut entry = Descriptor::of(media_type::DOCKER_MANIFEST, &made.manifest);
        entry.platform = Some(platform.parse().unwrap());
        manifests.push(entry);
    }
    let media_type = Some(media_type::OCI_INDEX.to_owned());
    let index = Index {
        schema_version: 2,
        media_type,
        manifests,
        annotations: None,
    };
    let bytes = serde_json::to_vec(&index).unwrap();
    let reference: corten_oci::Reference = name.parse().unwrap();
    let registries = Registries::new(Default::default()).unwrap();
    let repository = registries.repository(&reference, None, Access::Push).await;
    let tag = reference.tag().unwrap();
    repository
        .put_manifest(tag, media_type::OCI_INDEX, bytes.clone().into())
        .await
        .unwrap();
    Digest::of(&bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_image_for_this_machine_or_the_asked_platform_is_chosen() {
    let registry = Registry::start();
    let ours = Made::new(&[layer(&[("which", b"ours")])]);
    let theirs = Made::new(&[layer(&[("which", b"theirs")])]);
    let name = format!("{}/multi:v", registry.address());
    let host = corten_oci::Platform::host().to_string();
    let index = push_index(&name, &[(&theirs, "linux/s390x"), (&ours, &host)]).await;
    let root = Root::new().await;
    root.pull(&name).await.unwrap();
    assert_eq!(root.file(&name, "which").unwrap(), b"ours");
    let first = root.images.inspect(&name, None).unwrap();
    let digests = [format!("{}/multi@{index}", registry.address())];
    assert_eq!(first.repo_digests, digests);

    let pull = |platform: &str| {
        let request = corten_images::PullRequest {
            reference: name.parse().unwrap(),
            all_tags: false,
            platform: Some(platform.parse().unwrap()),
            keep_name: false,
            credentials: None,
        };
        common::listen(|progress| async { root.images.pull(request, &{ progress }).await })
    };
    let (result, lines) = pull("linux/s390x").await;
    result.unwrap();
    assert_eq!(root.file(&name, "which").unwrap(), b"theirs");
    // Tag and digest went over to it; the other one stays without a name.
    let second = root.images.inspect(&name, None).unwrap();
    assert_eq!(second.repo_digests, digests);
    let left = root.images.inspect(&first.image.id.to_string(), None);
    let left = left.unwrap();
    assert!(left.repo_tags.is_empty() && left.repo_digests.is_empty());
    // The test's configuration says amd64, whatever the index says.
    let last = lines.last().unwrap();
    assert!(last.starts_with("WARNING: image with reference"), "{last}");
    let error = pull("linux/ppc64le").await.0.unwrap_err().to_string();
    assert_eq!(
        error,
        "no matching manifest for linux/ppc64le in the manifest list entries"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_of_a_repository_come_with_one_request() {
    let registry = Registry::start();
    let made = two_layers();
    let repository = format!("{}/app", registry.address());
    for tag in ["a", "b"] {
        made.push(&format!("{repository}:{tag}")).await;
    }
    let root = Root::new().await;
    let request = corten_images::PullRequest {
        reference: repository.parse().unwrap(),
        all_tags: true,
        platform: None,
        keep_name: false,
        credentials: None,
    };
    let (result, lines) =
        common::listen(|progress| async { root.images.pull(request, &{ progress }).await }).await;
    assert_eq!(result.unwrap().images.len(), 2);
    let status = format!("Status: Downloaded newer image for {repository}");
    assert_eq!(lines.last(), Some(&status));
    let tags = root
        .images
        .inspect(&format!("{repository}:a"), None)
        .unwrap()
        .repo_tags;
    assert_eq!(tags, [format!("{repository}:a"), format!("{repository}:b")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_lean_on_those_below_show_what_docker_would_show() {
    use corten_archive::tar::{Entry, EntryKind, Writer};
    let registry = Registry::start();
    let lower = {
        let mut tar = Writer::new(Vec::new());
        let real = Entry {
            mode: 0o700,
            ..Entry::directory("real")
        };
        tar.append_bytes(&real, b"").unwrap();
        tar.append_bytes(&Entry::file("real/kept", 0), b"kept")
            .unwrap();
        let link = Entry {
            link: b"real".into(),
            ..Entry::new("alias", EntryKind::Symlink)
        };
        tar.append_bytes(&link, b"").unwrap();
        tar.finish().unwrap()
    };
    let upper = {
        let mut tar = Writer::new(Vec::new());
        // No entry for `real`, a path through the link below, and a link to a file below.
        tar.append_bytes(&Entry::file("real/new", 0), b"new")
            .unwrap();
        tar.append_bytes(&Entry::file("alias/through", 0), b"through")
            .unwrap();
        let link = Entry {
            link: b"real/kept".into(),
            ..Entry::new("hard", EntryKind::HardLink)
        };
        tar.append_bytes(&link, b"").unwrap();
        tar.finish().unwrap()
    };
    let name = format!("{}/lean:v", registry.address());
    Made::new(&[lower, upper]).push(&name).await;
    let root = Root::new().await;
    root.pull(&name).await.unwrap();
    assert_eq!(root.file(&name, "real/through").unwrap(), b"through");
    assert_eq!(root.file(&name, "hard").unwrap(), b"kept");
    let image = root.images.resolve(&name).unwrap();
    let directories = root.rooms.layers.directories(image.layers()).unwrap();
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(directories[0].join("real"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}
