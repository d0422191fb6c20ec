//! Images whose bytes or files were damaged on disk, found and mended.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer, listen, through_links};
use corten_images::{Config, ImageUser, ImportRequest, ProgressSender, Verified, VerifyRequest};
use corten_oci::Digest;
use corten_testkit::Registry;
use std::{fs, path::PathBuf};

fn layers() -> [Vec<u8>; 2] {
    [
        layer(&[("etc/", b""), ("etc/name", b"lower"), ("only-lower", b"1")]),
        // Without an entry for the directory: settled on the layer below.
        layer(&[("etc/name", b"upper")]),
    ]
}

fn keeping_blobs() -> Config {
    Config {
        keep_layer_blobs: true,
        ..Config::default()
    }
}

/// An image of two layers, pulled.
struct Pulled {
    registry: Registry,
    made: Made,
    name: String,
    root: Root,
}

impl Pulled {
    /// Its layers are files and what is recorded of their tars.
    async fn new() -> Self {
        Self::of(&layers(), Config::default()).await
    }

    /// Their blobs are kept, too.
    async fn with_blobs() -> Self {
        Self::of(&layers(), keeping_blobs()).await
    }

    async fn of(tars: &[Vec<u8>], config: Config) -> Self {
        let registry = Registry::start();
        let made = Made::new(tars);
        let name = format!("{}/app:v1", registry.address());
        made.push(&name).await;
        let root = Root::with(config).await;
        root.pull(&name).await.unwrap();
        Self {
            registry,
            made,
            name,
            root,
        }
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        let blobs = self.root.directory.path().join("content/blobs/sha256");
        blobs.join(digest.hex())
    }

    fn file(&self, path: &str) -> PathBuf {
        let image = self.root.images.resolve(&self.name).unwrap();
        let directories = self.root.rooms.layers.directories(image.layers()).unwrap();
        let mut found = directories.iter().map(|layer| layer.join(path));
        found.find(|path| path.exists()).unwrap()
    }

    async fn verify(&self, repair: bool) -> (Verified, Vec<String>) {
        verify(&self.root, repair, &[]).await
    }

    /// Finds the damage, mends it, and finds none afterwards.
    async fn is_mended(&self, sentence: &str) {
        let (found, lines) = self.verify(false).await;
        let told = lines
            .iter()
            .any(|line| line.contains("Damaged: ") && line.contains(sentence));
        assert!(
            told && found.damaged >= 1,
            "{sentence}: {found:?} {lines:#?}"
        );
        let (found, lines) = self.verify(true).await;
        assert_eq!(found.damaged, found.repaired, "{sentence}: {lines:#?}");
        let (found, lines) = self.verify(false).await;
        assert_eq!(found.damaged, 0, "{sentence}: {lines:#?}");
        assert_eq!(self.root.file(&self.name, "etc/name").unwrap(), b"upper");
        assert_eq!(self.root.file(&self.name, "only-lower").unwrap(), b"1");
    }
}

