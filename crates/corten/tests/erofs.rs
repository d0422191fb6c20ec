//! The storage driver `erofs`: layers mounted from the tar they came as, by the stock
//! client.

use corten_testkit::{Engine, Options, until};
use std::path::PathBuf;

fn options(further: &[&str]) -> Options {
    let driver = ["--storage-driver", "erofs"];
    let words = driver.iter().chain(further);
    Options {
        arguments: words.map(|it| it.to_string()).collect(),
        ..Options::default()
    }
}

fn engine(further: &[&str], images: &[&str]) -> Engine {
    let engine = Engine::start_with(options(further));
    images.iter().for_each(|name| engine.load(name));
    engine
}

/// Files of this name among the layers.
fn layer_files(engine: &Engine, name: &str) -> Vec<PathBuf> {
    let layers = engine.path("data").join("layers/sha256");
    let entries = std::fs::read_dir(layers).expect("the layers");
    let files = entries.map(|entry| entry.expect("a layer").path().join(name));
    files.filter(|file| file.exists()).collect()
}

#[test]
fn a_container_reads_writes_commits_and_exports_what_is_mounted_from_a_tar() {
    let engine = engine(&[], &["busybox"]);
    let driver = engine.docker(["info", "-f", "{{.Driver}} {{.DriverStatus}}"]);
    assert!(driver.ok().starts_with("erofs "), "{driver:?}");
    assert!(driver.stdout.contains("EROFS index"), "{driver:?}");
    assert_eq!(layer_files(&engine, "fs"), Vec::<PathBuf>::new());
    assert_eq!(layer_files(&engine, "layer.tar").len(), 1);
    let script = "busybox | head -1 | cut -c1-7; rm /etc/group; mv /etc/passwd /etc/moved; \
                  echo more >>/etc/moved; ln /bin/busybox /bin/second; mkdir /tmp/d; \
                  find / -xdev -name busybox; \
                  stat -c device-%d / /bin /bin/busybox /bin/sh /etc/moved /tmp/d 2>/dev/null \
                  | sort -u | wc -l; head -1 /etc/moved";
    let ran = engine.docker(["run", "--name", "one", "busybox", "sh", "-c", script]);
    let said: Vec<&str> = ran.ok().lines().collect();
    assert_eq!(said[0], "BusyBox", "{ran:?}");
    assert!(said.contains(&"/bin/busybox"), "{ran:?}");
    // One device, or `du -x` leaves files out.
    assert!(said.contains(&"1"), "{ran:?}");
    assert!(
        said.last().is_some_and(|it| it.starts_with("root:")),
        "{ran:?}"
    );
    let diff = engine.docker(["diff", "one"]);
    for line in [
        "D /etc/group",
        "D /etc/passwd",
        "A /etc/moved",
        "A /bin/second",
    ] {
        assert!(diff.ok().lines().any(|it| it == line), "{line}: {diff:?}");
    }
    engine.docker(["commit", "one", "kept"]).ok();
    let again = engine.docker([
        "run",
        "--rm",
        "kept",
        "sh",
        "-c",
        "tail -1 /etc/moved; ls /etc/group",
    ]);
    again.fails(1, "No such file");
    assert_eq!(again.stdout.trim(), "more");
    let tar = engine.path("one.tar").display().to_string();
    engine.docker(["export", "-o", &tar, "one"]).ok();
    let listed = std::process::Command::new("tar")
        .args(["-tf", &tar])
        .output();
    let listed = String::from_utf8_lossy(&listed.expect("tar runs").stdout).into_owned();
    assert!(listed.contains("etc/moved\n") && !listed.contains("etc/group\n"));
    let saved = engine.path("saved.tar").display().to_string();
    engine
        .docker(["save", "-o", &saved, "kept", "busybox"])
        .ok();
    let images = || {
        let list = engine.docker(["images", "-q", "--no-trunc"]);
        let mut ids: Vec<String> = list.ok().lines().map(String::from).collect();
        ids.sort();
        ids
    };
    let before = images();
    engine.docker(["rm", "one"]).ok();
    engine.docker(["image", "prune", "-af"]).ok();
    until("the layers are gone", 10, || {
        layer_files(&engine, "layer.json").is_empty()
    });
    engine.docker(["load", "-i", &saved]).ok();
    assert_eq!(images(), before);
    engine.docker(["run", "--rm", "kept", "true"]).ok();
}

