//! Archives that go into images and containers whose trees are hostile: names and links
//! that lead out, programs and libraries of the tree's own.

use super::{Canary, hostile_image};
use corten_testkit::{Engine, program, run};
use rustix::fs::inotify;
use std::mem::MaybeUninit;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Packs directories of `below`, one after the other, with GNU tar; `transform` renames.
fn pack(tar: &Path, below: &Path, directories: &[&str], transform: &str) {
    for (number, directory) in directories.iter().enumerate() {
        let mode = if number == 0 { "-cf" } else { "-rf" };
        let (tar, root) = (tar.display().to_string(), below.join(directory));
        let root = root.display().to_string();
        let rename = format!("--transform={transform}");
        let words = ["-P", &rename, mode, &tar, "-C", &root, "."];
        assert_eq!(run(&mut program("tar", words)).code, 0);
    }
}

/// Tars whose names or links lead out of a root, to `canary`.
fn tars_that_lead_out(engine: &Engine, canary: &Path) -> Vec<std::path::PathBuf> {
    let at = |name: &str| engine.path(name);
    let up = format!("../../../../../../../../..{}", canary.display());
    let mut tars = Vec::new();
    for (number, target) in [canary.display().to_string(), up.clone()]
        .iter()
        .enumerate()
    {
        // A link, then a write through it; and a hard link to what it leads to.
        let link = at(&format!("lead{number}/link"));
        std::fs::create_dir_all(&link).unwrap();
        symlink(target, link.join("out")).unwrap();
        let through = at(&format!("lead{number}/through"));
        std::fs::create_dir_all(through.join("out")).unwrap();
        std::fs::write(through.join("out/file"), "broken").unwrap();
        std::fs::write(through.join("out/new"), "broken").unwrap();
        std::fs::hard_link(through.join("out/file"), through.join("out/hard")).unwrap();
        let tar = at(&format!("lead{number}.tar"));
        // Without the directory itself, which would replace the link.
        pack(&tar, &at(&format!("lead{number}")), &["link"], "s,x,x,");
        let files = ["./out/file", "./out/new", "./out/hard"];
        let (name, below) = (tar.display().to_string(), through.display().to_string());
        let words = ["-rf", &name, "-C", &below].into_iter().chain(files);
        assert_eq!(run(&mut program("tar", words)).code, 0);
        tars.push(tar);
    }
    let plain = at("plain");
    std::fs::create_dir_all(&plain).unwrap();
    std::fs::write(plain.join("new"), "broken").unwrap();
    for (number, name) in [
        format!("{}/new", canary.display()),
        format!("{up}/new"),
        format!("a/b/{up}/new"),
        format!("./.././../..{}/new", canary.display()),
    ]
    .iter()
    .enumerate()
    {
        let tar = at(&format!("named{number}.tar"));
        pack(
            &tar,
            &engine.path(""),
            &["plain"],
            &format!("s,^\\./new$,{name},"),
        );
        tars.push(tar);
    }
    tars
}

/// An archive for `docker load` around one layer, which may be anything.
fn image_archive(engine: &Engine, layer: &Path, name: &str) -> std::path::PathBuf {
    let directory = engine.path(&format!("archive-{name}"));
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::copy(layer, directory.join("layer.tar")).unwrap();
    let digest = run(&mut program("sha256sum", [&layer.display().to_string()]));
    let digest = digest.ok().split_whitespace().next().unwrap().to_owned();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["sha256:{digest}"]}}}}"#
    );
    std::fs::write(directory.join("config.json"), config).unwrap();
    let manifest = format!(
        r#"[{{"Config":"config.json","RepoTags":["{name}:latest"],"Layers":["layer.tar"]}}]"#
    );
    std::fs::write(directory.join("manifest.json"), manifest).unwrap();
    let tar = engine.path(&format!("archive-{name}.tar"));
    let words = ["-cf", &tar.display().to_string(), "-C"].map(str::to_owned);
    let words = words
        .into_iter()
        .chain([directory.display().to_string(), ".".to_owned()]);
    assert_eq!(run(&mut program("tar", words)).code, 0);
    tar
}

