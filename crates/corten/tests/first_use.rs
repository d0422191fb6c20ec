//! What a new user sees: our own client, and an engine that starts by itself.

use corten_testkit::{Engine, Options, binary, program, run};

/// A shell script on a machine without network, engine or images: /run, /var/lib and
/// /var/log are empty, in namespaces of its own.
fn on_a_fresh_machine(script: &str) -> corten_testkit::Ran {
    let bin = binary("corten");
    let bin = bin
        .parent()
        .expect("it stands in a directory")
        .display()
        .to_string();
    let whole = format!(
        "set -e; export PATH={bin}:$PATH; mount --make-rprivate /; \
         for d in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 t $d; done; ip link set lo up; \
         trap '[ ! -e /run/corten.pid ] || kill $(cat /run/corten.pid)' EXIT; {script}"
    );
    run(program("unshare", ["-m", "-n", "--", "sh", "-c", &whole]).env_remove("DOCKER_HOST"))
}

#[test]
fn the_first_command_starts_the_engine_and_greets_without_a_network() {
    let ran = on_a_fresh_machine(
        "corten run hello-world; corten ps -a --format '{{.Image}} {{.Status}}'",
    );
    assert!(ran.ok().contains("Corten"), "the greeting: {ran:?}");
    assert!(ran.ok().contains("hello-world Exited (0)"), "{ran:?}");
    assert!(
        ran.stderr.contains("cortend"),
        "that the engine was started is said: {ran:?}"
    );
    assert!(
        ran.stderr.contains("built-in") || ran.stderr.contains("built in"),
        "and where the image is from: {ran:?}"
    );
}

#[test]
fn the_engine_is_not_started_where_that_is_turned_off() {
    let ran = on_a_fresh_machine("export CORTEN_AUTOSTART=0; corten ps");
    ran.fails(
        1,
        "Cannot connect to the Docker daemon at unix:///run/corten.sock",
    );
}

#[test]
fn completing_a_word_starts_no_engine() {
    let ran = on_a_fresh_machine(
        "corten __complete rm ''; [ ! -e /run/corten.sock ] && echo none; corten ps -q; [ -e /run/corten.sock ] && echo one",
    );
    assert_eq!(ran.ok(), ":4\nnone\none", "{ran:?}");
}

#[test]
fn our_client_runs_the_everyday_commands() {
    let engine = Engine::with_images(&["busybox"]);
    assert_eq!(
        engine.corten(["run", "--rm", "busybox", "echo", "hi"]).ok(),
        "hi"
    );
    assert_eq!(
        engine.corten(["run", "busybox", "sh", "-c", "exit 9"]).code,
        9
    );
    engine
        .corten(["run", "busybox", "nosuch"])
        .fails(127, "executable file not found in $PATH");
    engine
        .corten([
            "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sleep", "1000",
        ])
        .ok();
    for words in [
        [
            "ps",
            "--format",
            "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.Ports}}\t{{.Names}}",
        ]
        .as_slice(),
        &["container", "ls", "-aq", "--no-trunc"],
        &["images"],
        &["image", "ls", "--no-trunc"],
        &["inspect", "web"],
        &["port", "web"],
        &["top", "web"],
        &["logs", "web"],
        &["volume", "ls"],
        &["network", "ls"],
        &["network", "inspect", "bridge"],
        &["system", "df"],
        &["history", "busybox"],
        &["version", "--format", "{{.Server.APIVersion}}"],
        &["images", "--format", "json"],
    ] {
        let (ours, stock) = (engine.corten(words), engine.docker(words));
        let same = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(same(ours.ok()), same(stock.ok()), "{words:?}");
    }
    assert_eq!(engine.corten(["exec", "web", "echo", "here"]).ok(), "here");
    assert_eq!(engine.corten(["stop", "-t", "0", "web"]).ok(), "web");
    assert_eq!(engine.corten(["rm", "web"]).ok(), "web");
    assert!(engine.corten(["info"]).ok().contains("Server Version"));
}

#[test]
fn an_init_process_reaps_and_passes_signals_on() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker([
            "run", "-d", "--init", "--name", "init", "busybox", "sleep", "1000",
        ])
        .ok();
    let first = engine
        .docker(["exec", "init", "sh", "-c", "cat /proc/1/comm"])
        .ok()
        .to_owned();
    assert_ne!(first, "sleep");
    // sleep as PID 1 would ignore TERM and be killed after ten seconds with 137.
    engine.docker(["stop", "init"]).ok();
    assert_eq!(
        engine
            .docker(["inspect", "-f", "{{.State.ExitCode}}", "init"])
            .ok(),
        "143"
    );
}

#[test]
fn without_a_default_bridge_a_container_has_its_loopback_only() {
    let engine = Engine::start_with(Options {
        arguments: vec!["--bridge".into(), "none".into()],
        ..Options::default()
    });
    engine.load("busybox");
    let links = engine.docker(["run", "--rm", "busybox", "ls", "/sys/class/net"]);
    assert_eq!(links.ok(), "lo");
    engine
        .docker(["run", "--rm", "--network", "host", "busybox", "true"])
        .ok();
}
