//! Images loaded from tars and saved to them.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer, listen, through_links};
use corten_archive::tar::{Entry, EntryKind, Writer};
use corten_images::{LoadRequest, Loaded};
use corten_oci::Digest;
use corten_testkit::{program, run};

/// A `docker save` archive in the old shape: `<id>.json`, `<name>/layer.tar`.
fn docker_archive(config: &[u8], layers: &[(&str, Vec<u8>)], tags: &str) -> Vec<u8> {
    let mut tar = Writer::new(Vec::new());
    let mut put = |name: &str, bytes: &[u8]| {
        tar.append_bytes(&Entry::file(name, bytes.len() as u64), bytes)
            .unwrap();
    };
    let id = Digest::of(config);
    let mut members = Vec::new();
    for (name, bytes) in layers {
        put(name, bytes);
        members.push(format!("{name:?}"));
    }
    put(&format!("{}.json", id.hex()), config);
    let list = format!(
        r#"[{{"Config":"{}.json","RepoTags":{tags},"Layers":[{}]}}]"#,
        id.hex(),
        members.join(",")
    );
    put("manifest.json", list.as_bytes());
    tar.finish().unwrap()
}

async fn load(root: &Root, tar: Vec<u8>) -> Result<(Loaded, Vec<String>), String> {
    let (result, lines) = listen(|progress| async move {
        let tar = std::io::Cursor::new(tar);
        root.images
            .load(LoadRequest::default(), tar, &progress)
            .await
    })
    .await;
    result
        .map(|loaded| (loaded, lines))
        .map_err(|e| corten_base::error::chain(&e))
}

