//! What Docker's teaching texts tell a beginner to type, typed into the stock client.

use corten_testkit::{Engine, Terminal, docker_20, until};

/// The lines of a table after its header.
fn rows(table: &str) -> Vec<&str> {
    table.lines().skip(1).collect()
}

#[test]
fn the_first_container_greets_and_is_listed() {
    let engine = Engine::with_registries();
    let first = engine.docker(["run", "hello-world"]);
    first.ok();
    let said: Vec<&str> = first.stderr.lines().collect();
    assert_eq!(said[0], "Unable to find image 'hello-world:latest' locally");
    assert_eq!(said[1], "latest: Pulling from library/hello-world");
    let layer = said
        .iter()
        .find(|line| line.ends_with(": Pull complete"))
        .expect("a line a layer");
    assert_eq!(layer.split(':').next().map(str::len), Some(12), "{layer}");
    assert!(
        said.iter().any(|line| line.starts_with("Digest: sha256:")),
        "{said:?}"
    );
    assert!(
        said.contains(&"Status: Downloaded newer image for hello-world:latest"),
        "{said:?}"
    );
    assert!(first.stdout.contains("Hello"), "{}", first.stdout);

    let images = engine.docker(["images"]);
    let header: Vec<&str> = images
        .ok()
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(header.join(" "), "REPOSITORY TAG IMAGE ID CREATED SIZE");
    assert_eq!(rows(images.ok()).len(), 1);

    assert!(rows(engine.docker(["ps"]).ok()).is_empty());
    let all = engine.docker(["ps", "-a"]);
    let row = rows(all.ok())[0];
    assert!(row.contains("Exited (0)") && row.contains("ago"), "{row}");
    let name = row.split_whitespace().last().unwrap();
    assert!(
        name.split('_').count() == 2,
        "a generated name, adjective_surname: {name}"
    );
}

#[test]
fn the_old_client_runs_the_first_container_too() {
    let engine = Engine::with_registries();
    let first = engine.docker_20(["run", "--rm", "hello-world"]);
    assert!(first.ok().contains("Hello"));
    assert!(engine.docker_20(["version"]).ok().contains("API version"));
    engine.docker_20(["info"]).ok();
    assert!(rows(engine.docker_20(["ps", "-a"]).ok()).is_empty());
    assert_eq!(rows(engine.docker_20(["images"]).ok()).len(), 1);
}

#[test]
fn a_container_goes_through_every_verb() {
    every_verb(&Engine::with_images(&["busybox"]));
}

#[test]
fn a_container_goes_through_every_verb_with_the_old_client() {
    every_verb(&Engine::with_images(&["busybox"]).with_client(docker_20()));
}

fn every_verb(engine: &Engine) {
    let id = engine.docker([
        "run", "-d", "--name", "web", "-e", "K=V", "busybox", "sleep", "1000",
    ]);
    let id = id.ok().to_owned();
    assert_eq!(id.len(), 64);
    assert_eq!(
        engine.docker(["exec", "web", "sh", "-c", "echo $K"]).ok(),
        "V"
    );
    assert_eq!(engine.docker(["ps", "-q"]).ok(), &id[..12]);
    engine.docker(["run", "--name", "web", "busybox"]).fails(
        125,
        &format!("Conflict. The container name \"/web\" is already in use by container \"{id}\""),
    );
    engine
        .docker(["rm", "web"])
        .fails(1, "cannot remove container \"web\": container is running");

    assert_eq!(engine.docker(["pause", "web"]).ok(), "web");
    assert!(engine.docker(["ps"]).ok().contains("(Paused)"));
    assert_eq!(engine.docker(["unpause", "web"]).ok(), "web");
    assert!(engine.docker(["top", "web"]).ok().contains("sleep 1000"));
    assert!(
        engine
            .docker(["stats", "--no-stream", "web"])
            .ok()
            .contains("web")
    );
    engine
        .docker(["update", "--memory", "64m", "--memory-swap", "64m", "web"])
        .ok();
    assert_eq!(
        engine
            .docker(["inspect", "-f", "{{.HostConfig.Memory}}", "web"])
            .ok(),
        "67108864"
    );
    engine.docker(["rename", "web", "site"]).ok();

    engine
        .docker([
            "exec",
            "site",
            "sh",
            "-c",
            "echo hello > /new; rm /etc/group",
        ])
        .ok();
    let changes = engine.docker(["diff", "site"]);
    assert!(
        changes.ok().lines().any(|line| line == "A /new"),
        "{}",
        changes.stdout
    );
    assert!(
        changes.ok().lines().any(|line| line == "D /etc/group"),
        "{}",
        changes.stdout
    );
    let copy = engine.path("copy").display().to_string();
    engine.docker(["cp", "site:/new", &copy]).ok();
    assert_eq!(
        std::fs::read_to_string(&copy).expect("it was copied"),
        "hello\n"
    );
    engine.docker(["cp", &copy, "site:/tmp/back"]).ok();
    assert_eq!(
        engine.docker(["exec", "site", "cat", "/tmp/back"]).ok(),
        "hello"
    );
    let image = engine.docker(["commit", "-m", "by hand", "site", "made:0.1"]);
    assert!(image.ok().starts_with("sha256:"));
    assert_eq!(
        engine
            .docker(["run", "--rm", "made:0.1", "cat", "/new"])
            .ok(),
        "hello"
    );

    assert_eq!(engine.docker(["restart", "-t", "0", "site"]).ok(), "site");
    assert_eq!(engine.docker(["kill", "site"]).ok(), "site");
    assert_eq!(engine.docker(["wait", "site"]).ok(), "137");
    assert!(engine.docker(["ps", "-a"]).ok().contains("Exited (137)"));
    assert_eq!(engine.docker(["start", "site"]).ok(), "site");
    assert_eq!(engine.docker(["stop", "-t", "0", "site"]).ok(), "site");
    assert_eq!(engine.docker(["rm", "-f", "-v", "site"]).ok(), "site");
    engine
        .docker(["inspect", "site"])
        .fails(1, "No such object: site");
}

