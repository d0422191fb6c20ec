//! Images whose trees lead elsewhere where the engine is to mount, to make directories and
//! devices, and to start.

use super::{Canary, hostile_image, image_with, replace_by_link};
use corten_testkit::{Engine, Options};
use std::os::unix::fs::symlink;

// CVE-2019-16884, CVE-2015-3627, CVE-2015-3629, CVE-2015-3631
#[test]
fn an_image_cannot_put_a_volume_over_proc() {
    let engine = Engine::with_images(&["busybox"]);
    let refused = |words: &[&str], place: &str| {
        let words = ["run", "--rm"].iter().chain(words);
        let why = match place {
            "/proc" => "not of type proc",
            _ => "inside /proc",
        };
        let said = format!("\"{place}\" cannot be mounted because it is {why}");
        engine.docker(words).fails(125, &said);
    };
    for (number, (place, link)) in [
        ("/proc", None),
        ("/proc/self/attr", None),
        ("/proc/sys", None),
        ("/link", Some("/proc")),
        ("/link/self/attr", Some("../../proc")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("over{number}");
        let volume = format!("VOLUME {place}");
        image_with(&engine, &name, &[&volume], |root| {
            if let Some(target) = link {
                symlink(target, root.join("link")).unwrap();
            }
        });
        refused(&[&name, "true"], place);
    }
    let fake = engine.files("fake", &[("self/attr/exec", ""), ("uptime", "1 1\n")]);
    let over = format!("{}:/proc", fake.display());
    refused(&["-v", &over, "busybox", "true"], "/proc");
    let over = format!("{}:/proc/self/attr", fake.display());
    refused(&["-v", &over, "busybox", "true"], "/proc/self/attr");
    // A single file that lxcfs stands for is another matter.
    let over = format!("{}/uptime:/proc/uptime", fake.display());
    let words = ["run", "--rm", "-v", &over, "busybox", "cat", "/proc/uptime"];
    assert_eq!(engine.docker(words).ok(), "1 1");
    let exec = std::fs::read_to_string(fake.join("self/attr/exec")).unwrap();
    assert_eq!(
        exec, "",
        "a label was written to a file that is none of the kernel's"
    );
    assert_eq!(engine.docker(["ps", "-aq"]).ok(), "");
    assert_eq!(engine.docker(["volume", "ls", "-q"]).ok(), "");
}

// CVE-2022-23648, CVE-2026-55686, CVE-2025-9566, CVE-2019-18466, CVE-2019-10152
#[test]
fn volumes_and_working_directories_behind_links_are_inside_of_the_root() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let target = canary.0.display().to_string();
    let up = format!("../../../../../../../../..{target}");
    let other = format!("{target}-work");
    let changes = [
        "VOLUME /data",
        "VOLUME /up",
        "VOLUME /files",
        "WORKDIR /work/made",
    ];
    image_with(&engine, "linked", &changes, |root| {
        symlink(&target, root.join("data")).unwrap();
        symlink(&up, root.join("up")).unwrap();
        symlink("/etc", root.join("files")).unwrap();
        symlink(&other, root.join("work")).unwrap();
    });
    let script =
        "pwd; ls /data /up; cat /files/passwd; echo x >new; echo x >/data/new; echo x >/up/new";
    let ran = engine.docker(["run", "--name", "one", "linked", "sh", "-c", script]);
    // What the links lead to is the image's own, and that has nothing there.
    let said = format!("{other}/made\n/data:\n\n/up:\nroot:x:0:0:root:/root:/bin/sh\n");
    assert_eq!(ran.ok().to_owned() + "\n", said, "{ran:?}");
    canary.untouched();
    assert!(!engine.path("canary-work").exists());
    // What comes out is what went in.
    engine
        .docker([
            "cp",
            "one:/work/made/new",
            &engine.path("out").display().to_string(),
        ])
        .ok();
    canary.untouched();
    engine.docker(["commit", "one", "kept"]).ok();
    engine.docker(["run", "--rm", "kept", "cat", "new"]).ok();
    engine.docker(["rm", "-v", "one"]).ok();
    canary.untouched();
    // A volume that holds something already is not filled.
    let fill = [
        "run",
        "--rm",
        "-v",
        "mine:/v",
        "linked",
        "sh",
        "-c",
        "echo mine >/v/passwd",
    ];
    engine.docker(fill).ok();
    let look = [
        "run",
        "--rm",
        "-v",
        "mine:/files",
        "linked",
        "sh",
        "-c",
        "cat /files/passwd",
    ];
    assert_eq!(engine.docker(look).ok(), "mine");
}

