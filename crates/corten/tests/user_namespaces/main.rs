//! Containers in user namespaces, by the stock client: with `userns-remap`, and with a range
//! of their own (`--userns=auto`, which only our client and the API know).

mod builds;
mod crash;
mod settings;

use corten_testkit::{Engine, Options, binary, program, run, until};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The range of `default` where the system has no user `dockremap`.
const BASE: u32 = 1 << 31;

fn remapped(images: &[&str]) -> Engine {
    let engine = Engine::start_with(Options {
        arguments: ["--userns-remap", "default"].map(String::from).to_vec(),
        ..Options::default()
    });
    images.iter().for_each(|name| engine.load(name));
    engine
}

fn pid(engine: &Engine, name: &str) -> u32 {
    let found = engine.docker(["inspect", "-f", "{{.State.Pid}}", name]);
    found.ok().parse().expect("a number")
}

/// First ID on the host of the process's user namespace.
fn base(pid: u32) -> u32 {
    let map = std::fs::read_to_string(format!("/proc/{pid}/uid_map")).expect("its map");
    let words: Vec<&str> = map.split_whitespace().collect();
    words[1].parse().expect("a number")
}

fn owner(path: impl Into<PathBuf>) -> (u32, u32) {
    let path = path.into();
    let found = std::fs::symlink_metadata(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    (found.uid(), found.gid())
}

#[test]
fn root_of_a_remapped_container_is_nobody_on_the_host_and_root_inside() {
    let engine = remapped(&["busybox"]);
    let info = engine.docker(["info", "-f", "{{.SecurityOptions}}"]);
    assert!(info.ok().contains("name=userns"), "{info:?}");
    let script = "id -u; cat /proc/self/uid_map; touch /made; chown 5:6 /made; stat -c %u:%g / /made /bin/sh; \
                  echo name >>/etc/hosts; echo out >/dev/stdout; echo err >/dev/stderr; \
                  cat /sys/class/net/lo/mtu; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
                  cat /proc/sys/net/ipv4/ping_group_range; echo x >/dev/null; echo x >/dev/shm/x; \
                  head -c 3 /dev/zero | wc -c; stat -c %u /dev/pts /dev/shm /proc/1";
    let ran = engine.docker(["run", "--name", "one", "busybox", "sh", "-c", script]);
    let said: Vec<&str> = ran.ok().split_whitespace().collect();
    let map = format!("0 {BASE} 65536");
    let words = "0 MAP 0:0 5:6 0:0 out 65536 0 0 65535 3 0 0 0".replace("MAP", &map);
    assert_eq!(
        said,
        words.split_whitespace().collect::<Vec<_>>(),
        "{ran:?}"
    );
    assert_eq!(ran.stderr.trim(), "err");
    // On disk the numbers are the container's, so that diff, commit and export see them.
    let upper = engine.docker(["inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "one"]);
    assert_eq!(owner(PathBuf::from(upper.ok()).join("made")), (5, 6));
    assert_eq!(engine.docker(["diff", "one"]).ok(), "A /made");
    engine.docker(["commit", "one", "kept"]).ok();
    let again = ["run", "--rm", "kept", "stat", "-c", "%u:%g", "/made"];
    assert_eq!(engine.docker(again).ok(), "5:6");
    let export = format!("{} export one | tar -tvf - made", engine_line(&engine));
    let listed = run(&mut program("sh", ["-c", &export]));
    assert!(listed.ok().contains("5/6"), "{listed:?}");
    // A terminal, an init, a read-only root, a limit and another user.
    for words in [
        &["-t", "busybox", "tty"][..],
        &["--init", "busybox", "true"],
        &["--read-only", "busybox", "true"],
        &[
            "--memory",
            "64m",
            "--ulimit",
            "nofile=99",
            "busybox",
            "true",
        ],
        &[
            "--user",
            "1000",
            "busybox",
            "sh",
            "-c",
            "echo x >/dev/stderr",
        ],
        &["--network", "none", "busybox", "true"],
        &["--uts", "host", "busybox", "true"],
        &["--tmpfs", "/t:uid=5", "busybox", "true"],
        &[
            "--device",
            "/dev/full:/dev/brimful",
            "busybox",
            "ls",
            "/dev/brimful",
        ],
        &[
            "--mount",
            "type=image,src=busybox,dst=/i",
            "busybox",
            "ls",
            "/i/bin/sh",
        ],
        &["--oom-score-adj", "100", "busybox", "true"],
        &["busybox", "ping", "-c1", "127.0.0.1"],
    ] {
        let words = ["run", "--rm"].iter().chain(words);
        engine.docker(words).ok();
    }
    let host = [
        "run",
        "--rm",
        "--userns",
        "host",
        "busybox",
        "cat",
        "/proc/self/uid_map",
    ];
    assert!(engine.docker(host).ok().contains("4294967295"));
}

/// The stock client as a shell's word.
fn engine_line(engine: &Engine) -> String {
    let client = corten_testkit::docker_current();
    format!("{} -H {}", client.display(), engine.host())
}

#[test]
fn exec_copies_and_volumes_speak_the_containers_numbers() {
    let engine = remapped(&["busybox"]);
    engine
        .docker([
            "run", "-d", "--name", "cc", "-v", "vol:/v", "busybox", "sleep", "1000",
        ])
        .ok();
    let process = pid(&engine, "cc");
    assert_eq!(owner(format!("/proc/{process}")), (BASE, BASE));
    let exec = [
        "exec",
        "cc",
        "sh",
        "-c",
        "id -u; echo x >/v/by-exec; echo y >/dev/stderr",
    ];
    assert_eq!(engine.docker(exec).ok(), "0");
    engine
        .docker(["exec", "-u", "7:8", "cc", "touch", "/tmp/of-seven"])
        .ok();
    engine.docker(["exec", "--privileged", "cc", "true"]).ok();
    assert_eq!(
        engine
            .docker(["exec", "-t", "cc", "stat", "-c", "%u", "/dev/pts/0"])
            .ok()
            .trim(),
        "0"
    );
    let volume = engine.docker(["volume", "inspect", "-f", "{{.Mountpoint}}", "vol"]);
    let volume = PathBuf::from(volume.ok());
    assert_eq!(owner(volume.join("by-exec")), (0, 0));
    // In: as the archive says; made directories are the container's root's.
    let files = engine.files("in", &[("d/file", "in")]);
    std::os::unix::fs::chown(files.join("d/file"), Some(70), Some(71)).expect("an owner");
    let tar = format!(
        "tar -C {} -cf - d | {} cp - cc:/tmp && tar -C {} -cf - d/file | {} cp -a - cc:/v",
        files.display(),
        engine_line(&engine),
        files.display(),
        engine_line(&engine)
    );
    assert_eq!(run(&mut program("sh", ["-c", &tar])).code, 0);
    let listed = [
        "exec",
        "cc",
        "stat",
        "-c",
        "%u:%g",
        "/tmp/d",
        "/tmp/d/file",
        "/v/d",
        "/v/d/file",
    ];
    assert_eq!(engine.docker(listed).ok(), "0:0\n70:71\n0:0\n70:71");
    assert_eq!(owner(volume.join("d/file")), (70, 71));
    // Out: likewise, whether it runs or not.
    let out = |path: &str| {
        let line = format!("{} cp cc:{path} - | tar -tvf -", engine_line(&engine));
        run(&mut program("sh", ["-c", &line]))
    };
    assert!(out("/tmp/of-seven").ok().contains("7/8"));
    assert!(out("/v/d/file").ok().contains("70/71"));
    engine.docker(["stop", "-t", "0", "cc"]).ok();
    assert!(out("/tmp/of-seven").ok().contains("7/8"));
    let plain = files.join("d/file").display().to_string();
    engine.docker(["cp", &plain, "cc:/tmp/stopped"]).ok();
    engine.docker(["start", "cc"]).ok();
    engine.docker(["restart", "-t", "0", "cc"]).ok();
    let seen = engine.docker([
        "exec",
        "cc",
        "cat",
        "/tmp/stopped",
        "/v/d/file",
        "/v/by-exec",
    ]);
    assert_eq!(seen.ok(), "ininx");
    // A container of the host's user namespace has the same files in the volume.
    let host = [
        "run",
        "--rm",
        "--userns=host",
        "-v",
        "vol:/v",
        "busybox",
        "stat",
        "-c",
        "%u",
        "/v/d/file",
    ];
    assert_eq!(engine.docker(host).ok(), "70");
    // A bind keeps the host's owners: root of the host is nobody inside.
    let bind = format!("{}:/b", files.display());
    let stat = [
        "run", "--rm", "-v", &bind, "busybox", "stat", "-c", "%u", "/b/d",
    ];
    assert_eq!(engine.docker(stat).ok(), "65534");
    let write = ["run", "--rm", "-v", &bind, "busybox", "touch", "/b/new"];
    assert_ne!(engine.docker(write).code, 0);
}

#[test]
fn what_needs_the_hosts_users_is_refused_in_dockerds_words() {
    let engine = remapped(&["busybox"]);
    for (words, sentence) in [
        (
            &["--privileged"][..],
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode",
        ),
        (
            &["--network", "host"],
            "cannot share the host's network namespace when user namespaces are enabled",
        ),
        (
            &["--pid", "host"],
            "cannot share the host PID namespace when user namespaces are enabled",
        ),
    ] {
        let run = |more: &[&str]| {
            let all = ["run", "--rm"].iter().chain(more).chain(words);
            engine.docker(all.chain(&["busybox", "true"]))
        };
        let ran = run(&[]);
        assert!(ran.code == 125 && ran.stderr.contains(sentence), "{ran:?}");
        run(&["--userns", "host"]).ok();
    }
    let cgroups = ["--security-opt", "writable-cgroups=true"];
    let all = ["run", "--rm"]
        .iter()
        .chain(&cgroups)
        .chain(&["busybox", "true"]);
    engine
        .docker(all)
        .fails(125, "writable-cgroups is not supported");
    let (status, said) = engine.request(
        "POST",
        "/containers/create",
        r#"{"Image":"busybox","HostConfig":{"UsernsMode":"private"}}"#,
    );
    assert_eq!(
        (status, said.as_str()),
        (400, r#"{"message":"invalid userns mode: private"}"#)
    );
    for (value, sentence) in [
        (
            "a:b:c",
            "Invalid user/group specification in --userns-remap: \"a:b:c\"",
        ),
        (
            "no-such-user",
            "Error during uid lookup for \"no-such-user\":",
        ),
    ] {
        let tried = run(&mut program(
            binary("cortend"),
            [
                "--userns-remap",
                value,
                "--data-root",
                "/nowhere",
                "--host",
                "unix:///nowhere/s",
            ],
        ));
        assert!(
            tried.code != 0 && tried.stderr.contains(sentence),
            "{tried:?}"
        );
    }
}

// CVE-2021-21284, CVE-2025-47291
#[test]
fn a_remapped_root_owns_nothing_of_the_engine_and_has_a_cgroup_of_its_own() {
    let engine = remapped(&["busybox"]);
    for name in ["one", "two"] {
        engine
            .docker([
                "run", "-d", "--name", name, "-v", "vol:/v", "busybox", "sleep", "1000",
            ])
            .ok();
        engine
            .docker([
                "exec",
                name,
                "sh",
                "-c",
                "echo mine >/v/$HOSTNAME; echo x >>/etc/hosts; touch /top",
            ])
            .ok();
    }
    let (data, exec) = (engine.path("data"), engine.path("exec"));
    let least = format!("+{}", BASE - 1);
    for directory in [&data, &exec] {
        let directory = directory.display().to_string();
        let found = run(&mut program(
            "find",
            [&directory, "-uid", &least, "-o", "-gid", &least],
        ));
        assert_eq!(found.ok(), "", "files of a mapped user");
    }
    // The same IDs without the container around them: a process that has broken out.
    let as_root = |line: &str| {
        let id = BASE.to_string();
        let words = [
            "--reuid",
            &id,
            "--regid",
            &id,
            "--clear-groups",
            "--",
            "sh",
            "-c",
            line,
        ];
        run(&mut program("setpriv", words))
    };
    let layers = data.join("layers").display().to_string();
    let containers = data.join("containers").display().to_string();
    let volumes = data.join("volumes").display().to_string();
    let socket = engine.path("cortend.sock").display().to_string();
    for attempt in [
        format!("ls {containers}"),
        format!("ls {layers}"),
        format!("ls {}", exec.display()),
        format!("touch {}/x", data.display()),
        format!("echo x >>{}/state.db", data.display()),
        format!("cat {}/state.db", data.display()),
        format!("echo x >{volumes}/vol/_data/y"),
        format!("curl -sf --unix-socket {socket} http://d/_ping"),
    ] {
        assert_ne!(as_root(&attempt).code, 0, "{attempt}");
    }
    assert_eq!(as_root("true").code, 0);
    let group = |name: &str| {
        std::fs::read_to_string(format!("/proc/{}/cgroup", pid(&engine, name))).expect("its groups")
    };
    let (one, two) = (group("one"), group("two"));
    for name in ["one", "two"] {
        let id = engine.docker(["inspect", "-f", "{{.Id}}", name]);
        let other = if name == "one" { &two } else { &one };
        assert!(
            group(name).contains(id.ok()) && !other.contains(id.ok()),
            "{one}{two}"
        );
    }
}

#[test]
fn every_container_with_userns_auto_has_a_range_of_its_own_until_it_is_removed() {
    let mut engine = Engine::with_images(&["busybox"]);
    let start = |engine: &Engine, name: &str| {
        engine
            .corten([
                "run", "-d", "--name", name, "--userns", "auto", "-v", "vol:/v", "busybox",
                "sleep", "1000",
            ])
            .ok();
        base(pid(engine, name))
    };
    let (one, two) = (start(&engine, "one"), start(&engine, "two"));
    assert!(
        one.abs_diff(two) >= 65536 && one > BASE && two > BASE,
        "{one} {two}"
    );
    // Both see the volume's files as their own, the other's processes cannot touch theirs.
    engine
        .docker(["exec", "one", "sh", "-c", "echo x >/v/one; chown 9 /v/one"])
        .ok();
    assert_eq!(
        engine
            .docker(["exec", "two", "stat", "-c", "%u", "/v/one"])
            .ok(),
        "9"
    );
    engine.kill_daemon();
    engine.start_daemon();
    assert_eq!(engine.docker(["exec", "one", "id", "-u"]).ok(), "0");
    assert_eq!(base(pid(&engine, "one")), one);
    let three = start(&engine, "three");
    assert!(![one, two].contains(&three), "{three}");
    engine.docker(["restart", "-t", "0", "two"]).ok();
    assert_eq!(base(pid(&engine, "two")), two, "it is kept in the record");
    engine.docker(["rm", "-f", "one", "two", "three"]).ok();
    until("the processes are gone", 20, || {
        engine.docker(["ps", "-aq"]).ok().is_empty()
    });
    let ran = engine.corten([
        "run",
        "--rm",
        "--userns",
        "auto",
        "--pid",
        "container:x",
        "busybox",
        "true",
    ]);
    assert_ne!(ran.code, 0);
    // Of the host's users, too: the other's /dev/shm is handed over.
    let words = "echo seen >/dev/shm/x; exec sleep 1000";
    let run = ["run", "-d", "--name", "shm", "--ipc", "shareable"];
    let last = ["busybox", "sh", "-c", words];
    let all = run.iter().chain(&last);
    engine.docker(all).ok();
    until("the file is there", 20, || {
        let words = [
            "run",
            "--rm",
            "--ipc",
            "container:shm",
            "busybox",
            "cat",
            "/dev/shm/x",
        ];
        engine.docker(words).stdout.trim() == "seen"
    });
    // Another's namespaces are shared in its user namespace.
    let engine = remapped(&["busybox"]);
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "web",
            "--ipc",
            "shareable",
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    for words in [
        &["--network", "container:web"][..],
        &["--pid", "container:web"],
        &["--ipc", "container:web"],
        &[
            "--network",
            "container:web",
            "--pid",
            "container:web",
            "--ipc",
            "container:web",
        ],
    ] {
        let all = ["run", "--rm"].iter().chain(words).chain(&[
            "busybox",
            "readlink",
            "/proc/self/ns/user",
        ]);
        let other = engine.docker(["exec", "web", "readlink", "/proc/self/ns/user"]);
        assert_eq!(engine.docker(all).ok(), other.ok(), "{words:?}");
    }
}