#[test]
fn output_and_exit_codes_are_the_containers_own() {
    output_and_exit_codes(&Engine::with_images(&["busybox"]));
}

#[test]
fn output_and_exit_codes_are_the_containers_own_with_the_old_client() {
    output_and_exit_codes(&Engine::with_images(&["busybox"]).with_client(docker_20()));
}

fn output_and_exit_codes(engine: &Engine) {
    let ran = engine.docker([
        "run",
        "busybox",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
    ]);
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str(), ran.code),
        ("out\n", "err\n", 7)
    );
    let missing = engine.docker(["run", "busybox", "nosuch"]);
    missing.fails(127, "exec: \"nosuch\": executable file not found in $PATH");
    engine
        .docker(["run", "busybox", "/etc/passwd"])
        .fails(126, "permission denied");
    engine
        .docker(["run", "-w", "/etc/passwd", "busybox", "true"])
        .fails(125, "not a directory");
    let killed = engine.docker(["run", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]);
    assert_eq!(killed.code, 137);
    let echoed =
        engine.docker_with_input(["run", "-i", "--rm", "busybox", "cat"], b"through and back");
    assert_eq!(echoed.ok(), "through and back");
}

#[test]
fn logs_are_followed_cut_and_dated() {
    logs(&Engine::with_images(&["busybox"]));
}

#[test]
fn logs_are_followed_cut_and_dated_with_the_old_client() {
    logs(&Engine::with_images(&["busybox"]).with_client(docker_20()));
}

fn logs(engine: &Engine) {
    engine
        .docker([
            "run",
            "--name",
            "ll",
            "busybox",
            "sh",
            "-c",
            "for i in 1 2 3 4 5; do echo $i; done",
        ])
        .ok();
    assert_eq!(engine.docker(["logs", "ll"]).ok(), "1\n2\n3\n4\n5");
    assert_eq!(engine.docker(["logs", "--tail", "2", "ll"]).ok(), "4\n5");
    assert_eq!(
        engine
            .docker(["logs", "--since", "2030-10-27T10:00:00", "ll"])
            .ok(),
        ""
    );
    assert_eq!(
        engine
            .docker([
                "logs",
                "--since",
                "2023-10-27T10:00:00",
                "--tail",
                "1",
                "ll"
            ])
            .ok(),
        "5"
    );
    let dated = engine.docker(["logs", "-t", "--tail", "1", "ll"]);
    assert!(
        dated.ok().starts_with("20") && dated.ok().ends_with("Z 5"),
        "{}",
        dated.stdout
    );
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "ff",
            "busybox",
            "sh",
            "-c",
            "echo a; read x; echo b",
        ])
        .ok();
    let followed = engine.docker(["logs", "-f", "ff"]);
    assert_eq!(followed.ok(), "a\nb");
}

#[test]
fn several_containers_are_stopped_and_removed_at_once() {
    several_at_once(&Engine::with_images(&["busybox"]));
}

#[test]
fn several_containers_are_stopped_and_removed_at_once_with_the_old_client() {
    several_at_once(&Engine::with_images(&["busybox"]).with_client(docker_20()));
}

fn several_at_once(engine: &Engine) {
    for name in ["aa", "bb", "cc"] {
        engine
            .docker(["run", "-d", "--name", name, "busybox", "sleep", "1000"])
            .ok();
    }
    let ids = engine.docker(["ps", "-aq"]);
    let ids: Vec<&str> = ids.ok().lines().collect();
    engine.docker(["stop", "-t", "0"].iter().chain(&ids)).ok();
    assert!(rows(engine.docker(["ps"]).ok()).is_empty());
    let removed = engine.docker(["rm"].iter().chain(&ids));
    assert_eq!(removed.ok().lines().collect::<Vec<_>>(), ids);
    engine.docker(["run", "--name", "pp", "busybox"]).ok();
    let pruned = engine.docker(["container", "prune", "-f"]);
    assert!(
        pruned.ok().contains("Deleted Containers:"),
        "{}",
        pruned.stdout
    );
    assert!(rows(engine.docker(["ps", "-a"]).ok()).is_empty());
}