async fn verify(root: &Root, repair: bool, users: &[ImageUser]) -> (Verified, Vec<String>) {
    let request = VerifyRequest {
        repair,
        ..VerifyRequest::default()
    };
    let work = |progress| async move { root.images.verify(request, users, &progress).await };
    let (found, lines) = listen(work).await;
    (found.unwrap(), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_whole_is_told_so() {
    let whole = Verified {
        images: 1,
        layers: 2,
        ..Verified::default()
    };
    for config in [Config::default(), keeping_blobs()] {
        let pulled = Pulled::of(&layers(), config).await;
        let (found, lines) = pulled.verify(false).await;
        assert_eq!(found, whole, "{lines:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_reach_through_lower_links_are_pulled_and_whole() {
    let pulled = Pulled::of(&through_links(), Config::default()).await;
    pulled.root.has_files_through_links(&pulled.name);
    let (found, lines) = pulled.verify(false).await;
    assert_eq!((found.layers, found.damaged), (4, 0), "{lines:#?}");
    fs::write(pulled.file("alias"), "else").unwrap();
    let (found, lines) = pulled.verify(true).await;
    assert_eq!((found.damaged, found.repaired), (1, 1), "{lines:#?}");
    pulled.root.has_files_through_links(&pulled.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_unpacked_anew() {
    let pulled = Pulled::with_blobs().await;
    let time = fs::metadata(pulled.file("etc/name"))
        .unwrap()
        .modified()
        .unwrap();
    let damaged = fs::File::create(pulled.file("etc/name")).unwrap();
    // A file that a power cut left empty, with its time as it was.
    damaged.set_modified(time).unwrap();
    pulled.is_mended("/etc/name has other contents").await;
    fs::remove_file(pulled.file("only-lower")).unwrap();
    pulled.is_mended("/only-lower is missing").await;
    fs::write(pulled.file("etc").join("more"), "").unwrap();
    pulled.is_mended("/etc/more does not belong there").await;
    let record = pulled.file("etc").join("../../layer.json");
    fs::write(record, "").unwrap();
    pulled.is_mended("reading the record").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_blob_are_mended_by_the_registry() {
    type Damage = fn(&Pulled);
    let damages: &[(&str, Damage)] = &[
        ("only-lower", |pulled| {
            fs::write(pulled.file("only-lower"), "").unwrap();
        }),
        ("they give the layer sha256:", |pulled| {
            fs::write(pulled.file("only-lower"), "2").unwrap();
        }),
        ("only-lower", |pulled| {
            fs::remove_file(pulled.file("only-lower")).unwrap();
        }),
        ("is missing", |pulled| {
            fs::write(pulled.file("../layer.json"), "").unwrap();
        }),
        ("tar-split", |pulled| {
            fs::remove_file(pulled.file("../tar-split.zst")).unwrap();
        }),
    ];
    for (sentence, damage) in damages {
        let pulled = Pulled::new().await;
        assert!(!pulled.blob(&Digest::of(&pulled.made.layers[0])).exists());
        damage(&pulled);
        pulled.is_mended(sentence).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_modes_of_files_without_a_blob_are_mended_without_a_registry() {
    let Pulled {
        registry,
        root,
        name,
        ..
    } = Pulled::new().await;
    drop(registry);
    let image = root.images.resolve(&name).unwrap();
    let lower = || root.rooms.layers.directories(image.layers()).unwrap()[1].clone();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4777);
    fs::set_permissions(lower().join("only-lower"), mode).unwrap();
    fs::write(lower().join("more"), "").unwrap();
    let (found, lines) = verify(&root, true, &[]).await;
    assert_eq!((found.damaged, found.repaired), (1, 1), "{lines:#?}");
    let (found, lines) = verify(&root, false, &[]).await;
    assert_eq!(found.damaged, 0, "{lines:#?}");
    assert!(!lower().join("more").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_blobs_and_documents_come_from_the_registry_again() {
    let pulled = Pulled::with_blobs().await;
    let blob = Digest::of(&pulled.made.layers[1]);
    let path = pulled.blob(&blob);
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, &flipped).unwrap();
    pulled.is_mended("its bytes have the digest").await;
    fs::write(&path, b"").unwrap();
    pulled.is_mended("it has 0 bytes instead of").await;
    assert_eq!(fs::read(&path).unwrap(), whole);
    // The files give its bytes, too.
    fs::remove_file(&path).unwrap();
    assert_eq!(pulled.verify(false).await.0.damaged, 0);
    fs::write(pulled.blob(&pulled.made.id()), b"{}").unwrap();
    pulled.is_mended("configuration: ").await;
    fs::write(pulled.blob(&Digest::of(&pulled.made.manifest)), b"").unwrap();
    pulled.is_mended("manifest: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_stays_where_the_registry_is_gone_or_a_container_runs() {
    let pulled = Pulled::with_blobs().await;
    fs::write(pulled.file("only-lower"), "2").unwrap();
    let user = ImageUser {
        container_id: "web".into(),
        image: pulled.made.id(),
        running: true,
    };
    let (found, lines) = verify(&pulled.root, true, &[user]).await;
    assert_eq!((found.damaged, found.repaired), (1, 0), "{lines:#?}");
    assert_eq!(fs::read(pulled.file("only-lower")).unwrap(), b"2");
    pulled.is_mended("/only-lower has other contents").await;

    let Pulled {
        registry,
        made,
        root,
        ..
    } = pulled;
    let blob = Digest::of(&made.layers[0]);
    let path = root.directory.path().join("content/blobs/sha256");
    fs::write(path.join(blob.hex()), "").unwrap();
    drop(registry);
    let (found, lines) = verify(&root, true, &[]).await;
    assert_eq!((found.damaged, found.repaired), (1, 0), "{lines:#?}");
    let told = lines.iter().any(|line| line.contains("not repaired: "));
    assert!(told, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_fetches_lost_layers_of_an_image_again() {
    let pulled = Pulled::with_blobs().await;
    let blob = pulled.blob(&Digest::of(&pulled.made.layers[0]));
    fs::write(&blob, b"").unwrap();
    pulled.root.pull(&pulled.name).await.unwrap();
    let (found, lines) = pulled.verify(false).await;
    assert_eq!(found.damaged, 0, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_configuration_is_lost_is_pulled_again() {
    let pulled = Pulled::new().await;
    fs::write(pulled.blob(&pulled.made.id()), b"").unwrap();
    let Pulled {
        registry: _registry,
        name,
        root,
        ..
    } = pulled;
    let root = root.reopened().await;
    assert!(root.images.resolve(&name).is_err());
    let (found, lines) = verify(&root, false, &[]).await;
    assert_eq!((found.damaged, found.repaired), (1, 0), "{lines:#?}");
    let (found, lines) = verify(&root, true, &[]).await;
    assert_eq!((found.damaged, found.repaired), (1, 1), "{lines:#?}");
    assert_eq!(root.file(&name, "etc/name").unwrap(), b"upper");
    let (found, lines) = verify(&root, false, &[]).await;
    assert_eq!((found.images, found.damaged), (1, 0), "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_blob_of_an_image_made_here_is_made_again_of_its_files() {
    let root = Root::with(keeping_blobs()).await;
    // As our own writer makes it: its files give its bytes.
    let tree = tempfile::tempdir().unwrap();
    fs::create_dir(tree.path().join("etc")).unwrap();
    fs::write(tree.path().join("etc/name"), "x".repeat(10_000)).unwrap();
    let directory = fs::File::open(tree.path()).unwrap();
    let fd = std::os::fd::AsFd::as_fd(&directory);
    let tar = corten_archive::diff(fd, Vec::new(), &Default::default()).unwrap();
    let request = ImportRequest {
        reference: Some("made:here".parse().unwrap()),
        ..ImportRequest::default()
    };
    let tar = std::io::Cursor::new(tar);
    let id = root
        .images
        .import(request, tar, &ProgressSender::none())
        .await
        .unwrap();
    let blobs = root.directory.path().join("content/blobs/sha256");
    for entry in fs::read_dir(&blobs).unwrap() {
        let path = entry.unwrap().path();
        fs::write(path, b"damaged").unwrap();
    }
    let (found, lines) = verify(&root, true, &[]).await;
    assert_eq!((found.damaged, found.repaired), (2, 2), "{lines:#?}");
    let (found, lines) = verify(&root, false, &[]).await;
    assert_eq!(found.damaged, 0, "{lines:#?}");
    assert_eq!(root.images.resolve("made:here").unwrap().id, id);
}
