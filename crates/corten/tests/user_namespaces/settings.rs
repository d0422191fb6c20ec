//! Whom `userns-remap` may name, and what vendors' devices are in such containers.

use super::{base, owner, pid};
use corten_testkit::{Engine, Options, program, run};

/// A copy of the host's /etc where these users and their ranges are known.
fn etc_with_users(directory: &std::path::Path) -> std::path::PathBuf {
    let etc = directory.join("etc");
    let words = ["-a", "/etc", &etc.display().to_string()].map(str::to_owned);
    assert_eq!(run(&mut program("cp", words)).code, 0);
    for (name, lines) in [
        ("passwd", "pete:x:4321:4321::/:/bin/false\n"),
        ("group", "pete:x:4321:\nothers:x:4322:\n"),
        ("subuid", "pete:800000:64536\n4321:700000:1000\n"),
        ("subgid", "pete:600000:65536\n"),
    ] {
        let path = etc.join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, text + lines).expect("written");
    }
    etc
}

#[test]
fn a_named_user_gives_containers_its_ranges_one_after_the_other() {
    let directory = tempfile::tempdir().expect("a directory");
    let etc = etc_with_users(directory.path());
    for setting in ["pete", "4321:others"] {
        let engine = Engine::start_with(Options {
            arguments: ["--userns-remap", setting].map(String::from).to_vec(),
            etc: Some(etc.clone()),
            ..Options::default()
        });
        engine.load("busybox");
        let maps =
            "cat /proc/self/uid_map /proc/self/gid_map; touch /v/mine; chown 1500:1500 /v/mine";
        let ran = engine.docker(["run", "--rm", "-v", "vol:/v", "busybox", "sh", "-c", maps]);
        let words: Vec<&str> = ran.ok().split_whitespace().collect();
        assert_eq!(
            words.join(" "),
            "0 700000 1000 1000 800000 64536 0 600000 65536"
        );
        let sleep = [
            "run",
            "-d",
            "--name",
            "cc",
            "-v",
            "vol:/v",
            "--user",
            "1500:1500",
        ];
        engine
            .docker(sleep.iter().chain(&["busybox", "sleep", "1000"]))
            .ok();
        // The 1500th of both ranges.
        let process = pid(&engine, "cc");
        assert_eq!(owner(format!("/proc/{process}/stat")), (800_500, 601_500));
        assert_eq!(base(process), 700_000);
        let stat = [
            "exec",
            "cc",
            "sh",
            "-c",
            "stat -c %u:%g /v/mine && echo x >/v/mine",
        ];
        assert_eq!(engine.docker(stat).ok(), "1500:1500");
    }
}

#[test]
fn root_named_as_the_user_is_told_and_leaves_the_hosts_users() {
    for setting in ["root", "0:0"] {
        let engine = Engine::start_with(Options {
            arguments: ["--userns-remap", setting].map(String::from).to_vec(),
            ..Options::default()
        });
        let said = "User namespaces: root cannot be remapped with itself; user namespaces are OFF";
        assert!(engine.log().contains(said), "{}", engine.log());
        let info = engine.docker(["info", "-f", "{{.SecurityOptions}}"]);
        assert!(!info.ok().contains("userns"), "{info:?}");
        engine.load("busybox");
        let map = [
            "run",
            "--rm",
            "--privileged",
            "busybox",
            "cat",
            "/proc/self/uid_map",
        ];
        assert!(engine.docker(map).ok().contains("4294967295"));
    }
}

#[test]
fn a_vendors_device_works_in_a_user_namespace() {
    let directory = tempfile::tempdir().expect("a directory");
    let note = directory.path().join("note");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    std::fs::write(data.join("lib"), "of the vendor").expect("a file");
    let text = format!(
        "cdiVersion: 0.6.0
kind: vendor.com/thing
devices:
- name: zero
  containerEdits:
    env: [THING=zero]
    deviceNodes:
    - {{path: /dev/thing, hostPath: /dev/zero, permissions: rw}}
    mounts: [{{hostPath: {}, containerPath: /srv/vendor, options: [ro, bind]}}]
    hooks:
    - hookName: createRuntime
      path: /bin/sh
      args: [sh, -c, 'cat > {}']
",
        data.display(),
        note.display()
    );
    std::fs::write(directory.path().join("thing.yaml"), text).expect("written");
    let specs = directory.path().display().to_string();
    let arguments = ["--userns-remap", "default", "--cdi-spec-dir", &specs];
    let engine = Engine::start_with(Options {
        arguments: arguments.map(String::from).to_vec(),
        ..Options::default()
    });
    engine.load("busybox");
    let script =
        "echo $THING; head -c 2 /dev/thing | wc -c; cat /srv/vendor/lib; touch /srv/vendor/x";
    let words = ["run", "--name", "web", "--device", "vendor.com/thing=zero"];
    let ran = engine.docker(words.iter().chain(&["busybox", "sh", "-c", script]));
    assert_eq!(ran.stdout, "zero\n2\nof the vendor", "{}", ran.stderr);
    assert!(ran.stderr.contains("Read-only file system"), "{ran:?}");
    let state = std::fs::read_to_string(&note).expect("the hook ran");
    let id = engine.docker(["inspect", "-f", "{{.Id}}", "web"]);
    assert!(state.contains(id.ok()), "{state}");
}