// CVE-2024-21626, by the image and by a link of it
#[test]
fn an_images_working_directory_cannot_be_a_descriptor_of_the_host() {
    let engine = Engine::start();
    let on_host = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(on_host.path(), "the host's").unwrap();
    for number in [3, 7, 8, 9] {
        let name = format!("at{number}");
        let directory = format!("WORKDIR /proc/self/fd/{number}");
        image_with(&engine, &name, &[&directory], |root| {
            symlink(format!("/proc/self/fd/{number}"), root.join("escape")).unwrap();
        });
        engine
            .docker([
                "run", "-d", "--name", &name, "-w", "/", &name, "sleep", "1000",
            ])
            .ok();
        for words in [
            &["run", "--rm", &name][..],
            &["run", "--rm", "-w", "/escape", &name],
            &["exec", "-w", "/escape", &name],
        ] {
            let ran = engine.docker(words.iter().chain(&["ls", "../../../../../.."]));
            let listed = ran.stdout.lines().any(|line| line == "etc");
            assert!(ran.code != 0 && !listed, "{words:?}: {ran:?}");
        }
        // Dots are taken out before anything is looked up, as by dockerd: this is the root,
        // and the container's.
        let dots = ["run", "--rm", "-w", "/escape/..", &name];
        assert_eq!(engine.docker(dots.into_iter().chain(["pwd"])).ok(), "/");
        let outside = format!("../../../../..{}", on_host.path().display());
        let read = engine.docker(dots.into_iter().chain(["cat", &outside]));
        assert!(read.code != 0 && read.stdout.is_empty(), "{read:?}");
        // One that starts without a word about it is in the image's directory.
        let exec = engine.docker(["exec", &name, "pwd"]);
        assert_eq!(exec.ok(), "/");
    }
}

// CVE-2026-41579, crun CVE-2026-47766, CVE-2024-0132
#[test]
fn devices_and_what_vendors_inject_stay_in_the_root() {
    let specs = tempfile::tempdir().unwrap();
    let spec = "cdiVersion: 0.6.0
kind: vendor.com/thing
devices:
- name: one
  containerEdits:
    deviceNodes: [{path: /opt/thing, hostPath: /dev/zero}]
    mounts:
    - {hostPath: /usr/share, containerPath: /opt/share, options: [ro, bind]}
    - {hostPath: /etc/hostname, containerPath: /opt/name, options: [ro, bind]}
";
    std::fs::write(specs.path().join("thing.yaml"), spec).unwrap();
    let engine = Engine::start_with(Options {
        arguments: vec!["--cdi-spec-dir".into(), specs.path().display().to_string()],
        ..Options::default()
    });
    let canary = Canary::new(&engine);
    let target = canary.0.display().to_string();
    let up = format!("../../../../../../../../..{target}");
    for (number, to) in [&target, &up].into_iter().enumerate() {
        let name = format!("leads{number}");
        hostile_image(&engine, &name, |root| {
            replace_by_link(root, "opt", to);
            replace_by_link(root, "dev", to);
        });
        let run = |more: &[&str]| {
            let last = [&name, "ls", "-l", "/opt/"];
            engine.docker(["run", "--rm"].iter().chain(more).chain(&last))
        };
        let device = run(&["--device", "/dev/full:/opt/full"]);
        assert!(
            device.code != 0 || device.stdout.contains("full"),
            "{device:?}"
        );
        canary.untouched();
        let device = run(&["-t", "--device", "/dev/full"]);
        assert!(
            device.code != 0 || device.stdout.contains("full"),
            "{device:?}"
        );
        canary.untouched();
        let vendor = run(&["--device", "vendor.com/thing=one"]);
        assert!(
            vendor.code != 0 || vendor.stdout.contains("share"),
            "{vendor:?}"
        );
        canary.untouched();
    }
}

// CVE-2025-24965: the directory of the engine's files, and files that are one
#[test]
fn a_linked_etc_and_hard_links_in_it_are_left_alone() {
    let engine = Engine::start();
    let canary = Canary::new(&engine);
    let target = canary.0.display().to_string();
    hostile_image(&engine, "etc", |root| replace_by_link(root, "etc", &target));
    hostile_image(&engine, "hard", |root| {
        for name in ["hosts", "hostname", "resolv.conf"] {
            std::fs::hard_link(root.join("etc/passwd"), root.join("etc").join(name)).unwrap();
        }
    });
    engine.docker(["run", "--rm", "--user", "web", "etc", "true"]);
    let ran = engine.docker([
        "run",
        "--rm",
        "etc",
        "sh",
        "-c",
        "echo x >/etc/hosts; cat /etc/hosts",
    ]);
    assert!(ran.code != 0 || ran.stdout.trim() == "x", "{ran:?}");
    canary.untouched();
    let script = "echo x >/etc/hosts; echo y >/etc/resolv.conf; cat /etc/passwd /etc/hosts";
    let ran = engine.docker(["run", "--rm", "hard", "sh", "-c", script]);
    assert_eq!(ran.ok(), "root:x:0:0:root:/root:/bin/sh\nx");
}
