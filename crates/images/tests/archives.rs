//! Images loaded from tars and saved to them.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer, listen, odd_layer, through_links};
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
    assert_eq!(
        other.counts(),
        (1, 2),
        "a configuration; files instead of blobs"
    );
}

/// An image as it stands in an archive of dockerd's.
struct Dockers<'a> {
    made: &'a Made,
    tars: &'a [Vec<u8>],
    /// In the order of their names.
    tags: &'a [&'a str],
}

/// What `docker save` of dockerd 28.5 writes of images, byte for byte but for the files of
/// Docker 1.9 and earlier (a JSON document beside each layer): recorded from its archives.
fn dockerd_archive(images: &[Dockers<'_>]) -> Vec<(String, Vec<u8>)> {
    let kind = "application/vnd.oci.image";
    let mut blobs = std::collections::BTreeMap::new();
    let mut blob = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        let path = format!("blobs/sha256/{}", digest.hex());
        blobs.insert(path.clone(), bytes.to_vec());
        (digest, path)
    };
    let (mut index, mut docker) = (Vec::new(), Vec::new());
    let mut repositories: std::collections::BTreeMap<&str, Vec<String>> = Default::default();
    for image in images {
        let config = &image.made.config;
        let (id, config_path) = blob(config);
        let (mut layers, mut paths, mut sources) = (Vec::new(), Vec::new(), Vec::new());
        for tar in image.tars {
            let (digest, path) = blob(tar);
            let (kind, size) = (format!("{kind}.layer.v1.tar"), tar.len());
            layers.push(format!(
                r#"{{"mediaType":"{kind}","digest":"{digest}","size":{size}}}"#
            ));
            paths.push(format!("{path:?}"));
            sources.push(format!(
                r#""{digest}":{{"mediaType":"{kind}","size":{size},"digest":"{digest}"}}"#
            ));
        }
        sources.sort();
        sources.dedup();
        let (layers, paths, sources) = (layers.join(","), paths.join(","), sources.join(","));
        let size = config.len();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{kind}.manifest.v1+json","config":{{"mediaType":"{kind}.config.v1+json","digest":"{id}","size":{size}}},"layers":[{layers}]}}"#
        );
        let (digest, _) = blob(manifest.as_bytes());
        let size = manifest.len();
        let top = Digest::of(image.tars.last().unwrap());
        for name in image.tags {
            let (repository, tag) = name.split_once(':').unwrap();
            let whole = match repository.contains('.') {
                true => (*name).to_owned(),
                false => format!("docker.io/library/{name}"),
            };
            index.push(format!(
                r#"{{"mediaType":"{kind}.manifest.v1+json","digest":"{digest}","size":{size},"annotations":{{"io.containerd.image.name":"{whole}","org.opencontainers.image.ref.name":"{tag}"}}}}"#
            ));
            let tags = repositories.entry(repository).or_default();
            tags.push(format!(r#""{tag}":"{}""#, top.hex()));
            tags.sort();
        }
        let tags: Vec<String> = image.tags.iter().map(|tag| format!("{tag:?}")).collect();
        let tags = tags.join(",");
        docker.push(format!(
            r#"{{"Config":"{config_path}","RepoTags":[{tags}],"Layers":[{paths}],"LayerSources":{{{sources}}}}}"#
        ));
    }
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}.index.v1+json","manifests":[{}]}}"#,
        index.join(",")
    );
    let repositories: Vec<String> = repositories
        .iter()
        .map(|(name, tags)| format!("{name:?}:{{{}}}", tags.join(",")))
        .collect();
    let mut members: Vec<(String, Vec<u8>)> = blobs.into_iter().collect();
    members.extend([
        ("index.json".to_owned(), index.into_bytes()),
        (
            "manifest.json".to_owned(),
            format!("[{}]\n", docker.join(",")).into_bytes(),
        ),
        (
            "oci-layout".to_owned(),
            br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec(),
        ),
        (
            "repositories".to_owned(),
            format!("{{{}}}\n", repositories.join(",")).into_bytes(),
        ),
    ]);
    members
}

fn tar_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Writer::new(Vec::new());
    for (name, bytes) in members {
        tar.append_bytes(&Entry::file(name.as_str(), bytes.len() as u64), bytes)
            .unwrap();
    }
    tar.finish().unwrap()
}

fn members_of(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut reader = corten_archive::tar::Reader::new(tar, Default::default());
    let mut members = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let bytes = reader.read_all(u64::MAX).unwrap();
        if entry.kind == EntryKind::Regular {
            let name = String::from_utf8_lossy(&entry.path).into_owned();
            members.push((name, bytes));
        }
    }
    members.sort();
    members
}

/// What comes from dockerd goes back as it came: every document and every layer the same to
/// the byte, and so every digest and every image's ID.
#[tokio::test(flavor = "multi_thread")]
async fn what_dockerd_saved_is_saved_again_byte_for_byte() {
    let base = layer(&[("etc/", b""), ("etc/name", b"base")]);
    let large = layer(&[("large", &[7; 3 << 20]), ("long/", b"")]);
    let odd = odd_layer("dev/null", EntryKind::Symlink, "../zero");
    let gone = layer(&[("etc/.wh.name", b""), ("long/.wh..wh..opq", b"")]);
    let empty = layer(&[]);
    let trees: Vec<Vec<Vec<u8>>> = vec![
        vec![base.clone()],
        vec![base.clone(), large.clone()],
        vec![base.clone(), large, odd.clone(), gone],
        // The same layer twice, and one without anything in it.
        vec![odd.clone(), empty.clone(), base.clone(), empty],
        vec![odd, base],
    ];
    let tags: [&[&str]; 5] = [
        &["app:1", "app:latest"],
        &["app:2"],
        &["reg.example.io/team/app:v1", "tool:x"],
        &["twice:1"],
        &["zero:1"],
    ];
    let made: Vec<Made> = trees.iter().map(|tars| Made::new(tars)).collect();
    let all: Vec<Dockers<'_>> = made
        .iter()
        .zip(&trees)
        .zip(tags)
        .map(|((made, tars), tags)| Dockers { made, tars, tags })
        .collect();
    let single = all.chunks(1);
    for images in single.chain([&all[..]]) {
        let members = dockerd_archive(images);
        let root = Root::new().await;
        let (loaded, _) = load(&root, tar_of(&members)).await.unwrap();
        let ids: Vec<Digest> = images.iter().map(|image| image.made.id()).collect();
        let told: Vec<Digest> = loaded.images.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(told, ids);
        let names: Vec<String> = images
            .iter()
            .flat_map(|image| image.tags.iter().map(|tag| (*tag).to_owned()))
            .collect();
        let path = root.directory.path().join("saved.tar");
        let file = tokio::fs::File::create(&path).await.unwrap();
        root.images.save(&names, None, file).await.unwrap();
        let saved = members_of(&std::fs::read(&path).unwrap());
        for ((name, ours), (other, theirs)) in saved.iter().zip(&members) {
            assert_eq!(name, other);
            let text = String::from_utf8_lossy;
            assert!(
                ours == theirs,
                "{name}: {} instead of {}",
                text(ours),
                text(theirs)
            );
        }
        assert_eq!(saved.len(), members.len());
    }
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
