//! The image sections of the tutorial, typed into the stock client.

use corten_testkit::{Engine, Registry, docker_20, program, run};

/// The lines of a table after its header.
fn rows(table: &str) -> Vec<&str> {
    table.lines().skip(1).collect()
}

#[test]
fn images_are_pulled_tagged_pushed_and_removed() {
    pulled_and_pushed(&Engine::with_registries());
}

#[test]
fn images_are_pulled_tagged_pushed_and_removed_with_the_old_client() {
    pulled_and_pushed(&Engine::with_registries().with_client(docker_20()));
}

fn pulled_and_pushed(engine: &Engine) {
    let pulled = engine.docker(["image", "pull", "ubuntu"]);
    let said: Vec<&str> = pulled.ok().lines().collect();
    assert_eq!(said[0], "Using default tag: latest");
    assert_eq!(said[1], "latest: Pulling from library/ubuntu");
    assert_eq!(said.last(), Some(&"docker.io/library/ubuntu:latest"));
    let again = engine.docker(["pull", "ubuntu"]);
    assert!(
        again
            .ok()
            .contains("Status: Image is up to date for ubuntu:latest"),
        "{}",
        again.stdout
    );

    let digest = said
        .iter()
        .find_map(|line| line.strip_prefix("Digest: "))
        .expect("the digest is told");
    let by_digest = engine.docker(["image", "pull", &format!("ubuntu@{digest}")]);
    assert!(
        by_digest
            .ok()
            .ends_with(&format!("docker.io/library/ubuntu@{digest}")),
        "{}",
        by_digest.stdout
    );
    engine.docker(["pull", "-q", "-a", "busybox"]).ok();
    let listed = engine.docker(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
    assert!(
        listed.ok().contains("ubuntu:latest") && listed.ok().contains("busybox:latest"),
        "{}",
        listed.stdout
    );
    assert_eq!(
        engine.docker(["images", "-f", "dangling=true", "-q"]).ok(),
        ""
    );

    engine
        .docker(["tag", "busybox", "127.0.0.1:5001/mine/box:1"])
        .ok();
    let pushed = engine.docker(["push", "127.0.0.1:5001/mine/box:1"]);
    assert!(
        pushed
            .ok()
            .contains("The push refers to repository [127.0.0.1:5001/mine/box]"),
        "{}",
        pushed.stdout
    );
    assert!(
        pushed.ok().contains("1: digest: sha256:"),
        "{}",
        pushed.stdout
    );
    let untagged = engine.docker(["rmi", "127.0.0.1:5001/mine/box:1"]);
    assert!(
        untagged
            .ok()
            .contains("Untagged: 127.0.0.1:5001/mine/box:1"),
        "{}",
        untagged.stdout
    );
    engine
        .docker(["run", "--rm", "127.0.0.1:5001/mine/box:1", "true"])
        .ok();

    engine.docker(["create", "--name", "keeper", "ubuntu"]).ok();
    engine.docker(["rmi", "ubuntu"]).fails(
        1,
        "conflict: unable to remove repository reference \"ubuntu\" (must force) - container",
    );
    engine.docker(["rm", "keeper"]).ok();
    let removed = engine.docker(["rmi", "-f", "ubuntu"]);
    assert!(
        removed.ok().contains("Untagged: ubuntu:latest"),
        "{}",
        removed.stdout
    );
    let ids = engine.docker(["images", "-aq", "--no-trunc"]);
    for id in ids.ok().lines().collect::<std::collections::BTreeSet<_>>() {
        engine.docker(["rmi", "-f", id]).ok();
    }
    assert!(rows(engine.docker(["images", "-a"]).ok()).is_empty());
}

#[test]
fn images_are_saved_loaded_imported_and_looked_into() {
    saved_and_loaded(&Engine::with_images(&["busybox", "nginx"]));
}

#[test]
fn images_are_saved_loaded_imported_and_looked_into_with_the_old_client() {
    saved_and_loaded(&Engine::with_images(&["busybox", "nginx"]).with_client(docker_20()));
}

fn saved_and_loaded(engine: &Engine) {
    let tar = engine.path("two.tar").display().to_string();
    engine.docker(["save", "-o", &tar, "busybox", "nginx"]).ok();
    let nginx = engine
        .docker(["image", "inspect", "-f", "{{.Id}}", "nginx"])
        .ok()
        .to_owned();
    engine.docker(["rmi", "busybox", "nginx"]).ok();
    let loaded = engine.docker(["load", "-i", &tar]);
    assert!(
        loaded.ok().contains("Loaded image: nginx:latest"),
        "{}",
        loaded.stdout
    );
    assert_eq!(
        engine
            .docker(["image", "inspect", "-f", "{{.Id}}", "nginx"])
            .ok(),
        nginx
    );

    let history = engine.docker(["history", "nginx"]);
    assert!(rows(history.ok()).len() >= 3, "{}", history.stdout);
    let layers = engine.docker([
        "image",
        "inspect",
        "-f",
        "{{len .RootFS.Layers}} {{.Os}}",
        "nginx",
    ]);
    assert_eq!(layers.ok(), "3 linux");

    engine.docker(["create", "--name", "cc", "busybox"]).ok();
    let flat = engine.path("flat.tar").display().to_string();
    engine.docker(["export", "-o", &flat, "cc"]).ok();
    let imported = engine.docker([
        "import",
        "-c",
        "CMD [\"echo\", \"imported\"]",
        &flat,
        "flat:1",
    ]);
    assert!(imported.ok().starts_with("sha256:"), "{}", imported.stdout);
    assert_eq!(engine.docker(["run", "--rm", "flat:1"]).ok(), "imported");
}

#[test]
fn a_closed_registry_wants_a_login() {
    login(&Engine::with_registries());
}

#[test]
fn a_closed_registry_wants_a_login_with_the_old_client() {
    login(&Engine::with_registries().with_client(docker_20()));
}

fn login(engine: &Engine) {
    let closed = "127.0.0.1:5002";
    let image = format!("{closed}/team/box:1");
    engine.docker(["pull", "-q", "busybox"]).ok();
    engine.docker(["tag", "busybox", &image]).ok();
    engine
        .docker(["push", &image])
        .fails(1, "no basic auth credentials");
    let login = |password: &[u8]| {
        engine.docker_with_input(
            ["login", "-u", Registry::USER, "--password-stdin", closed],
            password,
        )
    };
    login(b"wrong").fails(1, "failed with status: 401 Unauthorized");
    assert!(
        login(Registry::PASSWORD.as_bytes())
            .ok()
            .contains("Login Succeeded")
    );
    engine.docker(["push", &image]).ok();
    engine.docker(["rmi", &image]).ok();
    engine.docker(["run", "--rm", &image, "true"]).ok();
    engine.docker(["logout", closed]).ok();
    engine
        .docker(["pull", &image])
        .fails(1, "no basic auth credentials");
}

#[test]
fn an_index_its_manifests_and_its_layers_are_seen() {
    let engine = Engine::with_registries();
    // The stock client asks the registry itself, so it has to stand where the registry is.
    let mut client = engine.inside(corten_testkit::docker_current());
    client.args([
        "manifest",
        "inspect",
        "--insecure",
        "127.0.0.1:5000/busybox",
    ]);
    let index = run(client.env("HOME", engine.path("home")));
    assert_eq!(
        index.ok().matches("\"platform\"").count(),
        2,
        "{}",
        index.stdout
    );
    engine.docker(["pull", "-q", "busybox"]).ok();
    let here = engine.docker([
        "image",
        "inspect",
        "-f",
        "{{.Architecture}} {{len .RootFS.Layers}} {{len .RepoDigests}}",
        "busybox",
    ]);
    assert!(here.ok().ends_with(" 1 1"), "{}", here.stdout);
}

#[test]
fn an_image_is_changed_by_hand() {
    let engine = Engine::with_images(&["debian"]);
    let package = engine.path("package");
    std::fs::create_dir_all(package.join("DEBIAN")).expect("a directory");
    std::fs::create_dir_all(package.join("usr/bin")).expect("a directory");
    let control =
        "Package: greeter\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: test\n";
    std::fs::write(package.join("DEBIAN/control"), control).expect("a file");
    std::fs::write(
        package.join("usr/bin/greeter"),
        "#!/bin/sh\necho greetings\n",
    )
    .expect("a file");
    run(&mut program(
        "chmod",
        [
            "755",
            &package.join("usr/bin/greeter").display().to_string(),
        ],
    ))
    .ok();
    let repository = engine.path("repository");
    std::fs::create_dir(&repository).expect("a directory");
    let archive = repository.join("greeter.deb").display().to_string();
    run(&mut program(
        "dpkg-deb",
        ["-b", &package.display().to_string(), &archive],
    ))
    .ok();

    let bind = format!("{}:/repository:ro", repository.display());
    let install = "apt-get install -y /repository/greeter.deb && hostname -I";
    let first = engine.docker([
        "run", "--name", "by-hand", "-v", &bind, "debian", "sh", "-c", install,
    ]);
    assert!(
        first.ok().contains("172.17.0."),
        "an address of the default bridge: {}",
        first.stdout
    );
    let committed = engine.docker(["container", "commit", "by-hand", "my-ubuntu:0.1"]);
    assert!(
        committed.ok().starts_with("sha256:"),
        "{}",
        committed.stdout
    );
    let size = |name: &str| -> u64 {
        let shown = engine.docker(["image", "inspect", "-f", "{{.Size}}", name]);
        shown.ok().parse().expect("a number")
    };
    assert!(size("my-ubuntu:0.1") > size("debian"));
    assert_eq!(
        engine
            .docker(["run", "--rm", "my-ubuntu:0.1", "greeter"])
            .ok(),
        "greetings"
    );
}