#[test]
fn containers_outlive_a_killed_daemon_and_nothing_is_left_of_the_mounts() {
    let mut engine = engine(&[], &["busybox"]);
    let run = [
        "run", "-d", "--name", "web", "--init", "busybox", "sleep", "1000",
    ];
    engine.docker(run).ok();
    let table = std::fs::read_to_string("/proc/self/mounts").expect("the mounts");
    assert!(!table.contains(" erofs "), "{table}");
    engine.kill_daemon();
    engine.start_daemon();
    let text = engine.docker(["exec", "web", "head", "-c", "5", "/etc/passwd"]);
    assert_eq!(text.ok(), "root:");
    engine.docker(["run", "--rm", "busybox", "true"]).ok();
    engine.docker(["restart", "-t", "0", "web"]).ok();
    engine.docker(["exec", "web", "true"]).ok();
    engine.docker(["rm", "-f", "web"]).ok();
    engine.docker(["image", "prune", "-af"]).ok();
    let held = || {
        let maps = format!("/proc/{}/fd", engine.daemon_pid());
        let held = std::fs::read_dir(maps).expect("its descriptors");
        let links = held.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
        links
            .filter(|it| it.to_string_lossy().contains("layer."))
            .count()
    };
    until("the layer's files are closed", 10, || held() == 0);
    assert_eq!(engine.leftovers().mounts, Vec::<String>::new());
}

#[test]
fn layers_of_either_driver_serve_both() {
    let mut engine = Engine::with_images(&["busybox"]);
    let driver = |engine: &mut Engine, name: &str| {
        engine.stop_daemon();
        let settings = format!(r#"{{"storage-driver": "{name}"}}"#);
        std::fs::write(engine.path("daemon.json"), settings).expect("the settings");
        engine.start_daemon();
        let found = engine.docker(["info", "-f", "{{.Driver}}"]);
        assert_eq!(found.ok(), name);
    };
    let build = |engine: &Engine, name: &str, from: &str| {
        let dockerfile = format!("FROM {from}\nRUN echo {name} >/{name} && rm -f /etc/group\n");
        let context = engine.files(name, &[("Dockerfile", &dockerfile)]);
        let context = context.display().to_string();
        engine.docker(["build", "-q", "-t", name, &context]).ok();
    };
    engine
        .docker(["run", "-d", "--name", "old", "busybox", "sleep", "1000"])
        .ok();
    driver(&mut engine, "erofs");
    assert_eq!(layer_files(&engine, "layer.tar"), Vec::<PathBuf>::new());
    build(&engine, "one", "busybox");
    engine.docker(["restart", "-t", "0", "old"]).ok();
    engine.docker(["tag", "busybox", "kept"]).ok();
    let text = engine.docker(["run", "--rm", "one", "cat", "/one"]);
    assert_eq!(text.ok(), "one");
    engine.load("hello-world");
    assert!(!layer_files(&engine, "layer.tar").is_empty());
    engine.docker(["run", "--rm", "hello-world"]).ok();
    driver(&mut engine, "overlay2");
    engine.docker(["run", "--rm", "hello-world"]).ok();
    engine.docker(["restart", "-t", "0", "old"]).ok();
    engine.docker(["exec", "old", "cat", "/etc/passwd"]).ok();
    engine.docker(["rm", "-f", "old"]).ok();
}

#[test]
fn a_layer_whose_tar_was_damaged_is_found_and_mended() {
    let engine = Engine::start_with(Options {
        registries: true,
        ..options(&[])
    });
    engine.docker(["pull", "-q", "busybox"]).ok();
    engine.docker(["run", "--rm", "busybox", "true"]).ok();
    engine.corten(["image", "verify", "busybox"]).ok();
    let tar = layer_files(&engine, "layer.tar").remove(0);
    let length = std::fs::metadata(&tar).expect("the tar").len();
    std::fs::write(&tar, vec![7; length as usize]).expect("it is damaged");
    let found = engine.corten(["image", "verify"]);
    found.fails(1, "damaged parts: 1");
    engine.corten(["image", "verify", "--repair"]).ok();
    engine.corten(["image", "verify"]).ok();
    engine
        .docker(["run", "--rm", "busybox", "busybox", "true"])
        .ok();
    let index = layer_files(&engine, "layer.erofs").remove(0);
    std::fs::write(&index, vec![7; 8192]).expect("it is damaged");
    engine
        .corten(["image", "verify"])
        .fails(1, "damaged parts: 1");
    engine.corten(["image", "verify", "--repair"]).ok();
    engine.corten(["image", "verify"]).ok();
}

#[test]
fn containers_in_user_namespaces_see_mapped_owners_of_mounted_layers() {
    let engine = engine(&["--userns-remap", "default"], &["busybox"]);
    let script =
        "stat -c %u:%g / /bin/sh; touch /made; chown 5:6 /bin/busybox; stat -c %u:%g /bin/busybox";
    let ran = engine.docker(["run", "--rm", "busybox", "sh", "-c", script]);
    assert_eq!(
        ran.ok().split_whitespace().collect::<Vec<_>>(),
        ["0:0", "0:0", "5:6"]
    );
}