fn app() -> (Made, Vec<Vec<u8>>) {
    let tars = vec![
        layer(&[("etc/", b""), ("etc/name", b"lower")]),
        layer(&[
            ("etc/", b""),
            ("etc/name", b"upper"),
            ("large", &[7; 5 << 20]),
        ]),
    ];
    (Made::new(&tars), tars)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_loaded_can_be_saved_and_loaded_again_and_skopeo_reads_it() {
    let (made, tars) = app();
    let layers: Vec<(&str, Vec<u8>)> = ["a/layer.tar", "b/layer.tar"]
        .into_iter()
        .zip(tars.iter().cloned())
        .collect();
    let archive = docker_archive(&made.config, &layers, r#"["app:1","reg.io/app:2"]"#);
    let root = Root::new().await;
    let (loaded, lines) = load(&root, archive).await.unwrap();
    assert_eq!(loaded.images[0].0, made.id());
    assert_eq!(lines, ["Loaded image: app:1", "Loaded image: reg.io/app:2"]);
    assert_eq!(root.file("app:1", "etc/name").unwrap(), b"upper");
    assert_eq!(
        root.images.resolve("reg.io/app:2").unwrap().size_bytes,
        10 + (5 << 20)
    );

    let path = root.directory.path().join("saved.tar");
    let file = tokio::fs::File::create(&path).await.unwrap();
    let names = ["app:1".to_owned(), "reg.io/app:2".to_owned()];
    root.images.save(&names, None, file).await.unwrap();
    for form in ["docker-archive", "oci-archive"] {
        let source = match form {
            "docker-archive" => format!("docker-archive:{}:app:1", path.display()),
            _ => format!("oci-archive:{}:1", path.display()),
        };
        let config = run(&mut program(
            "skopeo",
            ["inspect", "--raw", "--config", &source],
        ));
        assert_eq!(config.ok().as_bytes(), made.config, "{form}");
    }

    let other = Root::new().await;
    let saved = std::fs::read(&path).unwrap();
    let (_, lines) = load(&other, saved.clone()).await.unwrap();
    assert_eq!(lines, ["Loaded image: app:1", "Loaded image: reg.io/app:2"]);
    assert_eq!(other.file("app:1", "etc/name").unwrap(), b"upper");
    assert_eq!(other.images.resolve("app:1").unwrap().id, made.id());
    // Once more: everything is here.
    let (_, again) = load(&other, common::gzip(&saved)).await.unwrap();
    assert_eq!(again, lines);
    assert_eq!(other.counts(), (3, 2), "two blobs and a configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_reach_through_lower_links_are_loaded() {
    let tars = through_links();
    let made = Made::new(&tars);
    let layers: Vec<(&str, Vec<u8>)> = ["a.tar", "b.tar", "c.tar", "d.tar"]
        .into_iter()
        .zip(tars)
        .collect();
    let root = Root::new().await;
    let archive = docker_archive(&made.config, &layers, r#"["app:1"]"#);
    load(&root, archive).await.unwrap();
    root.has_files_through_links("app:1");
    // The same layers on another one: unpacked from the blobs that are kept.
    let below = layer(&[("usr/", b""), ("usr/more", b"")]);
    let mut layers = layers;
    layers.insert(0, ("z.tar", below));
    let tars: Vec<Vec<u8>> = layers.iter().map(|(_, tar)| tar.clone()).collect();
    let archive = docker_archive(&Made::new(&tars).config, &layers, r#"["app:2"]"#);
    load(&root, archive).await.unwrap();
    root.has_files_through_links("app:2");
    root.has_files_through_links("app:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_images_of_several_platforms_come_and_go_in_one_zstd_archive() {
    let (made, tars) = app();
    let root = Root::new().await;
    let one = docker_archive(
        &made.config,
        &[("a.tar", tars[0].clone()), ("b.tar", tars[1].clone())],
        r#"["app:1"]"#,
    );
    load(&root, one).await.unwrap();
    let text = String::from_utf8(Made::new(&tars[..1]).config).unwrap();
    let foreign = text.replace("amd64", "arm64").into_bytes();
    let two = docker_archive(&foreign, &[("a.tar", tars[0].clone())], r#"["foreign:1"]"#);
    load(&root, two).await.unwrap();
    let path = root.directory.path().join("saved.tar");
    let file = tokio::fs::File::create(&path).await.unwrap();
    let names = ["app:1".to_owned(), "foreign:1".to_owned()];
    root.images.save(&names, None, file).await.unwrap();
    let packed = zstd::encode_all(&std::fs::read(&path).unwrap()[..], 1).unwrap();

    let other = Root::new().await;
    let (_, lines) = load(&other, packed.clone()).await.unwrap();
    assert_eq!(lines, ["Loaded image: app:1", "Loaded image: foreign:1"]);
    assert_eq!(other.images.resolve("app:1").unwrap().id, made.id());
    assert_eq!(
        other.images.resolve("foreign:1").unwrap().id,
        Digest::of(&foreign)
    );

    // Of one platform only.
    let third = Root::new().await;
    let request = LoadRequest {
        platform: Some("linux/arm64".parse().unwrap()),
        ..LoadRequest::default()
    };
    let tar = std::io::Cursor::new(packed);
    let (loaded, _) =
        listen(|progress| async move { third.images.load(request, tar, &progress).await }).await;
    let loaded = loaded.unwrap().images;
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].1[0].familiar(), "foreign:1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oci_layout_of_skopeo_is_loaded_with_its_compressed_layers() {
    let (made, tars) = app();
    let root = Root::new().await;
    let names = ["x/layer.tar", "y/layer.tar"];
    let layers: Vec<(&str, Vec<u8>)> = names.into_iter().zip(tars).collect();
    let archive = docker_archive(&made.config, &layers, r#"["app:1"]"#);
    let path = root.directory.path();
    std::fs::write(path.join("in.tar"), archive).unwrap();
    let source = format!("docker-archive:{}", path.join("in.tar").display());
    let target = format!(
        "oci-archive:{}:reg.io/app:oci",
        path.join("oci.tar").display()
    );
    run(&mut program(
        "skopeo",
        ["copy", "--insecure-policy", "-q", &source, &target],
    ))
    .ok();
    let tar = std::fs::read(path.join("oci.tar")).unwrap();
    let (_, lines) = load(&root, tar).await.unwrap();
    assert_eq!(lines, ["Loaded image: reg.io/app:oci"]);
    assert_eq!(root.file("reg.io/app:oci", "etc/name").unwrap(), b"upper");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_moves_is_told_and_the_old_image_keeps_its_id() {
    let root = Root::new().await;
    let first = layer(&[("file", b"1")]);
    let second = layer(&[("file", b"2")]);
    for (tar, expected) in [
        (first, None),
        (second, Some("The image app:1 already exists")),
    ] {
        let made = Made::new(std::slice::from_ref(&tar));
        let archive = docker_archive(&made.config, &[("l/layer.tar", tar)], r#"["app:1"]"#);
        let (_, lines) = load(&root, archive).await.unwrap();
        match expected {
            None => assert_eq!(lines, ["Loaded image: app:1"]),
            Some(start) => assert!(lines[0].starts_with(start), "{lines:?}"),
        }
    }
    let all = root.images.list(&Default::default()).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all.iter().filter(|one| one.repo_tags.is_empty()).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_hostile_archives_are_refused_and_leave_nothing() {
    let root = Root::new().await;
    let tar = layer(&[("file", b"x")]);
    let made = Made::new(std::slice::from_ref(&tar));
    let tar_of_layer = tar.clone();
    let good = docker_archive(
        &made.config,
        &[("l/layer.tar", tar.clone())],
        r#"["app:1"]"#,
    );
    let half = good[..good.len() / 2].to_vec();
    let other = layer(&[("file", b"other")]);
    let wrong = docker_archive(&made.config, &[("l/layer.tar", other)], r#"["app:1"]"#);
    let escaping = layer(&[("../../canary", b"x")]);
    let escape = Made::new(std::slice::from_ref(&escaping));
    let escape = docker_archive(&escape.config, &[("l/layer.tar", escaping)], r#"["app:1"]"#);
    let bad_name = docker_archive(
        &made.config,
        &[("l/layer.tar", tar.clone())],
        r#"["APP:1"]"#,
    );
    // Names of members that lead out of the archive are no members.
    let lead_out = |config: &str, layer: &str| {
        let mut tar = Writer::new(Vec::new());
        for (name, bytes) in [(config, &made.config), (layer, &tar_of_layer)] {
            tar.append_bytes(&Entry::file(name, 0), bytes).unwrap();
        }
        let list =
            format!(r#"[{{"Config":"{config}","RepoTags":["app:1"],"Layers":["{layer}"]}}]"#);
        tar.append_bytes(&Entry::file("manifest.json", 0), list.as_bytes())
            .unwrap();
        tar.finish().unwrap()
    };
    let up_config = lead_out("../../etc/config.json", "l/layer.tar");
    let up_layer = lead_out("config.json", "../../../etc/layer.tar");
    // A document that only says how large it is, and one that is.
    let document = |size: u64| {
        let mut tar = Writer::new(Vec::new());
        let entry = Entry::file("manifest.json", size);
        tar.append(&entry, std::io::repeat(b' ')).unwrap();
        tar.finish().unwrap()
    };
    let large = document(5 << 20);
    let mut claimed = document(0);
    claimed[124..136].copy_from_slice(b"200000000000");
    claimed[148..156].fill(b' ');
    let sum: u32 = claimed[..512].iter().map(|&byte| u32::from(byte)).sum();
    claimed[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let deep = {
        let mut tar = Writer::new(Vec::new());
        let text = "[".repeat(100_000);
        tar.append_bytes(&Entry::file("manifest.json", 0), text.as_bytes())
            .unwrap();
        tar.finish().unwrap()
    };
    let mut linked = Writer::new(Vec::new());
    let link = Entry {
        link: b"/etc/passwd".into(),
        ..Entry::new("l/layer.tar", EntryKind::Symlink)
    };
    linked.append_bytes(&link, b"").unwrap();
    let name = format!("{}.json", made.id().hex());
    linked
        .append_bytes(&Entry::file(name.as_str(), 0), &made.config)
        .unwrap();
    let list = format!(r#"[{{"Config":"{name}","RepoTags":["app:1"],"Layers":["l/layer.tar"]}}]"#);
    linked
        .append_bytes(&Entry::file("manifest.json", 0), list.as_bytes())
        .unwrap();
    let linked = linked.finish().unwrap();
    for (what, archive, words) in [
        ("cut", half, "unexpected EOF"),
        ("garbage", b"this is no tar at all".to_vec(), ""),
        (
            "empty",
            Vec::new(),
            "neither a manifest.json nor an index.json",
        ),
        ("wrong layer", wrong, "invalid diffID for layer 0"),
        ("escape", escape, "failed to register layer"),
        ("bad name", bad_name, "must be lowercase"),
        ("link", linked, "is missing"),
        ("configuration outside", up_config, "is missing"),
        ("layer outside", up_layer, "is missing"),
        ("document too large", large, ""),
        ("document that claims to be large", claimed, ""),
        ("document too deep", deep, ""),
    ] {
        let error = load(&root, archive).await.unwrap_err();
        assert!(error.contains(words), "{what}: {error}");
        assert!(root.images.resolve("app:1").is_err(), "{what}");
    }
    assert!(root.images.list(&Default::default()).unwrap().is_empty());
    let root = root.reopened().await;
    assert_eq!(
        root.counts(),
        (0, 0),
        "what failed loads left goes at the next start"
    );
}