#[test]
fn a_terminal_has_a_prompt_a_size_and_an_end() {
    let engine = Engine::with_images(&["debian"]);
    let docker = corten_testkit::docker_current().display().to_string();
    let host = [("DOCKER_HOST", engine.host())];
    let mut terminal = Terminal::run(&format!("{docker} run -it --name tt debian"), &host);
    terminal.shows(":/# ");
    let id = engine.docker(["ps", "-q"]).ok().to_owned();
    terminal.shows(&format!("root@{id}:/# "));
    terminal.types("stty size\n");
    terminal.shows("33 91");
    terminal.types("exit 3\n");
    assert_eq!(terminal.ends(), 3);

    engine.docker(["start", "tt"]).ok();
    let mut terminal = Terminal::run(&format!("{docker} attach tt"), &host);
    terminal.types("echo $((6*7))\n");
    terminal.shows("42");
    terminal.types("\u{10}\u{11}");
    terminal.ends();
    assert_eq!(
        engine
            .docker(["inspect", "-f", "{{.State.Running}}", "tt"])
            .ok(),
        "true"
    );
    let mut terminal = Terminal::run(&format!("{docker} exec -it tt bash"), &host);
    terminal.shows(":/# ");
    terminal.types("exit 4\n");
    assert_eq!(terminal.ends(), 4);
}

#[test]
fn a_volume_outlives_its_containers() {
    volumes(&Engine::with_images(&["busybox"]));
}

#[test]
fn a_volume_outlives_its_containers_with_the_old_client() {
    volumes(&Engine::with_images(&["busybox"]).with_client(docker_20()));
}

fn volumes(engine: &Engine) {
    engine
        .docker([
            "run",
            "--rm",
            "-v",
            "data:/d",
            "busybox",
            "sh",
            "-c",
            "echo kept > /d/f",
        ])
        .ok();
    assert_eq!(
        engine
            .docker(["run", "--rm", "-v", "data:/d", "busybox", "cat", "/d/f"])
            .ok(),
        "kept"
    );
    assert!(engine.docker(["volume", "ls"]).ok().contains("data"));
    engine
        .docker(["create", "--name", "user", "-v", "data:/d", "busybox"])
        .ok();
    engine
        .docker(["volume", "rm", "data"])
        .fails(1, "volume is in use");
    engine.docker(["rm", "user"]).ok();
    assert_eq!(engine.docker(["volume", "rm", "data"]).ok(), "data");
    let host = engine.path("shared");
    std::fs::create_dir(&host).expect("a directory");
    let bind = format!("{}:/app", host.display());
    engine
        .docker([
            "run", "-d", "--name", "dev", "-v", &bind, "busybox", "sleep", "1000",
        ])
        .ok();
    std::fs::write(host.join("edit"), "seen at once").expect("a file");
    assert_eq!(
        engine.docker(["exec", "dev", "cat", "/app/edit"]).ok(),
        "seen at once"
    );
    assert_eq!(
        engine
            .docker([
                "run",
                "--rm",
                "--tmpfs",
                "/t",
                "busybox",
                "sh",
                "-c",
                "grep ' /t ' /proc/mounts | cut -d' ' -f1"
            ])
            .ok(),
        "tmpfs"
    );
}

#[test]
fn restart_policies_bring_a_container_back() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "rr",
            "--restart",
            "on-failure:2",
            "busybox",
            "sh",
            "-c",
            "exit 3",
        ])
        .ok();
    until("it was restarted twice and given up", 20, || {
        engine
            .docker(["inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "rr"])
            .ok()
            == "2 exited"
    });
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "aa",
            "--restart",
            "always",
            "busybox",
            "sleep",
            "1000",
        ])
        .ok();
    let pid = engine
        .docker(["inspect", "-f", "{{.State.Pid}}", "aa"])
        .ok()
        .to_owned();
    corten_testkit::run(&mut corten_testkit::program("kill", ["-9", &pid]));
    until("it runs again", 20, || {
        let state = engine.docker(["inspect", "-f", "{{.State.Running}} {{.State.Pid}}", "aa"]);
        state.ok().starts_with("true") && !state.ok().ends_with(&format!(" {pid}"))
    });
    engine.docker(["stop", "-t", "0", "aa"]).ok();
    assert_eq!(
        engine
            .docker(["inspect", "-f", "{{.State.Status}}", "aa"])
            .ok(),
        "exited"
    );
}
