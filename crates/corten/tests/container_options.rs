//! Options of `run` that need more than a limit: devices of vendors, images as mounts,
//! restarts for health.

use corten_testkit::{Engine, Options, until};

#[test]
fn a_device_of_a_vendor_brings_its_node_variables_mounts_and_hooks() {
    let directory = tempfile::tempdir().expect("a directory");
    let note = directory.path().join("note");
    let text = format!(
        "cdiVersion: 0.6.0
kind: vendor.com/thing
containerEdits:
  env: [COMMON=1]
devices:
- name: zero
  containerEdits:
    deviceNodes: [{{path: /dev/thing, hostPath: /dev/zero, permissions: r}}]
    mounts: [{{hostPath: /usr/share, containerPath: /srv/share, options: [ro]}}]
    hooks:
    - hookName: createRuntime
      path: /bin/sh
      args: [sh, -c, 'cat > {}']
",
        note.display()
    );
    std::fs::write(directory.path().join("thing.yaml"), text).expect("written");
    let engine = Engine::start_with(Options {
        arguments: vec![
            "--cdi-spec-dir".to_owned(),
            directory.path().display().to_string(),
        ],
        ..Options::default()
    });
    engine.load("busybox");
    let script = "head -c 2 /dev/thing | wc -c; echo $COMMON; ls -d /srv/share; touch /srv/share/x";
    let ran = engine.docker([
        "run",
        "--name",
        "web",
        "--device",
        "vendor.com/thing=zero",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(ran.stdout, "2\n1\n/srv/share\n", "{}", ran.stderr);
    assert!(
        ran.stderr.contains("Read-only file system"),
        "{}",
        ran.stderr
    );
    let state = std::fs::read_to_string(&note).expect("the hook ran");
    let id = engine.docker(["inspect", "-f", "{{.Id}}", "web"]);
    assert!(state.contains(id.ok()), "{state}");

    let missing = [
        "run",
        "--device",
        "vendor.com/thing=other",
        "busybox",
        "true",
    ];
    engine.docker(missing).fails(
        125,
        "CDI device injection failed: unresolvable CDI devices vendor.com/thing=other",
    );
    engine
        .docker(["run", "--gpus", "all", "busybox", "true"])
        .fails(
            125,
            "could not select device driver \"\" with capabilities: [[gpu]]",
        );
    let info = engine.docker(["info", "-f", "{{.CDISpecDirs}}"]);
    assert_eq!(info.ok(), format!("[{}]", directory.path().display()));
}

#[test]
fn an_image_is_mounted_read_only_whole_or_in_part_and_stays_when_it_loses_its_name() {
    let mut engine = Engine::with_images(&["busybox", "alpine"]);
    let mount = |rest: &str| format!("type=image,source=alpine,target=/a{rest}");
    let run = |engine: &Engine, rest: &str, script: &str| {
        let mount = mount(rest);
        let words = [
            "run", "--rm", "--mount", &mount, "busybox", "sh", "-c", script,
        ];
        engine.docker(words)
    };
    let whole = run(&engine, "", "cat /a/etc/os-release; touch /a/x");
    assert!(
        whole.stdout.contains("ID="),
        "{}{}",
        whole.stdout,
        whole.stderr
    );
    whole.fails(1, "Read-only file system");
    let part = run(
        &engine,
        ",image-subpath=etc",
        "ls /a/os-release; ls -d /a/etc",
    );
    assert_eq!(part.stdout, "/a/os-release\n", "{}", part.stderr);
    let file = run(&engine, ",image-subpath=etc/os-release", "grep -c ^ID= /a");
    assert_eq!(file.stdout, "1\n", "{}", file.stderr);
    run(&engine, ",image-subpath=nono", "true").fails(127, "no such file or directory");
    run(&engine, ",image-subpath=../etc", "true").fails(
        125,
        "invalid mount config for type \"image\": subpath must be a relative path within the volume",
    );

    let whole = mount("");
    engine
        .docker([
            "create",
            "--name",
            "keeper",
            "--mount",
            &whole,
            "busybox",
            "cat",
            "/a/etc/os-release",
        ])
        .ok();
    engine.docker(["rmi", "-f", "alpine"]).ok();
    engine.docker(["image", "prune", "-f"]).ok();
    engine.stop_daemon();
    engine.start_daemon();
    assert!(
        engine
            .docker(["start", "-a", "keeper"])
            .ok()
            .contains("ID=")
    );
    engine.docker(["rm", "keeper"]).ok();
    let files = engine.leftovers().files;
    let left = |it: &std::path::PathBuf| it.display().to_string().contains("-image-");
    assert!(!files.iter().any(left), "{files:?}");
}

#[test]
fn a_container_that_is_not_well_starts_anew_if_it_asked_for_that() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "web",
            "--restart",
            "on-unhealthy:1",
            "--stop-timeout",
            "1",
            "--health-cmd",
            "test ! -e /sick",
            "--health-interval",
            "200ms",
            "--health-retries",
            "2",
            "busybox",
            "sh",
            "-c",
            "rm -f /sick; exec sleep 1000",
        ])
        .ok();
    let shows = |format: &str| engine.docker(["inspect", "-f", format, "web"]).stdout;
    until("it is well", 20, || {
        shows("{{.State.Health.Status}}") == "healthy\n"
    });
    engine.docker(["exec", "web", "touch", "/sick"]).ok();
    until("it was started anew", 20, || {
        shows("{{.RestartCount}}") == "1\n"
    });
    until("it is well again", 20, || {
        shows("{{.State.Health.Status}}") == "healthy\n"
    });
    // Once was all that it asked for.
    engine.docker(["exec", "web", "touch", "/sick"]).ok();
    until("it is not well", 20, || {
        shows("{{.State.Health.Status}}") == "unhealthy\n"
    });
    assert_eq!(shows("{{.State.Running}} {{.RestartCount}}"), "true 1\n");
}