// CVE-2014-6407: by every door that a layer can come in.
#[test]
fn layers_that_lead_out_are_contained_however_they_come() {
    let engine = Engine::with_registries();
    let canary = Canary::new(&engine);
    let mut held = 0;
    for (number, tar) in tars_that_lead_out(&engine, &canary.0).iter().enumerate() {
        let name = format!("out{number}");
        let text = tar.display().to_string();
        let imported = engine.docker(["import", &text, &format!("imported{number}")]);
        canary.untouched();
        let archive = image_archive(&engine, tar, &name).display().to_string();
        let loaded = engine.docker(["load", "-q", "-i", &archive]);
        canary.untouched();
        assert_eq!(imported.code, loaded.code, "{imported:?} {loaded:?}");
        // Pushed by somebody who does not look, pulled by the engine.
        let from = format!("docker-archive:{archive}");
        let to = format!("docker://127.0.0.1:5001/{name}:latest");
        let pushed = run(engine.inside("skopeo").args([
            "copy",
            "--insecure-policy",
            "--dest-tls-verify=false",
            &from,
            &to,
        ]));
        assert_eq!(pushed.code, 0, "{pushed:?}");
        if loaded.code == 0 {
            engine
                .docker(["rmi", "-f", &name, &format!("imported{number}")])
                .ok();
        }
        let image = format!("127.0.0.1:5001/{name}:latest");
        let pulled = engine.docker(["pull", "-q", &image]);
        canary.untouched();
        assert_eq!(imported.code, pulled.code, "{imported:?} {pulled:?}");
        if pulled.code == 0 {
            // What it says lies in its own tree.
            engine.docker(["create", "--name", &name, &image, "x"]).ok();
            let inside = format!("{name}:{}/new", canary.0.display());
            let copied = engine
                .path(&format!("copied{number}"))
                .display()
                .to_string();
            engine.docker(["cp", &inside, &copied]).ok();
            assert_eq!(std::fs::read_to_string(&copied).unwrap(), "broken");
            held += 1;
        }
        canary.untouched();
    }
    assert!(
        held >= 3,
        "links and absolute names are contained, not refused"
    );
}

/// Programs that an engine without decoders of its own would run.
const HELPERS: [&str; 9] = [
    "xz", "unxz", "unpigz", "gzip", "gunzip", "zstd", "bzip2", "git", "tar",
];

/// The same few files in a tar, by each compression.
fn compressed(engine: &Engine) -> Vec<(&'static str, std::path::PathBuf)> {
    let files = engine.files("payload", &[("payload/one", "1"), ("payload/two", "2")]);
    let tar = engine.path("payload.tar");
    pack(&tar, &files, &["."], "s,x,x,");
    let all = [
        ("gzip", "gz"),
        ("xz", "xz"),
        ("zstd", "zst"),
        ("bzip2", "bz2"),
    ];
    all.map(|(tool, ending)| {
        let made = engine.path(&format!("payload.tar.{ending}"));
        let line = format!("{tool} -c {} > {}", tar.display(), made.display());
        assert_eq!(run(&mut program("sh", ["-c", &line])).code, 0);
        (ending, made)
    })
    .into()
}

