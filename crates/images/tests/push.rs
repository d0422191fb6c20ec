//! Images made here and pushed to Debian's docker-registry.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Made, Root, layer, listen};
use corten_base::Redacted;
use corten_images::{
    Annotations, ArtifactImage, ArtifactRequest, CommitRequest, Config, Credentials, ImportRequest,
    PushRequest, PushedArtifact,
};
use corten_oci::{Digest, Manifest, Reference, RunConfig};
use corten_testkit::{Registry, RegistryOptions, program, run};
use std::os::unix::fs::PermissionsExt;

async fn push(
    root: &Root,
    name: &str,
    credentials: Option<Credentials>,
) -> Result<Vec<String>, String> {
    let request = PushRequest {
        reference: name.parse().unwrap(),
        all_tags: false,
        platform: None,
        credentials,
    };
    let (result, lines) =
        listen(|progress| async move { root.images.push(request, &progress).await }).await;
    result
        .map(|()| lines)
        .map_err(|e| corten_base::error::chain(&e))
}

async fn import(root: &Root, tar: Vec<u8>, name: &str, changes: &[&str]) -> Result<Digest, String> {
    let request = ImportRequest {
        reference: Some(name.parse().unwrap()),
        changes: changes.iter().map(|c| (*c).to_owned()).collect(),
        ..ImportRequest::default()
    };
    let tar = std::io::Cursor::new(tar);
    let (result, lines) =
        listen(|progress| async move { root.images.import(request, tar, &progress).await }).await;
    if let Ok(id) = &result {
        assert_eq!(lines, [id.to_string()]);
    }
    result.map_err(|e| e.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_tree_is_pushed_as_gzip_and_pulled_by_skopeo_and_us() {
    let registry = Registry::start();
    let root = Root::new().await;
    let name = format!("{}/made:1", registry.address());
    let tar = layer(&[("file", b"content")]);
    let id = import(&root, tar, &name, &["CMD [\"/file\"]", "ENV A=b"])
        .await
        .unwrap();
    let lines = push(&root, &name, None).await.unwrap();
    let layer_id = root.images.resolve(&name).unwrap().layers()[0]
        .short()
        .to_owned();
    assert_eq!(
        lines[0],
        format!(
            "The push refers to repository [{}/made]",
            registry.address()
        )
    );
    assert_eq!(
        lines[1..3],
        [
            format!("{layer_id}: Preparing"),
            format!("{layer_id}: Pushed")
        ]
    );
    assert!(lines[3].starts_with("1: digest: sha256:"), "{lines:?}");
    assert!(lines[4].starts_with(r#"{"Digest":"sha256:"#), "{lines:?}");

    let inspect = ["inspect", "--tls-verify=false", "--raw", "--config"];
    let url = format!("docker://{name}");
    let config = run(&mut program(
        "skopeo",
        inspect.into_iter().chain([url.as_str()]),
    ));
    assert_eq!(Digest::of(config.ok().as_bytes()), id);
    let other = Root::new().await;
    other.pull(&name).await.unwrap();
    assert_eq!(other.file(&name, "file").unwrap(), b"content");
    assert_eq!(other.images.resolve(&name).unwrap().id, id);

    let again = push(&root, &name, None).await.unwrap();
    assert_eq!(again[2], format!("{layer_id}: Layer already exists"));
    let second = format!("{}/other:2", registry.address());
    root.images
        .tag(&name, &second.parse().unwrap())
        .await
        .unwrap();
    let lines = push(&root, &second, None).await.unwrap();
    assert_eq!(lines[2], format!("{layer_id}: Mounted from made"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_goes_to_another_registry_with_the_same_digest_if_blobs_are_kept() {
    let (one, two) = (Registry::start(), Registry::start());
    let made = Made::new(&[layer(&[("a", b"1")]), layer(&[("b", b"2")])]);
    let (from, to) = (
        format!("{}/app:v", one.address()),
        format!("{}/copy:v", two.address()),
    );
    made.push(&from).await;
    let config = Config {
        keep_layer_blobs: true,
        ..Config::default()
    };
    let root = Root::with(config).await;
    root.pull(&from).await.unwrap();
    root.images.tag(&from, &to.parse().unwrap()).await.unwrap();
    let lines = push(&root, &to, None).await.unwrap();
    let digest = Digest::of(&made.manifest);
    let last = format!("v: digest: {digest} size: {}", made.manifest.len());
    assert!(lines.contains(&last), "{lines:?}");
    let digests = root.images.inspect(&to, None).unwrap().repo_digests;
    assert!(digests.contains(&format!("{}/copy@{digest}", two.address())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_image_without_blobs_goes_wherever_it_is_sent() {
    let (one, two) = (Registry::start(), Registry::start());
    let made = Made::new(&[layer(&[("a", b"1")]), layer(&[("b", b"2")])]);
    let from = format!("{}/app:v", one.address());
    made.push(&from).await;
    let root = Root::new().await;
    root.pull(&from).await.unwrap();
    let as_it_came = format!("digest: {}", Digest::of(&made.manifest));
    let send = async |to: &str| {
        root.images.tag(&from, &to.parse().unwrap()).await.unwrap();
        push(&root, to, None).await.unwrap()
    };
    let words =
        |lines: &[String], words: &str| lines.iter().filter(|it| it.contains(words)).count();
    // The registry that has the blobs needs none.
    let lines = send(&format!("{}/same/app:v", one.address())).await;
    assert_eq!(words(&lines, "Mounted from app"), 2, "{lines:?}");
    assert_eq!(words(&lines, &as_it_came), 1, "{lines:?}");
    // Another one gets the layers compressed anew: the same image in another manifest.
    let there = format!("{}/copy:v", two.address());
    let lines = send(&there).await;
    assert_eq!(words(&lines, "Pushed"), 2, "{lines:?}");
    assert_eq!(words(&lines, &as_it_came), 0, "{lines:?}");
    let other = Root::new().await;
    other.pull(&there).await.unwrap();
    assert_eq!(other.images.resolve(&there).unwrap().id, made.id());
    assert_eq!(other.file(&there, "b").unwrap(), b"2");
    // Once.
    let lines = send(&there).await;
    assert_eq!(words(&lines, "Layer already exists"), 2, "{lines:?}");
    let lines = send(&format!("{}/more:v", two.address())).await;
    assert_eq!(words(&lines, "Mounted from copy"), 2, "{lines:?}");
    let lines = send(&format!("{}/same/again:v", one.address())).await;
    assert_eq!(words(&lines, &as_it_came), 1, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_adds_a_layer_history_and_a_parent() {
    let root = Root::new().await;
    let base = import(
        &root,
        layer(&[("etc/", b""), ("etc/a", b"1")]),
        "base:1",
        &[],
    )
    .await
    .unwrap();
    let upper = root.directory.path().join("upper");
    std::fs::create_dir_all(upper.join("etc")).unwrap();
    std::fs::write(upper.join("etc/b"), b"2").unwrap();
    std::fs::set_permissions(upper.join("etc"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let request = CommitRequest {
        parent: Some(base.clone()),
        upper,
        exclude: Vec::new(),
        container_id: "c".repeat(64),
        config: RunConfig {
            cmd: Some(vec!["asked".into()]),
            ..RunConfig::default()
        },
        command: vec!["sh".into()],
        reference: Some("child:1".parse::<Reference>().unwrap()),
        author: "me".into(),
        comment: "why".into(),
        changes: vec!["ENV X=y".into()],
    };
    let id = root.images.commit(request.clone()).await.unwrap();
    let image = root.images.resolve("child:1").unwrap();
    assert_eq!((image.id.clone(), image.parent.clone()), (id, Some(base)));
    assert_eq!((image.layers().len(), image.size_bytes), (2, 2));
    assert_eq!(root.file("child:1", "etc/a").unwrap(), b"1");
    assert_eq!(root.file("child:1", "etc/b").unwrap(), b"2");
    let run = image.config.config.clone().unwrap();
    assert_eq!(run.env, Some(vec!["X=y".to_owned()]));
    let history = root.images.history("child:1", None).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(
        (history[0].created_by.as_str(), history[0].comment.as_str()),
        ("sh", "why")
    );
    assert_eq!(history[1].tags, ["base:1"]);

    std::fs::remove_dir_all(root.directory.path().join("upper/etc")).unwrap();
    let nothing = CommitRequest {
        reference: None,
        ..request
    };
    let id = root.images.commit(nothing).await.unwrap();
    let image = root.images.get(&id).unwrap();
    assert_eq!(
        image.layers().len(),
        1,
        "nothing changed, so there is no new layer"
    );
    assert_eq!(image.config.history[1].empty_layer, Some(true));

    let error = root.images.commit(CommitRequest {
        changes: vec!["FROM x".into()],
        ..sample(&root)
    });
    let error = error.await.unwrap_err().to_string();
    assert_eq!(error, "FROM is not a valid change command");
}

fn sample(root: &Root) -> CommitRequest {
    CommitRequest {
        parent: None,
        upper: root.directory.path().join("upper"),
        exclude: Vec::new(),
        container_id: String::new(),
        config: RunConfig::default(),
        command: Vec::new(),
        reference: None,
        author: String::new(),
        comment: String::new(),
        changes: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_that_cannot_be_say_why() {
    let registry = Registry::with(&RegistryOptions {
        htpasswd: true,
        ..Default::default()
    });
    let root = Root::new().await;
    let name = format!("{}/app:1", registry.address());
    let error = push(&root, &name, None).await.unwrap_err();
    let repository = format!("{}/app", registry.address());
    assert_eq!(
        error,
        format!("An image does not exist locally with the tag: {repository}")
    );
    import(&root, layer(&[("f", b"x")]), &name, &[])
        .await
        .unwrap();
    let error = push(&root, &format!("{repository}:2"), None)
        .await
        .unwrap_err();
    assert_eq!(error, format!("tag does not exist: {repository}:2"));
    let error = push(&root, &name, None).await.unwrap_err();
    assert!(error.ends_with("no basic auth credentials"), "{error}");
    let credentials = Credentials {
        username: Registry::USER.into(),
        password: Redacted::new(Registry::PASSWORD.into()),
        ..Credentials::default()
    };
    push(&root, &name, Some(credentials)).await.unwrap();
    let error = root
        .images
        .tag(&name, &format!("x@{}", Digest::of(b"")).parse().unwrap())
        .await;
    let sentence = "refusing to create a tag with a digest reference";
    assert_eq!(error.unwrap_err().to_string(), sentence);
}

/// What a builder makes on top of a pulled image: its layers, one of its own, and more.
async fn on_top(root: &Root, base: &str, name: &str) -> ArtifactRequest {
    let base = root.images.resolve(base).unwrap();
    let own = import(root, layer(&[("own", b"own")]), "own:1", &[])
        .await
        .unwrap();
    let own = root.images.resolve(&own.to_string()).unwrap();
    let mut config = (*base.config).clone();
    let layers = base.layers().iter().chain(own.layers());
    config.rootfs.diff_ids = layers.cloned().collect();
    ArtifactRequest {
        images: vec![ArtifactImage {
            platform: config.platform(),
            config,
            annotations: Annotations::new(),
            descriptor_annotations: Annotations::new(),
            attestations: Vec::new(),
        }],
        names: vec![name.parse().unwrap()],
        ..ArtifactRequest::default()
    }
}

/// Pushes an artifact as builders do. Answers what was told, and the layers' digests there.
async fn push_artifact(
    root: &Root,
    request: ArtifactRequest,
    is_kept: bool,
) -> (Vec<String>, Vec<Digest>) {
    let name = request.names[0].clone();
    let pushed = PushedArtifact {
        request,
        is_kept,
        ..PushedArtifact::default()
    };
    let artifact = root.images.make_artifact_to_push(pushed).await.unwrap();
    let to = name.clone();
    let (result, lines) = listen(|progress| async move {
        let images = &root.images;
        let pushing = images.push_artifact(&artifact, &to, false, None, &progress);
        pushing.await
    })
    .await;
    result.unwrap();
    let words = ["inspect", "--tls-verify=false", "--raw"];
    let url = format!("docker://{name}");
    let raw = run(&mut program("skopeo", words.into_iter().chain([&*url])));
    let manifest: Manifest = serde_json::from_str(raw.ok()).unwrap();
    let layers = manifest.layers.into_iter().map(|it| it.digest);
    (lines, layers.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_builder_pushes_lists_the_blobs_that_a_registry_has_of_its_base() {
    let (one, two) = (Registry::start(), Registry::start());
    let made = Made::new(&[layer(&[("a", b"1")]), layer(&[("b", b"2")])]);
    let base = format!("{}/base:v", one.address());
    made.push(&base).await;
    let root = Root::new().await;
    root.pull(&base).await.unwrap();
    let blobs: Vec<Digest> = made.layers.iter().map(|it| Digest::of(it)).collect();
    let here = || {
        let content = &root.rooms.content;
        blobs
            .iter()
            .filter(|it| content.exists(it).unwrap())
            .count()
    };
    assert_eq!(here(), 0);
    // Beside its base nothing of that is sent, nor fetched.
    let request = on_top(&root, &base, &format!("{}/app:v", one.address())).await;
    let (lines, layers) = push_artifact(&root, request, false).await;
    assert_eq!(layers[..2], blobs[..], "{lines:?}");
    let sent = |lines: &[String]| lines.iter().filter(|it| it.ends_with(": Pushed")).count();
    assert_eq!(sent(&lines), 1, "{lines:?}");
    assert_eq!(here(), 0);
    // What this machine keeps, too, needs them here.
    let request = on_top(&root, &base, &format!("{}/kept:v", one.address())).await;
    let (lines, layers) = push_artifact(&root, request, true).await;
    assert_eq!(layers[..2], blobs[..], "{lines:?}");
    assert_eq!(sent(&lines), 0, "{lines:?}");
    assert_eq!(here(), 2);
    let mounted = |lines: &[String]| lines.iter().filter(|it| it.contains("Mounted")).count();
    assert_eq!(mounted(&lines), 3, "{lines:?}");
    // Another registry gets them from the base's one.
    let other = Root::new().await;
    other.pull(&base).await.unwrap();
    let request = on_top(&other, &base, &format!("{}/app:v", two.address())).await;
    let (lines, layers) = push_artifact(&other, request.clone(), false).await;
    assert_eq!(layers[..2], blobs[..], "{lines:?}");
    assert_eq!(sent(&lines), 3, "{lines:?}");
    // And where that one is gone, the layers are compressed anew.
    let last = Root::new().await;
    last.pull(&base).await.unwrap();
    drop(one);
    let request = on_top(&last, &base, &format!("{}/again:v", two.address())).await;
    let (lines, layers) = push_artifact(&last, request, false).await;
    assert_ne!(layers[0], blobs[0], "{lines:?}");
    assert_eq!(sent(&lines), 3, "{lines:?}");
}