// CVE-2014-9357, CVE-2026-41567
#[test]
fn no_program_of_a_container_is_run_to_unpack_an_archive() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let mark = canary.0.join("ran").display().to_string();
    hostile_image(&engine, "helpers", |root| {
        for directory in ["bin", "usr/bin", "sbin", "usr/sbin", "usr/local/bin"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
            for name in HELPERS {
                let path = root.join(directory).join(name);
                let script = format!("#!/bin/sh\necho $0 >>/ran\necho $0 >>{mark}\n");
                std::fs::write(&path, script).unwrap();
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        symlink("busybox", root.join("bin/rm")).unwrap();
    });
    engine
        .docker(["run", "-d", "--name", "live", "helpers", "sleep", "1000"])
        .ok();
    engine
        .docker(["create", "--name", "still", "helpers", "true"])
        .ok();
    // Run at all, they leave their mark.
    engine.docker(["exec", "live", "xz"]);
    assert_eq!(
        engine.docker(["exec", "live", "cat", "/ran"]).ok(),
        "/usr/local/bin/xz"
    );
    engine.docker(["exec", "live", "rm", "/ran"]).ok();
    let mut dockerfile = "FROM helpers\n".to_owned();
    let socket = engine.path("cortend.sock").display().to_string();
    for (ending, archive) in compressed(&engine) {
        for name in ["live", "still"] {
            let ran = run(&mut program(
                "curl",
                [
                    "-s",
                    "--unix-socket",
                    &socket,
                    "-X",
                    "PUT",
                    "-H",
                    "Content-Type: application/x-tar",
                    "-w",
                    "%{http_code}",
                    "--data-binary",
                    &format!("@{}", archive.display()),
                    &format!("http://localhost/containers/{name}/archive?path=/tmp"),
                ],
            ));
            assert_eq!(ran.ok(), "200", "{name} {ending}");
            let copied = engine.path("back").display().to_string();
            engine
                .docker(["cp", &format!("{name}:/tmp/payload/two"), &copied])
                .ok();
            assert_eq!(std::fs::read_to_string(&copied).unwrap(), "2");
        }
        let context = engine.path("context");
        std::fs::create_dir_all(&context).unwrap();
        std::fs::copy(&archive, context.join(archive.file_name().unwrap())).unwrap();
        dockerfile += &format!("ADD payload.tar.{ending} /added-{ending}/\n");
    }
    let context = engine.files("context", &[("Dockerfile", &dockerfile)]);
    engine.install_buildx();
    let context = context.display().to_string();
    engine.docker(["build", "-q", "-t", "added", &context]).ok();
    let classic = engine
        .docker_command(["build", "-q", "--no-cache", "-t", "classic", &context])
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .unwrap();
    assert!(classic.status.success(), "{classic:?}");
    for image in ["added", "classic"] {
        let listed = engine.docker(["run", "--rm", image, "ls", "/added-xz/payload", "/"]);
        assert!(listed.ok().contains("two"), "{listed:?}");
        assert!(!listed.stdout.contains("ran"), "{listed:?}");
    }
    for name in ["live", "still"] {
        let ran = engine.docker(["cp", &format!("{name}:/ran"), "-"]);
        assert!(
            ran.code != 0 && ran.stderr.contains("Could not find the file"),
            "{ran:?}"
        );
    }
    canary.untouched();
}

// CVE-2019-14271
#[test]
fn no_library_or_name_service_of_a_container_is_loaded_by_a_copy() {
    const LIBRARIES: [&str; 5] = [
        "lib/x86_64-linux-gnu/libnss_files.so.2",
        "lib/libnss_files.so.2",
        "lib64/libnss_files.so.2",
        "usr/lib/libnss_compat.so.2",
        "etc/nsswitch.conf",
    ];
    let engine = Engine::start();
    hostile_image(&engine, "nss", |root| {
        for path in LIBRARIES {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "passwd: files compat\ngroup: files compat\n").unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "web:x:70:71::/:/bin/sh\n").unwrap();
        std::fs::write(root.join("etc/group"), "web:x:71:\n").unwrap();
    });
    engine
        .docker([
            "run", "-d", "--name", "cc", "--user", "web", "nss", "sleep", "1000",
        ])
        .ok();
    let pid = engine.docker(["inspect", "-f", "{{.State.Pid}}", "cc"]);
    let root = format!("/proc/{}/root", pid.ok());
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
    for path in LIBRARIES {
        let path = format!("{root}/{path}");
        inotify::add_watch(&watch, path.as_str(), inotify::WatchFlags::OPEN).unwrap();
    }
    let opened = || {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&watch, &mut buffer);
        std::iter::from_fn(|| events.next().ok().map(drop)).count()
    };
    // Who opens one is seen.
    engine
        .docker(["exec", "cc", "cat", "/lib/libnss_files.so.2"])
        .ok();
    assert_eq!(opened(), 1);
    let file = engine.path("in").display().to_string();
    std::fs::write(&file, "in").unwrap();
    engine.docker(["cp", &file, "cc:/tmp/plain"]).ok();
    engine.docker(["cp", "-a", &file, "cc:/tmp/owned"]).ok();
    let out = engine.path("out").display().to_string();
    engine.docker(["cp", "-a", "cc:/tmp/owned", &out]).ok();
    engine
        .docker(["cp", "cc:/tmp", &engine.path("all").display().to_string()])
        .ok();
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "in");
    assert!(engine.docker(["cp", "cc:/tmp/none", &out]).code != 0);
    assert_eq!(opened(), 0);
    for pid in [engine.daemon_pid().to_string(), pid.ok().to_owned()] {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        assert!(!maps.contains("libnss"), "{maps}");
    }
}
